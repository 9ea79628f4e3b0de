/* Constructors and destructors (gABI ch. 5 "Initialization and Termination Functions"). They are the program's code,
 * and run without the writer lock: other threads load meanwhile, and wait only for what they need themselves. */
#include "base/sys.h"
#include "base/valgrind.h"
#include "loader/audit.h"
#include "loader/jit_object.h"
#include "loader/tell_thread.h"
#include "loader/musl.h"
#include "loader/named_tools.h"
#include "loader/record.h"
#include "loader/tell_library.h"
#include "loader/tools.h"

typedef void init_function(int argc, char **argv, char **envp);

/* What the program has made of its environment: libc's variable, or the program's copy of it. */
char **ldx_environment(void) {
  if (ldx_self.entering)
    return ldx_self.args.envp;
  char ***known = __atomic_load_n(&ldx_self.environ, __ATOMIC_RELAXED);
  if (known)
    return *known;
  struct ldx_scope_slot *scope[] = {&ldx_self.base.global, NULL};
  struct ldx_sym_request r = {.name = elf_name("environ"), .from = ldx_self.base.program, .flags = LDX_SYM_NEWEST};
  struct ldx_reader reader = ldx_reader_enter();
  bool found = ldx_find_symbol(scope, &r) && elf_at_memory(&r.object->image, r.sym->st_value, sizeof(char **), PF_W);
  char ***at = found ? (char ***)(r.object->map.l_addr + r.sym->st_value) : &ldx_self.args.envp, **envp = *at;
  if (found && !r.object->dlopened) /* then no other can come before it */
    __atomic_store_n(&ldx_self.environ, at, __ATOMIC_RELAXED);
  ldx_reader_leave(reader);
  return envp;
}

static void call(uintptr_t f, char **envp) {
  if (f && f != UINTPTR_MAX)
    ((init_function *)f)(ldx_self.args.argc, ldx_self.args.argv, envp);
}

static void run_array(const struct elf_functions *f, char **envp) {
  for (uint64_t i = 0; i < f->count; i++)
    call(f->at[i], envp);
}

static void run_functions(const struct ldx_object *o) {
  if (ldx_tracing(LDX_DEBUG_IMPCALLS))
    ldx_debug("\ncalling init: %s\n", ldx_display_name(o));
  if (!o->dyn.init && !o->dyn.init_array.count)
    return;
  char **envp = ldx_environment();
  if (o->dyn.init)
    call(o->map.l_addr + o->dyn.init, envp);
  run_array(&o->dyn.init_array, envp);
}

static void run_and_tell(struct ldx_object *o) {
  if (ldx_wants(LDX_EV_INIT))
    ldx_tell_object(LDX_EV_INIT, o);
  run_functions(o);
  o->ready = true;
  if (ldx_wants(LDX_EV_READY))
    ldx_tell_object(LDX_EV_READY, o);
}

/* The thread at work on an object's constructors; NULL: none. */
static struct ldx_visit *visit_of(const struct ldx_object *o) {
  struct ldx_visit *v = ldx_self.visits;
  while (v && v->object != o)
    v = v->next;
  return v;
}

static struct ldx_visit *wait_of(uintptr_t thread) {
  struct ldx_visit *w = ldx_self.waits;
  while (w && w->thread != thread)
    w = w->next;
  return w;
}

static void take_off(struct ldx_visit **list, const struct ldx_visit *v) {
  while (*list && *list != v)
    list = &(*list)->next;
  if (*list)
    *list = v->next;
}

/* Whether that thread, by whatever chain, waits for this one: then this one goes on, as inside a dependency circle.
 */
static bool waits_for(uintptr_t thread, uintptr_t self) {
  const struct ldx_visit *w, *v;
  while ((w = wait_of(thread)) && (v = visit_of(w->object))) {
    if (v->thread == self)
      return true;
    thread = v->thread;
  }
  return false;
}

static void wait_for_visits(struct ldx_object *o, uintptr_t self) {
  enum { FUTEX_WAIT_PRIVATE = 0 | 128 };
  struct ldx_visit w = {ldx_self.waits, o, self};
  uint32_t seen = __atomic_load_n(&ldx_self.visits_ended, __ATOMIC_RELAXED);
  ldx_self.waits = &w;
  ldx_rlock_leave(&ldx_self.lock);
  sys_futex(&ldx_self.visits_ended, FUTEX_WAIT_PRIVATE, seen);
  ldx_rlock_enter(&ldx_self.lock);
  take_off(&ldx_self.waits, &w);
}

static void end_visit(const struct ldx_visit *v) {
  enum { FUTEX_WAKE_PRIVATE = 1 | 128 };
  take_off(&ldx_self.visits, v);
  __atomic_add_fetch(&ldx_self.visits_ended, 1, __ATOMIC_RELEASE);
  if (ldx_self.waits)
    sys_futex(&ldx_self.visits_ended, FUTEX_WAKE_PRIVATE, INT32_MAX);
}

