/* The stages that only start-up has: what libc will live on. */
#include "loader/guest.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/sys.h"
#include "loader/dl.h"
#include "loader/error.h"
#include "loader/musl.h"
#include "loader/relay.h"
#include "loader/threads.h"
#include "loader/trace.h"

enum { TCB_ALIGN = 64, TCB_SIZE_WITHOUT_LIBC = 2368, PROT_GROWSDOWN_ = 0x01000000 };

static struct ldx_object *with_soname(const struct ldx_load *l, const char *soname) {
  for (uint32_t i = 0; i < l->fresh.count; i++)
    if (l->fresh.at[i]->soname && !strcmp(l->fresh.at[i]->soname, soname))
      return l->fresh.at[i];
  return NULL;
}

/* A libc that ldx does not know is better served by its own loader than by guesses. */
static bool choose_libc(struct ldx_load *l) {
  struct ldx_object *libc = with_soname(l, "libc.so.6"), *ld = with_soname(l, "ld-linux-x86-64.so.2");
  if (!libc)
    return true;
  if (!ld || !glibc_choose(&ldx_self.glibc, ld, libc))
    ldx_hand_over_libc(libc, ld);
  libc->is_libc = true;
  ldx_self.support = ld;
  l->ns->libc = libc;
  return true;
}

/* Tools run on the loader that the program's libc will want. */
static bool choose_early(struct ldx_load *l) {
  ldx_self.support = l->root;
  if (glibc_choose_loader(&ldx_self.glibc, l->root) && glibc_catches_errors(&ldx_self.glibc))
    return true;
  return ldx_fail(l->diag, LDX_DIAG_LOAD, 0, ldx_display_name(l->root), "no tools can be used with this glibc");
}

/* glibc's formula: room for 4 namespaces' libraries, and 512 bytes for optimisation. */
static size_t surplus(void) {
  uint64_t optional = ldx_tunable_number("glibc.rtld.optional_static_tls", 512);
  uint64_t nns = ldx_tunable_number("glibc.rtld.nns", 4);
  return (nns - 1) * 192 + 144 + nns * 144 + optional - 144;
}

/* Tools have taken their places; the program's own is where its linker counts on it. */
static bool place_late(struct ldx_load *l) {
  for (uint32_t i = 0; i < l->fresh.count; i++) {
    struct ldx_object *o = l->fresh.at[i];
    if (!o->tls.memsz || o->faked)
      continue;
    if (!o->tls.offset && !ldx_tls_make_static(&ldx_self.tls, o))
      return ldx_fail(l->diag, LDX_DIAG_LOAD, 0, ldx_display_name(o), "cannot allocate memory in static TLS block");
    if (!ldx_list_add(&ldx_self.heap, &l->statics, o))
      return ldx_fail(l->diag, LDX_DIAG_LOAD, ENOMEM, ldx_display_name(o), "cannot allocate memory");
  }
  ldx_tls_keep_static(&ldx_self.tls);
  return true;
}

bool ldx_place_startup(struct ldx_load *l) {
  if (ldx_listing() && ldx_self.options.mode != LDX_PLAN && !l->early)
    ldx_list_objects(l);
  if (ldx_self.musl.active)
    return ldx_musl_place(l);
  if (!(l->early ? choose_early(l) : choose_libc(l)))
    return false;
  if (ldx_self.prepared)
    return place_late(l);
  ldx_self.tls.surplus = surplus();
  ldx_tls_layout(&ldx_self.tls, ldx_self.glibc.profile ? glibc_tcb_size(&ldx_self.glibc) : TCB_SIZE_WITHOUT_LIBC,
                 TCB_ALIGN);
  glibc_place_rseq(&ldx_self.glibc, &ldx_self.tls, ldx_self.args.auxv.vector, ldx_self.args.envp);
  if (l->tls_added)
    ldx_tls_publish(&ldx_self.tls);
  l->tls_added = false;
  return true;
}

/* An object without the header is taken to want what was usual before it existed. */
static bool wants_exec_stack(const struct ldx_object *o) {
  if (o->kind == LDX_VDSO || o->kind == LDX_LOADER || o->faked)
    return false;
  return !o->image.stack || (o->image.stack->p_flags & PF_X);
}

/* The kernel gave the stack the permissions that the program's header asks for (or ldx's, as a command); a
 * program without the header gets executable stacks for its threads only; a library may ask for more. */
static bool stack_permissions(struct ldx_load *l, bool *exec) {
  const Elf64_Phdr *header = l->root->image.stack;
  *exec = wants_exec_stack(l->root);
  bool change = header && *exec && ldx_self.options.command;
  for (uint32_t i = 0; !*exec && i < l->fresh.count; i++)
    change = *exec = wants_exec_stack(l->fresh.at[i]);
  if (!change)
    return true;
  uintptr_t page = ldx_align_down((uintptr_t)ldx_self.args.stack, LDX_PAGE);
  long r = sys_mprotect((void *)page, LDX_PAGE, PROT_READ | PROT_WRITE | PROT_EXEC | PROT_GROWSDOWN_);
  return !ldx_sys_failed(r) || ldx_fail(l->diag, LDX_DIAG_LOAD, (int)-r, ldx_display_name(l->root),
                                        "cannot enable executable stack as shared object requires");
}

