/* Functions of the guest's loader and libc that are ldx's own here: bound in their place, wherever a lookup ends
 * at the guest's definition. A definition that interposes them (LD_PRELOAD) stays in front as always. */
#include <string.h>

#include "loader/dl.h"
#include "loader/error.h"
#include "loader/exe.h"
#include "loader/load.h"

static const struct {
  const char *name;
  const void *function;
} table[] = {
    {"dlopen", ldx_dlopen},
    {"dlmopen", ldx_dlmopen},
    {"dlclose", ldx_dlclose},
    {"dlsym", ldx_dlsym},
    {"dlvsym", ldx_dlvsym},
    {"dlerror", ldx_dlerror},
    {"dladdr", ldx_dladdr},
    {"dladdr1", ldx_dladdr1},
    {"dlinfo", ldx_dlinfo},
    {"dl_iterate_phdr", ldx_dl_iterate_phdr},
    {"_dl_find_object", ldx_find_object},
    {"_dl_find_dso_for_object", ldx_find_dso},
    {"__tls_get_addr", ldx_tls_get_addr},
    {"_dl_allocate_tls", ldx_allocate_tls},
    {"_dl_allocate_tls_init", ldx_allocate_tls_init},
    {"_dl_deallocate_tls", ldx_deallocate_tls},
    {"_dl_get_tls_static_info", ldx_tls_static_info},
    {"_dl_rtld_di_serinfo", ldx_guest_serinfo},
    {"_dl_signal_error", ldx_signal_error},
    {"_dl_signal_exception", ldx_signal_exception},
    {"_dl_catch_error", ldx_catch_error},
    {"_dl_catch_exception", ldx_catch_exception},
    {"_dl_exception_create", ldx_exception_create},
    {"_dl_exception_create_format", ldx_exception_create_format},
    {"_dl_exception_free", ldx_exception_free},
    {"_dl_debug_state", _dl_debug_state},
    {"_r_debug", &ldx_self.r_debug},
};

static bool is_guest_library(const struct ldx_object *o) {
  static const char *const names[] = {"libc.so.6", "ld-linux-x86-64.so.2", "libdl.so.2"};
  for (size_t i = 0; o->soname && i < LDX_COUNT(names); i++)
    if (!strcmp(o->soname, names[i]))
      return true;
  return false;
}

/* All versions of a name (dlopen@GLIBC_2.2.5 and dlopen@@GLIBC_2.34 mean the same), or with `only` != 0 those
 * whose function is at that address. */
static uint32_t add_name(struct ldx_object *o, uint32_t n, const char *text, const void *function, uintptr_t only) {
  struct elf_name name = elf_name(text);
  struct elf_walk w;
  for (uint32_t i = elf_find_first(&o->dyn.sym, &name, &w); i; i = elf_find_next(&o->dyn.sym, &name, &w)) {
    const Elf64_Sym *s = &o->dyn.sym.sym[i];
    if (s->st_shndx == SHN_UNDEF || (only && o->map.l_addr + s->st_value != only))
      continue;
    uint32_t at = n;
    for (; at > 0 && o->overrides[at - 1].index > i; at--)
      o->overrides[at] = o->overrides[at - 1];
    o->overrides[at] = (struct ldx_override_entry){i, (uintptr_t)function};
    n++;
  }
  return n;
}

bool ldx_prepare_overrides(struct ldx_object *o) {
  enum { VERSIONS = 4 };
  if (!ldx_self.glibc.profile || !is_guest_library(o) || o->overrides)
    return true;
  size_t room = (LDX_COUNT(table) + LDX_EXE_WRAPPERS) * VERSIONS;
  o->overrides = ldx_new(room * sizeof *o->overrides);
  if (!o->overrides)
    return false;
  uint32_t n = 0;
  for (size_t i = 0; i < LDX_COUNT(table); i++)
    n = add_name(o, n, table[i].name, table[i].function, 0);
  for (unsigned i = 0; ldx_self.options.command && o->is_libc && i < LDX_EXE_WRAPPERS; i++) {
    const void *wrapper = ldx_exe_wrapper(i, o);
    if (ldx_self.exe_real[i])
      n = add_name(o, n, ldx_exe_wrapper_name(i), wrapper, ldx_self.exe_real[i]);
  }
  o->override_count = n;
  return true;
}

uintptr_t ldx_override(struct ldx_object *definer, const Elf64_Sym *sym) {
  uint32_t index = (uint32_t)(sym - definer->dyn.sym.sym), low = 0, high = definer->override_count;
  while (low < high) {
    uint32_t mid = (low + high) / 2;
    if (definer->overrides[mid].index < index)
      low = mid + 1;
    else
      high = mid;
  }
  return low < definer->override_count && definer->overrides[low].index == index ? definer->overrides[low].function
                                                                                 : 0;
}