/* A constructor may be left by an exception or by its thread's end (Itanium C++ ABI 1.6): others must not wait for
 * it. Visits of a thread are nested: the newest is the one. */
int ldx_visit_unwound(int version, int actions) __attribute__((used));
int ldx_visit_unwound(int version, int actions) {
  enum { CLEANUP_PHASE = 2, CONTINUE_UNWIND = 8 };
  (void)version;
  if (!(actions & CLEANUP_PHASE))
    return CONTINUE_UNWIND;
  ldx_rlock_enter(&ldx_self.lock);
  struct ldx_visit *v = ldx_self.visits;
  while (v && v->thread != ldx_thread_pointer())
    v = v->next;
  if (v)
    end_visit(v);
  ldx_rlock_leave(&ldx_self.lock);
  return CONTINUE_UNWIND;
}

/* The visit is noted before the object counts as begun: a child of fork finds both, or neither. */
static void begin(struct ldx_object *o, struct ldx_visit *v) {
  __atomic_store_n(&ldx_self.visits, v, __ATOMIC_RELEASE);
  __atomic_store_n(&o->init_called, true, __ATOMIC_RELEASE);
  o->init_rank = ++ldx_self.constructed;
  glibc_note_init(&ldx_self.glibc, o);
}

static __attribute__((noinline)) void visit(struct ldx_object *o, uintptr_t self) {
  __asm__ volatile(".cfi_personality 0x1b, ldx_visit_unwound" ::); /* PC-relative, 4 bytes */
  struct ldx_visit v = {ldx_self.visits, o, self};
  begin(o, &v);
  if (o->is_libc && o->ns != &ldx_self.base)
    glibc_early_init(&ldx_self.glibc, o, false);
  ldx_rlock_leave(&ldx_self.lock);
  if (o->kind != LDX_PROGRAM || ldx_self.musl.active) /* else they are run by its libc */
    run_and_tell(o);
  ldx_rlock_enter(&ldx_self.lock);
  end_visit(&v);
}

static bool is_constructed(struct ldx_object *root) {
  if (!__atomic_load_n(&root->constructed, __ATOMIC_ACQUIRE))
    return false;
  ldx_happens_after(root);
  return true;
}

static void set_constructed(struct ldx_object *root) {
  ldx_happens_before(root);
  __atomic_store_n(&root->constructed, true, __ATOMIC_RELEASE);
}

static void construct_all(struct ldx_object *root);

/* Under the lock, which is given up while constructors run. What lives in the base namespace has an order of its own.
 */
static void construct(struct ldx_object *o) {
  uintptr_t self = ldx_thread_pointer();
  struct ldx_visit *v;
  for (uint32_t i = 0; i < o->needed.count; i++)
    if (o->needed.at[i]->real)
      construct_all(o->needed.at[i]->real);
  while ((v = visit_of(o)) && v->thread != self && !waits_for(v->thread, self))
    wait_for_visits(o, self);
  if (!o->init_called && !o->faked)
    visit(o, self);
}

static void run_preinit(struct ldx_object *program) {
  if (!program->dyn.preinit_array.count || ldx_self.musl.active)
    return;
  if (ldx_tracing(LDX_DEBUG_IMPCALLS))
    ldx_debug("\ncalling preinit: %s\n", ldx_display_name(program));
  run_array(&program->dyn.preinit_array, ldx_environment());
}

/* DF_1_INITFIRST is for one: the last that was loaded. */
static struct ldx_object *wants_to_be_first(const struct ldx_object *root) {
  bool any = false;
  for (uint32_t i = 0; i < root->init_order.count && !any; i++)
    any = root->init_order.at[i]->initfirst && !root->init_order.at[i]->init_called;
  if (!any)
    return NULL;
  struct ldx_object *o = root->ns->last;
  while (o && (!o->initfirst || o->init_called || !ldx_list_has(&root->init_order, o)))
    o = o->map.l_prev;
  return o;
}

static bool add_closure(struct ldx_object_list *l, struct ldx_object *o) {
  bool ok = ldx_list_has(l, o) || ldx_list_add(&ldx_self.heap, l, o);
  for (uint32_t i = 0; ok && i < o->needed.count; i++)
    if (!ldx_list_has(l, o->needed.at[i]))
      ok = add_closure(l, o->needed.at[i]);
  return ok;
}

/* Tools of the program's namespace are there before everybody else: their constructors, and those of what they need;
 * then they say what they want. */
static void start_tools(const struct ldx_object *root) {
  for (struct ldx_tool_wish *w = ldx_self.in_app; w; w = w->next) {
    struct ldx_object_list all = {0};
    if (!add_closure(&all, w->object))
      ldx_die_text("%s: cannot allocate memory", w->path);
    for (uint32_t i = root->init_order.count; i-- > 0;)
      if (ldx_list_has(&all, root->init_order.at[i]))
        construct(root->init_order.at[i]);
    ldx_delete(all.at);
    ldx_rlock_leave(&ldx_self.lock);
    ldx_start_in_app(w);
    ldx_rlock_enter(&ldx_self.lock);
  }
  ldx_check_named_tools();
  ldx_rlock_leave(&ldx_self.lock);
  ldx_tell_main_thread(); /* they are the first who may want to know */
  ldx_rlock_enter(&ldx_self.lock);
}

