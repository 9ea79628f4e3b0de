/* Constructors and destructors (gABI ch. 5 "Initialization and Termination Functions"). */
#include "base/sys.h"
#include "loader/load.h"

typedef void init_function(int argc, char **argv, char **envp);

/* What the program has made of its environment: libc's variable, or the program's copy of it. */
static char **environment(void) {
  if (ldx_self.entering)
    return ldx_self.args.envp;
  struct ldx_scope_slot *scope[] = {&ldx_self.base.global, NULL};
  struct ldx_sym_request r = {.name = elf_name("environ"), .from = ldx_self.base.program, .flags = LDX_SYM_NEWEST};
  bool found = ldx_find_symbol(scope, &r) && elf_at_memory(&r.object->image, r.sym->st_value, sizeof(char **), PF_W);
  return found ? *(char ***)(r.object->map.l_addr + r.sym->st_value) : ldx_self.args.envp;
}

static void call(uintptr_t f, char **envp) {
  if (f && f != UINTPTR_MAX)
    ((init_function *)f)(ldx_self.args.argc, ldx_self.args.argv, envp);
}

static void run_array(const struct elf_functions *f) {
  char **envp = f->count ? environment() : NULL;
  for (uint64_t i = 0; i < f->count; i++)
    call(f->at[i], envp);
}

static void construct(struct ldx_object *o) {
  if (o->init_called || o->faked)
    return;
  o->init_called = true;
  glibc_note_init(&ldx_self.glibc, o);
  if (o->kind == LDX_PROGRAM)
    return; /* the program's own are run by its libc */
  if (ldx_tracing(LDX_DEBUG_IMPCALLS))
    ldx_debug("\ncalling init: %s\n", ldx_display_name(o));
  if (o->dyn.init)
    call(o->map.l_addr + o->dyn.init, environment());
  run_array(&o->dyn.init_array);
}

static void run_preinit(struct ldx_object *program) {
  if (!program->dyn.preinit_array.count)
    return;
  if (ldx_tracing(LDX_DEBUG_IMPCALLS))
    ldx_debug("\ncalling preinit: %s\n", ldx_display_name(program));
  run_array(&program->dyn.preinit_array);
}

void ldx_run_constructors(struct ldx_object *const *order, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) /* the last one loaded that wants to be first */
    if (order[count - 1 - i]->initfirst && !order[count - 1 - i]->init_called) {
      construct(order[count - 1 - i]);
      break;
    }
  if (count && order[0]->kind == LDX_PROGRAM)
    run_preinit(order[0]);
  for (uint32_t i = count; i-- > 0;)
    construct(order[i]);
}

void ldx_run_destructors(struct ldx_object *o) {
  if (!o->init_called || o->fini_called)
    return;
  o->fini_called = true;
  const struct elf_functions *f = &o->dyn.fini_array;
  if (ldx_tracing(LDX_DEBUG_IMPCALLS)) /* the program goes without a name here */
    ldx_debug("\ncalling fini: %s [%ld]\n", o->map.l_name, o->ns->id);
  for (uint64_t i = f->count; i-- > 0;)
    if (f->at[i] && f->at[i] != UINTPTR_MAX)
      ((void (*)(void))f->at[i])();
  if (o->dyn.fini)
    ((void (*)(void))(o->map.l_addr + o->dyn.fini))();
}

static struct ldx_object **all_objects(struct ldx_namespace *ns, uint32_t *count) {
  struct ldx_object **at = ldx_new((ns->count + 1) * sizeof *at);
  *count = 0;
  for (struct ldx_object *o = ns->first; at && o; o = o->map.l_next)
    if (o->kind == LDX_PROGRAM || o->kind == LDX_LIBRARY) {
      o->opens++; /* a destructor's dlclose must not take away what is still to be run */
      at[(*count)++] = o;
    }
  return at;
}

/* At exit: called by libc (it got this function's address in %rdx at the program's entry). */
void ldx_fini_all(void) {
  uint32_t count;
  ldx_rlock_enter(&ldx_self.lock);
  ldx_self.finishing = true;
  struct ldx_object **at = all_objects(&ldx_self.base, &count);
  if (at)
    ldx_sort_objects(at, count, true, true);
  ldx_rlock_leave(&ldx_self.lock);
  for (uint32_t i = 0; at && i < count; i++) {
    ldx_run_destructors(at[i]);
    at[i]->opens--;
  }
  if (ldx_tracing(LDX_DEBUG_STATISTICS))
    ldx_print_statistics();
}