/* A library loaded later that wants executable stacks: libc changes those of all threads. */
bool ldx_extend_stacks(struct ldx_load *l) {
  const struct glibc_state *g = &ldx_self.glibc;
  bool wanted = false;
  for (uint32_t i = 0; i < l->fresh.count; i++)
    wanted = wanted || wants_exec_stack(l->fresh.at[i]);
  if (l->startup || !wanted || !g->profile)
    return true;
  int r = glibc_make_stacks_executable(g);
  return !r || ldx_fail(l->diag, LDX_DIAG_LOAD, r, ldx_display_name(l->root),
                        "cannot enable executable stack as shared object requires");
}

static struct glibc_process describe(bool exec_stack) {
  const struct ldx_args *a = &ldx_self.args;
  const struct ldx_auxv *x = &a->auxv;
  return (struct glibc_process){.argc = a->argc,
                                .argv = a->argv,
                                .envp = a->envp,
                                .auxv = x->vector,
                                .stack_end = a->stack,
                                .pagesize = x->pagesize,
                                .clktck = x->clktck,
                                .hwcap = x->hwcap,
                                .hwcap2 = x->hwcap2,
                                .minsigstksz = x->minsigstksz,
                                .fpucw = x->fpucw,
                                .platform = x->platform,
                                .random = x->random,
                                .secure = x->secure,
                                .exec_stack = exec_stack,
                                .bind_now = ldx_self.options.bind_now,
                                .debug_mask = ldx_self.options.debug,
                                .debug_fd = ldx_self.options.debug_fd,
                                .vdso = ldx_self.vdso,
                                .tls = &ldx_self.tls};
}

static char *new_main_thread(void) {
  char *tcb = ldx_new_main_tls();
  if (!tcb)
    return NULL;
  *(char **)(tcb + LDX_TCB_SELF) = tcb;
  *(char **)(tcb + LDX_TCB_SELF2) = tcb;
  return ldx_tls_init_thread(&ldx_self.tls, tcb) ? tcb : NULL;
}

/* Tools that look for leaks let libc free what it keeps, its loader's memory too; ldx has none from malloc. */
static void free_nothing(void) {}

/* Resolvers of libc call through these already. */
static void redirect(void) {
  bool relay = ldx_self.glibc.signal_exception;
  const struct glibc_services services = {
      .lookup_symbol_x = relay ? (uintptr_t)ldx_relay_lookup : (uintptr_t)ldx_guest_lookup,
      .open = relay ? (uintptr_t)ldx_relay_open : (uintptr_t)ldx_guest_open,
      .close = relay ? (uintptr_t)ldx_relay_close : (uintptr_t)ldx_guest_close,
      .catch_error = (uintptr_t)ldx_catch_error,
      .error_free = (uintptr_t)ldx_error_free,
      .tls_get_addr_soft = (uintptr_t)ldx_guest_tls_soft,
      .find_object = (uintptr_t)ldx_find_object,
      .debug_printf = (uintptr_t)ldx_guest_debug_printf,
      .readonly_area = (uintptr_t)ldx_guest_readonly_area,
      .libc_freeres = (uintptr_t)free_nothing,
  };
  glibc_redirect(&ldx_self.glibc, &services);
}

static bool prepare_late(struct ldx_load *l) {
  bool exec_stack;
  if (!stack_permissions(l, &exec_stack))
    return false;
  if (exec_stack)
    glibc_set_stack_flags(&ldx_self.glibc, true);
  glibc_sync_namespace(&ldx_self.glibc, l->ns);
  for (uint32_t i = 0; i < l->statics.count; i++) /* resolvers may use it; it is complete at COMMIT */
    ldx_tls_init_static(&ldx_self.tls, l->statics.at[i]);
  return true;
}

/* Before the other objects are relocated: COPY takes some of these variables' values. */
bool ldx_prepare_libc(struct ldx_load *l) {
  bool exec_stack = false;
  if (ldx_self.musl.active) /* it will start itself */
    return true;
  if (ldx_self.prepared)
    return prepare_late(l);
  if (!l->early && !stack_permissions(l, &exec_stack))
    return false;
  if (ldx_self.support && !ldx_relocate_object(l, ldx_self.support))
    return false;
  char *tcb = new_main_thread();
  if (!tcb)
    return ldx_fail(l->diag, LDX_DIAG_LOAD, ENOMEM, "", "cannot allocate TLS data structures for initial thread");
  struct glibc_process p = describe(exec_stack);
  if (ldx_self.glibc.profile) {
    glibc_set_globals(&ldx_self.glibc, &p);
    glibc_sync_namespace(&ldx_self.glibc, l->ns);
    glibc_set_tunables(&ldx_self.glibc, &ldx_self.heap, p.envp, p.secure);
    glibc_start_loader(&ldx_self.glibc, &p);
    glibc_init_main_thread(&ldx_self.glibc, tcb, &p);
    redirect();
  }
  ldx_set_thread_pointer(&ldx_self.cpu, (uintptr_t)tcb);
  return true;
}

/* What had to wait for the resolvers. */
bool ldx_settle_libc(struct ldx_load *l) {
  if (ldx_self.musl.active)
    return true;
  if (ldx_self.glibc.profile && !ldx_self.prepared)
    glibc_settle(&ldx_self.glibc, ldx_self.args.auxv.minsigstksz);
  if (!l->early)
    ldx_choose_tls_memory();
  if (ldx_self.prepared)
    return true;
  /* Images may hold pointers that only now have their values. */
  return ldx_tls_init_thread(&ldx_self.tls, (void *)ldx_thread_pointer());
}