/* Somebody is still at one of them: this thread was let through because each waits for the other. */
static bool any_visited(struct ldx_object *const *order, uint32_t count) {
  for (uint32_t i = 0; ldx_self.visits && i < count; i++)
    if (visit_of(order[i]))
      return true;
  return false;
}

/* The root is open: neither it nor its lists go meanwhile. */
static void construct_all(struct ldx_object *root) {
  struct ldx_object *const *order = root->init_order.at;
  uint32_t count = root->init_order.count;
  if (root->constructed)
    return;
  struct ldx_object *first = wants_to_be_first(root);
  if (first)
    construct(first);
  if (root->kind == LDX_PROGRAM)
    run_preinit(root);
  if (root->kind == LDX_PROGRAM && ldx_self.in_app)
    start_tools(root);
  for (uint32_t i = count; i-- > 0;)
    construct(order[i]);
  if (!any_visited(order, count))
    set_constructed(root);
}

/* A constructor has opened a root that this thread is at. */
static bool is_inside(const struct ldx_object *root) {
  for (const struct ldx_visit *v = ldx_self.visits; v; v = v->next)
    if (v->thread == ldx_thread_pointer() && ldx_list_has(&root->init_order, v->object))
      return true;
  return false;
}

void ldx_run_constructors(struct ldx_object *root, bool fresh) {
  if (is_constructed(root))
    return;
  ldx_rlock_enter(&ldx_self.lock);
  if (fresh || !is_inside(ldx_real(root)))
    construct_all(ldx_real(root));
  if (root->real && root->real->constructed)
    set_constructed(root);
  ldx_rlock_leave(&ldx_self.lock);
}

void ldx_run_destructors(struct ldx_object *o) {
  if (!o->init_called || __atomic_exchange_n(&o->fini_called, true, __ATOMIC_ACQ_REL))
    return;
  const struct elf_functions *f = &o->dyn.fini_array;
  if (ldx_tracing(LDX_DEBUG_IMPCALLS)) /* the program goes without a name here */
    ldx_debug("\ncalling fini: %s [%ld]\n", o->map.l_name, o->ns->id);
  if (ldx_wants(LDX_EV_FINI))
    ldx_tell_object(LDX_EV_FINI, o);
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
    if ((o->kind == LDX_PROGRAM || o->kind == LDX_LIBRARY) && !o->real && !o->closing) {
      o->opens++; /* a destructor's dlclose must not take away what is still to be run */
      at[(*count)++] = o;
    }
  return at;
}

static void finish_namespace(struct ldx_namespace *ns) {
  uint32_t count;
  ldx_rlock_enter(&ldx_self.lock);
  struct ldx_object **at = all_objects(ns, &count);
  if (at && ldx_self.musl.active)
    ldx_musl_order_fini(at, count);
  else if (at)
    ldx_sort_objects(at, count, ns == &ldx_self.base, true);
  ldx_rlock_leave(&ldx_self.lock);
  if (ldx_audited())
    ldx_audit_activity(ns, 2 /* LA_ACT_DELETE */);
  for (uint32_t i = 0; at && i < count; i++) {
    ldx_run_destructors(at[i]);
    if (ldx_audited())
      ldx_audit_closed(at[i]);
    ldx_rlock_enter(&ldx_self.lock);
    at[i]->opens--;
    ldx_rlock_leave(&ldx_self.lock);
  }
  if (ldx_audited())
    ldx_audit_activity(ns, 0 /* LA_ACT_CONSISTENT */);
}

/* A libc that nobody calls exit of keeps what its streams hold. */
static void flush_streams(const struct ldx_namespace *ns) {
  uintptr_t flush = ns->of_tool && ns->libc ? ldx_address_of(ns->libc, "fflush") : 0;
  if (flush)
    ((int (*)(void *))flush)(NULL);
}

/* At exit: called by libc (it got this function's address in %rdx at the program's entry). The youngest namespace
 * goes first. A namespace that comes meanwhile is not waited for. */
void ldx_fini_all(void) {
  if (ldx_self.recorder)
    ldx_record_end();
  if (ldx_wants(LDX_EV_EXIT))
    ldx_tell_object(LDX_EV_EXIT, ldx_self.base.program);
  ldx_tell_last_thread();
  for (struct ldx_namespace *ns = ldx_self.base.next; ns; ns = ns->next) {
    finish_namespace(ns);
    flush_streams(ns);
  }
  finish_namespace(&ldx_self.base);
  if (ldx_self.perf)
    ldx_jit_perf_end();
  if (ldx_tracing(LDX_DEBUG_STATISTICS))
    ldx_print_statistics();
}
