/* libldx.a: what programs and libraries are linked with that use <ldx/jit.h>, <ldx/reload.h> or ldx_debugger of
 * <ldx/debug.h>. The functions are ldx's; in a process that ldx does not run each of them answers -ENOSYS (or NULL).
 * They are hidden here, so that looking them up by name leads to ldx and not back. */
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>

#pragma GCC visibility push(hidden)
#include <ldx/debug.h>
#include <ldx/jit.h>
#include <ldx/reload.h>
#pragma GCC visibility pop

static void *find(_Atomic(void *) *known, const char *name) {
  void *f = atomic_load_explicit(known, memory_order_relaxed);
  if (!f) {
    f = dlsym(RTLD_DEFAULT, name);
    atomic_store_explicit(known, f, memory_order_relaxed);
  }
  return f;
}

/* A function that passes its arguments on. */
#define PASS_ON(type, name, failed, parameters, ...)                                                                 \
  type name parameters {                                                                                             \
    static _Atomic(void *) known;                                                                                    \
    __typeof__(&name) f = (__typeof__(&name))find(&known, #name);                                                    \
    return f ? f(__VA_ARGS__) : failed;                                                                              \
  }

PASS_ON(int, ldx_jit_new, -ENOSYS,
        (const char *name, uint32_t flags, const struct ldx_jit_limits *limits, ldx_jit **out), name, flags, limits,
        out)
PASS_ON(void *, ldx_jit_alloc, NULL, (ldx_jit * jit, size_t size, size_t align, enum ldx_jit_kind kind), jit, size,
        align, kind)
PASS_ON(void *, ldx_jit_writable, NULL, (ldx_jit * jit, const void *addr), jit, addr)
PASS_ON(int, ldx_jit_free, -ENOSYS, (ldx_jit * jit, void *addr), jit, addr)
PASS_ON(int, ldx_jit_bind, -ENOSYS, (ldx_jit * jit, const struct ldx_jit_symbol *symbol), jit, symbol)
PASS_ON(int, ldx_jit_unbind, -ENOSYS, (ldx_jit * jit, const char *name, const char *version), jit, name, version)
PASS_ON(int, ldx_jit_frames, -ENOSYS, (ldx_jit * jit, const void *frames, size_t size, const void *where), jit,
        frames, size, where)
PASS_ON(int, ldx_jit_frame, -ENOSYS, (ldx_jit * jit, const void *code, size_t size, enum ldx_jit_frame kind), jit,
        code, size, kind)
PASS_ON(int, ldx_jit_lines, -ENOSYS,
        (ldx_jit * jit, const void *code, size_t size, const char *file, const struct ldx_jit_line *lines,
         size_t count),
        jit, code, size, file, lines, count)
PASS_ON(int, ldx_jit_debug, -ENOSYS, (ldx_jit * jit, const void *elf, size_t size), jit, elf, size)
PASS_ON(int, ldx_jit_publish, -ENOSYS, (ldx_jit * jit), jit)
PASS_ON(int, ldx_jit_discard, -ENOSYS, (ldx_jit * jit), jit)
PASS_ON(int, ldx_jit_delete, -ENOSYS, (ldx_jit * jit), jit)
PASS_ON(int, ldx_reload, -ENOSYS, (void *handle), handle)
PASS_ON(int, ldx_reload_path, -ENOSYS, (void *handle, char *path, size_t size), handle, path, size)
PASS_ON(void *, ldx_dlopen_in, NULL, (const char *file, int mode, const char *folder), file, mode, folder)
PASS_ON(int, ldx_reload_alias, -ENOSYS, (void *handle, const void *addr, void **out), handle, addr, out)
PASS_ON(int, ldx_debugger, -ENOSYS, (uint32_t * reader), reader)
