/* The dl* family and what libc asks of its loader: bound in place of the guest loader's functions. */
#ifndef LDX_LOADER_DL_H
#define LDX_LOADER_DL_H

#include "loader/context.h"

/* dlopen without the channel for errors: NULL with or without (RTLD_NOLOAD) a failed diag. */
struct ldx_object *ldx_open(const char *name, int mode, const void *caller, struct ldx_diag *d);

/* The object whose code made a call; the program when it is no object's. */
struct ldx_object *ldx_caller(const void *caller);
/* An open object's symbols are everybody's; when that fails it is closed. */
bool ldx_make_global(struct ldx_object *o, struct ldx_diag *d);

/* The same, with the folder of a reloadable object's copy. */
struct ldx_object *ldx_open_with_copy(const char *name, int mode, const char *folder, const void *caller,
                                      struct ldx_diag *d);

void *ldx_dlopen(const char *name, int mode);
void *ldx_dlmopen(long lmid, const char *name, int mode);
int ldx_dlclose(void *handle);
void *ldx_dlsym(void *handle, const char *name);
/* dlsym for another caller, without the channel for errors. */
void *ldx_dlsym_from(void *handle, const char *name, const void *caller, struct ldx_diag *d);
void *ldx_dlvsym(void *handle, const char *name, const char *version);
char *ldx_dlerror(void);

/* query.c: no locks */
int ldx_dladdr(const void *addr, void *info);
int ldx_dladdr1(const void *addr, void *info, void **extra, int flags);
int ldx_dlinfo(void *handle, int request, void *arg);
typedef int ldx_phdr_callback(void *info, size_t size, void *data);
int ldx_dl_iterate_phdr(ldx_phdr_callback *callback, void *data);
int ldx_dl_iterate_ns_phdr(long ns, ldx_phdr_callback *callback, void *data);
int ldx_find_object(void *pc, void *result);
struct ldx_object *ldx_find_dso(uintptr_t addr);

/* The guest's private entry points. */
void *ldx_guest_open(const char *name, int mode, const void *caller, long ns, int argc, char **argv, char **env);
void ldx_guest_close(void *handle);
/* glibc's struct r_found_version */
struct ldx_guest_version {
  const char *name;
  uint32_t hash;
  int hidden;
  const char *file;
};
struct ldx_object *ldx_guest_lookup(const char *name, struct ldx_object *from, const Elf64_Sym **ref,
                                    struct ldx_scope_slot **scope, const struct ldx_guest_version *version,
                                    int type_class, int flags, struct ldx_object *skip);
int ldx_guest_serinfo(struct ldx_object *o, void *info, bool counting);

/* The same for a caller that is told. */
void *ldx_dlopen_for(const char *name, int mode, const void *unused, const void *caller);
void *ldx_dlmopen_for(long lmid, const char *name, int mode, const void *caller);
void *ldx_dlsym_for(void *handle, const char *name, const char *version, const void *caller);

/* What the slot of a relocation is to hold; ends the process when there is nothing. */
struct ldx_binding;
uintptr_t ldx_lazy_value(struct ldx_object *o, const Elf64_Rela *rel, struct ldx_binding *b);
/* From stubs.S. */
uintptr_t ldx_bind_lazy(struct ldx_object *o, uint64_t index);

#endif
