/* Functions of the guest's loader and libc that are ldx's own here: bound in their place, wherever a lookup ends
 * at the guest's definition. A definition that interposes them (LD_PRELOAD) stays in front as always. */
#include <ldx/jit.h>
#include <string.h>

#include "loader/audit.h"
#include "loader/dl.h"
#include "loader/dlbind.h"
#include "loader/error.h"
#include "loader/exe.h"
#include "loader/io.h"
#include "loader/load.h"
#include "loader/musl.h"
#include "loader/reload.h"
#include "loader/state.h"
#include "loader/steer.h"
#include "loader/tell_process.h"
#include "loader/threads.h"
#include "loader/tool_self.h"
#include "loader/tools.h"

/* Names and functions stand apart: the names need no work at start, each function a relocation of ldx. */
#define REPLACED(X)                                                                                                  \
  X("dlopen", ldx_dlopen)                                                                                            \
  X("dlmopen", ldx_dlmopen)                                                                                          \
  X("dlclose", ldx_dlclose)                                                                                          \
  X("dlsym", ldx_dlsym)                                                                                              \
  X("dlvsym", ldx_dlvsym)                                                                                            \
  X("dlerror", ldx_dlerror)                                                                                          \
  X("dladdr", ldx_dladdr)                                                                                            \
  X("dladdr1", ldx_dladdr1)                                                                                          \
  X("dlinfo", ldx_dlinfo)                                                                                            \
  X("dl_iterate_phdr", ldx_dl_iterate_phdr)                                                                          \
  X("_dl_find_object", ldx_find_object)                                                                              \
  X("_dl_find_dso_for_object", ldx_find_dso)                                                                         \
  X("__tls_get_addr", ldx_tls_get_addr)                                                                              \
  X("_dl_allocate_tls", ldx_allocate_tls)                                                                            \
  X("_dl_allocate_tls_init", ldx_allocate_tls_init)                                                                  \
  X("_dl_deallocate_tls", ldx_deallocate_tls)                                                                        \
  X("_dl_get_tls_static_info", ldx_tls_static_info)                                                                  \
  X("_dl_rtld_di_serinfo", ldx_guest_serinfo)                                                                        \
  X("_dl_debug_state", _dl_debug_state)                                                                              \
  X("_r_debug", &ldx_self.r_debug)                                                                                   \
  X("_r_debug_extended", &ldx_self.r_debug)                                                                          \
  X("_dl_signal_error", ldx_signal_error)                                                                            \
  X("_dl_signal_exception", ldx_signal_exception)                                                                    \
  X("_dl_catch_error", ldx_catch_error)                                                                              \
  X("_dl_catch_exception", ldx_catch_exception)                                                                      \
  X("_dl_exception_create", ldx_exception_create)                                                                    \
  X("_dl_exception_create_format", ldx_exception_create_format)                                                      \
  X("_dl_exception_free", ldx_exception_free)
#define NAME(name, function) name,
#define LENGTH(name, function) sizeof(name) - 1,
#define FUNCTION(name, function) function,
static const char names[][28] = {REPLACED(NAME)};
static const uint8_t lengths[] = {REPLACED(LENGTH)};
static const void *const functions[] = {REPLACED(FUNCTION)};
enum { ERROR_FUNCTIONS = 7 }; /* at the end of the table; not for a libc that raises and catches errors itself */

/* Found when nobody else defines them. */
#define OWN(X)                                                                                                       \
  X("__libdlbind_do_init", ldx_dlbind_init)                                                                          \
  X("dl_iterate_ns_phdr", ldx_dl_iterate_ns_phdr)                                                                    \
  X("dlalloc", ldx_dlalloc)                                                                                          \
  X("dlbind", ldx_dlbind_symbol)                                                                                     \
  X("dlcreate", ldx_dlcreate)                                                                                        \
  X("dlcreate_with_mmap", ldx_dlcreate_with_mmap)                                                                    \
  X("dldelete", ldx_dldelete)                                                                                        \
  X("dldsym", ldx_dldsym)                                                                                            \
  X("ldx_debugger", ldx_debugger)                                                                                    \
  X("ldx_dlbind", &ldx_dlbind)                                                                                       \
  X("ldx_dlopen_in", ldx_dlopen_in)                                                                                  \
  X("ldx_each_namespace", ldx_each_namespace)                                                                        \
  X("ldx_each_object", ldx_each_object)                                                                              \
  X("ldx_each_thread", ldx_each_thread)                                                                              \
  X("ldx_each_tls", ldx_each_tls)                                                                                    \
  X("ldx_each_tool", ldx_each_tool)                                                                                  \
  X("ldx_event_name", ldx_event_name)                                                                                \
  X("ldx_find_address", ldx_find_address)                                                                            \
  X("ldx_find_object_by_id", ldx_find_object_by_id)                                                                  \
  X("ldx_history", ldx_history)                                                                                      \
  X("ldx_history_lost", ldx_history_lost)                                                                            \
  X("ldx_jit_alloc", ldx_jit_alloc)                                                                                  \
  X("ldx_jit_bind", ldx_jit_bind)                                                                                    \
  X("ldx_jit_debug", ldx_jit_debug)                                                                                  \
  X("ldx_jit_delete", ldx_jit_delete)                                                                                \
  X("ldx_jit_discard", ldx_jit_discard)                                                                              \
  X("ldx_jit_frame", ldx_jit_frame)                                                                                  \
  X("ldx_jit_frames", ldx_jit_frames)                                                                                \
  X("ldx_jit_free", ldx_jit_free)                                                                                    \
  X("ldx_jit_lines", ldx_jit_lines)                                                                                  \
  X("ldx_jit_new", ldx_jit_new)                                                                                      \
  X("ldx_jit_publish", ldx_jit_publish)                                                                              \
  X("ldx_jit_unbind", ldx_jit_unbind)                                                                                \
  X("ldx_jit_writable", ldx_jit_writable)                                                                            \
  X("ldx_reload", ldx_reload)                                                                                        \
  X("ldx_reload_alias", ldx_reload_alias)                                                                            \
  X("ldx_reload_path", ldx_reload_path)                                                                              \
  X("ldx_search_lists", ldx_search_lists)                                                                            \
  X("ldx_search_try", ldx_search_try)                                                                                \
  X("ldx_steer", ldx_steer)                                                                                          \
  X("ldx_subscribe", ldx_subscribe)                                                                                  \
  X("ldx_symbols_changed", ldx_symbols_changed)                                                                      \
  X("ldx_tool_disable", ldx_tool_disable)                                                                            \
  X("ldx_tool_load", ldx_tool_load)                                                                                  \
  X("ldx_tool_log", ldx_tool_log)                                                                                    \
  X("ldx_tool_register", ldx_tool_register)                                                                          \
  X("ldx_unsubscribe", ldx_unsubscribe)
