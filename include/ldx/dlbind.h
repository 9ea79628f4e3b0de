/* The interface of libdlbind, for programs written to it. <ldx/jit.h> is the better one: these functions are made of
 * it. Link with -ldlbind (libdlbind.so of ldx), or leave them undefined: ldx offers them to programs that it runs. */
#ifndef LDX_DLBIND_H
#define LDX_DLBIND_H

#include <elf.h>
#include <stddef.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Code of objects made here can be written at its address plus either of these. */
#define LDX_DLBIND_ALIAS 0x2000000
#define LDX_DLBIND_FAR_ALIAS 0x4000000

void __libdlbind_do_init(void);
/* A new object, open as by dlopen(..., RTLD_NOW | RTLD_GLOBAL); NULL: see dlerror. */
void *dlcreate(const char *libname);
void *dlcreate_with_mmap(const char *libname, void *(*mmap)(void *, size_t, int, int, int, off_t));
/* SHF_EXECINSTR: code; SHF_WRITE: data; neither: read-only data, which is written at the same distance as code. NULL:
 * both, or no room. */
void *dlalloc(void *lib, size_t size, unsigned shf_flags);
/* Binds and publishes one symbol; answers with lib. NULL: see dlerror. */
void *dlbind(void *lib, const char *sym, void *obj, size_t len, Elf64_Word stt);
/* 0; -1: see dlerror. */
int dldelete(void *lib);
/* The symbol's address; ns and conv are not used (NULL, 0); ver as for dlvsym, or NULL. */
void *dldsym(void *lib, const char *sym, void *ns, unsigned long conv, const char *ver);

#ifdef __cplusplus
}
#endif
#endif
