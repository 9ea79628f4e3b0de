/* libdlbind's functions (include/ldx/dlbind.h), as ldx hands them to libdlbind.so, whose functions of the same names
 * programs are linked to. It finds this table by the name ldx_dlbind; without ldx there is none. */
#ifndef LDX_LOADER_DLBIND_H
#define LDX_LOADER_DLBIND_H

#include <elf.h>
#include <stddef.h>
#include <sys/types.h>

typedef void *ldx_dlbind_mmap(void *, size_t, int, int, int, off_t);
struct ldx_dlbind_functions {
  void (*init)(void);
  void *(*create)(const char *name);
  void *(*create_with_mmap)(const char *name, ldx_dlbind_mmap *map);
  void *(*alloc)(void *lib, size_t size, unsigned flags);
  void *(*bind)(void *lib, const char *symbol, void *at, size_t size, Elf64_Word type);
  int (*delete)(void *lib);
  void *(*find)(void *lib, const char *symbol, void *ns, unsigned long convention, const char *version);
};
extern const struct ldx_dlbind_functions ldx_dlbind;

void ldx_dlbind_init(void);
void *ldx_dlcreate(const char *name);
void *ldx_dlcreate_with_mmap(const char *name, ldx_dlbind_mmap *map);
void *ldx_dlalloc(void *lib, size_t size, unsigned flags);
void *ldx_dlbind_symbol(void *lib, const char *symbol, void *at, size_t size, Elf64_Word type);
int ldx_dldelete(void *lib);
void *ldx_dldsym(void *lib, const char *symbol, void *ns, unsigned long convention, const char *version);

#endif