static const char own_names[][24] = {OWN(NAME)};
static const void *const own_functions[] = {OWN(FUNCTION)};

/* Most names that nobody defines are weak references of the compiler's to its run-time libraries. */
static bool may_be_own(const char *name) {
  if (name[0] == '_')
    return name[1] == 'd' || (name[1] == '_' && name[2] == 'l');
  return name[0] == 'l' || name[0] == 'd' || name[0] == 's';
}

uintptr_t ldx_own_function(const char *name) {
  if (!may_be_own(name))
    return 0;
  for (size_t i = 0; i < LDX_COUNT(own_names); i++)
    if (!strcmp(own_names[i], name))
      return (uintptr_t)own_functions[i];
  return ldx_io_function(name);
}

static bool is_guest_library(const struct ldx_object *o) {
  static const char sonames[][24] = {"libc.so.6", "ld-linux-x86-64.so.2", "libdl.so.2", "libpthread.so.0"};
  for (size_t i = 0; o->soname && !o->made && i < LDX_COUNT(sonames); i++)
    if (!strcmp(o->soname, sonames[i]))
      return true;
  return false;
}

bool ldx_is_guest_library(const struct ldx_object *o) {
  return (ldx_self.glibc.profile && is_guest_library(o)) || o == ldx_self.musl.libc;
}

/* All versions of these names are meant: dlopen@GLIBC_2.2.5 and dlopen@@GLIBC_2.34 are the same here. */
static uintptr_t loader_function(const char *name, size_t len) {
  size_t count = LDX_COUNT(names) - (ldx_self.glibc.signal_exception ? ERROR_FUNCTIONS : 0);
  for (size_t i = 0; i < count; i++)
    if (lengths[i] == len && !memcmp(names[i], name, len))
      return functions[i] == &ldx_self.r_debug ? (uintptr_t)ldx_debug_inside(&ldx_self.r_debug)
                                               : (uintptr_t)functions[i];
  return 0;
}

/* An older version of a name may behave in another way; of those with two underscores there is one. */
static bool is_current(const struct ldx_object *o, const Elf64_Sym *s, const char *name) {
  const struct elf_symtab *t = ldx_definitions(o);
  return name[0] == '_' || !(elf_versym(t, (uint64_t)(s - t->sym)) & ELF_VERSYM_HIDDEN);
}

/* The names of the table begin with dl, _d, _r or __t; most of libc's do not. */
static bool may_be_loaders(const char *name) {
  if (name[0] == 'd')
    return name[1] == 'l';
  return name[0] == '_' && (name[1] == 'd' || name[1] == 'r' || (name[1] == '_' && name[2] == 't'));
}

static uintptr_t glibc_override(struct ldx_object *definer, const Elf64_Sym *sym, const char *name) {
  if (name[0] == 'p' && !strcmp(name, "pthread_create") && definer->ns == &ldx_self.base) {
    ldx_self.create_thread = ldx_symbol_address(definer, sym);
    return (uintptr_t)ldx_pthread_create;
  }
  if (name[0] == 't' && !strcmp(name, "thrd_create") && definer->ns == &ldx_self.base) {
    ldx_self.create_c11 = ldx_symbol_address(definer, sym);
    return (uintptr_t)ldx_thrd_create;
  }
  if (ldx_audited() && !strcmp(name, "__libc_start_main"))
    return ldx_audit_start_main(definer, ldx_symbol_address(definer, sym));
  return may_be_loaders(name) ? loader_function(name, strlen(name)) : 0;
}

uintptr_t ldx_override(struct ldx_object *definer, const Elf64_Sym *sym) {
  const char *name = elf_symbol_name(ldx_definitions(definer), sym);
  bool musl = ldx_self.musl.active;
  uintptr_t f = musl ? ldx_musl_override(name, ldx_symbol_address(definer, sym)) : glibc_override(definer, sym, name);
  if (f || definer->ns != &ldx_self.base || !is_current(definer, sym, name))
    return f;
  uintptr_t real = ldx_symbol_address(definer, sym);
  f = ldx_self.watches.binds ? ldx_process_wrapper(name, real) : 0;
  bool wrapped = ldx_self.options.command || ldx_io_wraps_program();
  return f || !wrapped ? f : ldx_exe_wrapper(name, real);
}
