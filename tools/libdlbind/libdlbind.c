/* libdlbind.so: what programs written to libdlbind's interface are linked to. The work is ldx's, which has a table of
 * the functions; in a process that ldx does not run each of them fails, and the first says why. */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>

#include "ldx/dlbind.h"
#include "loader/dlbind.h"

#pragma weak ldx_dlbind

static const struct ldx_dlbind_functions *functions(void) {
  static atomic_flag told = ATOMIC_FLAG_INIT;
  const struct ldx_dlbind_functions *const all = &ldx_dlbind;
  if (all)
    return all;
  if (!atomic_flag_test_and_set(&told))
    fprintf(stderr,
            "%s: libdlbind.so: objects are made by ldx, which does not run this program: start it as `ldx PROGRAM`\n",
            program_invocation_name);
  errno = ENOSYS;
  return NULL;
}

void __libdlbind_do_init(void) {}

void *dlcreate(const char *libname) {
  const struct ldx_dlbind_functions *f = functions();
  return f ? f->create(libname) : NULL;
}

void *dlcreate_with_mmap(const char *libname, void *(*mmap)(void *, size_t, int, int, int, off_t)) {
  const struct ldx_dlbind_functions *f = functions();
  return f ? f->create_with_mmap(libname, mmap) : NULL;
}

void *dlalloc(void *lib, size_t size, unsigned shf_flags) {
  const struct ldx_dlbind_functions *f = functions();
  return f ? f->alloc(lib, size, shf_flags) : NULL;
}

void *dlbind(void *lib, const char *sym, void *obj, size_t len, Elf64_Word stt) {
  const struct ldx_dlbind_functions *f = functions();
  return f ? f->bind(lib, sym, obj, len, stt) : NULL;
}

int dldelete(void *lib) {
  const struct ldx_dlbind_functions *f = functions();
  return f ? f->delete (lib) : -1;
}

void *dldsym(void *lib, const char *sym, void *ns, unsigned long conv, const char *ver) {
  const struct ldx_dlbind_functions *f = functions();
  return f ? f->find(lib, sym, ns, conv, ver) : NULL;
}
