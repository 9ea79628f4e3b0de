/* The child of fork has one thread. Its libc takes the loader's locks around fork, so that no list is half changed
 * there; what other threads were at without a lock (constructors, destructors) will not be finished. A child made
 * without libc's fork finds locks that nobody holds, and they are taken over. */
#include <sys/mman.h>

#include "base/sys.h"
#include "loader/control.h"
#include "loader/jit_object.h"
#include "loader/reload.h"
#include "loader/tell_process.h"

/* Whoever is not this thread is not there any more. */
static void drop_visits(struct ldx_visit **list, uintptr_t self) {
  while (*list)
    if ((*list)->thread == self)
      list = &(*list)->next;
    else
      *list = (*list)->next;
}

static void drop_collectors(uintptr_t self) {
  struct ldx_collector **c = &ldx_self.collectors;
  while (*c)
    if ((*c)->thread == self)
      c = &(*c)->next;
    else
      *c = (*c)->next;
}

/* Written only where it must be: pages that both processes have in common stay so. */
static void forget_readers(uintptr_t self) {
  for (struct ldx_thread *th = ldx_self.tls.threads; th; th = th->next)
    if (th->tcb != self && (th->reader_epoch || th->creating)) {
      th->reader_epoch = 0;
      th->creating = 0;
    }
  if (ldx_self.anonymous_readers)
    ldx_self.anonymous_readers = 0;
  struct ldx_tls *t = &ldx_self.tls;
  if (t->exclusive) { /* the size that another thread's thread was to have */
    t->resize(t->static_size);
    t->exclusive = false;
  }
}

/* A list is linked forwards first. */
static void relink_threads(void) {
  struct ldx_thread *before = NULL;
  for (struct ldx_thread *th = ldx_self.tls.threads; th; before = th, th = th->next)
    th->prev = before;
}

/* A walk or a load that will not go on. What was being taken out stays out of sight. */
static void repair_objects(struct ldx_namespace *ns) {
  ldx_debug_forked(ns);
  ns->names = (struct ldx_names){0}; /* made anew when it is asked */
  for (struct ldx_object *o = ns->first; o; o = o->map.l_next)
    o->visit = 0;
}

static void repair_modules(void) {
  struct ldx_tls_slots *s = ldx_self.tls.slots;
  for (size_t i = 1; s && i <= ldx_self.tls.max_module; i++)
    if (s->at[i].object && s->at[i].object->pending) {
      ldx_unique_forget(s->at[i].object->ns->unique, s->at[i].object);
      s->at[i].object = NULL;
    }
}

/* Objects whose constructors another thread was at, and those that need them, will not come to life here: nobody
 * finds them by name any more, and who opens them gets a fresh copy. They stay mapped. */
static bool is_unborn(const struct ldx_object *o, uintptr_t self) {
  for (const struct ldx_visit *v = ldx_self.visits; v; v = v->next)
    if (v->object == o && v->thread != self)
      return true;
  for (uint32_t i = 0; i < o->needed.count && !o->init_called; i++)
    if (o->needed.at[i]->closing)
      return true;
  return false;
}

static void give_up_unborn(struct ldx_namespace *ns, uintptr_t self) {
  bool more = ldx_self.visits;
  while (more) {
    more = false;
    for (struct ldx_object *o = ns->first; o; o = o->map.l_next)
      if (o->dlopened && !o->closing && is_unborn(o, self))
        o->closing = o->fini_called = more = true;
  }
}

/* What another thread had chosen to go, but not begun to end, has lost nothing. It stays: nobody here has opened it,
 * and nobody expects its destructors. */
static void keep_untouched(struct ldx_namespace *ns) {
  for (struct ldx_object *o = ns->first; o && !ldx_self.collectors; o = o->map.l_next)
    if (o->closing && !o->fini_called) {
      o->closing = false;
      o->nodelete = true;
    }
}

static void forget_work(uintptr_t self) {
  if (!ldx_self.visits && !ldx_self.waits && !ldx_self.collectors)
    return;
  drop_collectors(self);
  for (struct ldx_namespace *ns = &ldx_self.base; ns; ns = ns->next) {
    keep_untouched(ns);
    give_up_unborn(ns, self);
  }
  drop_visits(&ldx_self.visits, self);
  drop_visits(&ldx_self.waits, self);
}

/* Their memory is still the parent's as well. */
static void freeze_memory(void) {
  for (struct ldx_jit_object *j = ldx_self.jits; j; j = j->next)
    j->frozen = true;
}

/* Called with the writer lock, when it is first taken in a process that libc's fork did not make. */
static void repair(void) {
  uintptr_t self = ldx_thread_pointer();
  freeze_memory();
  ldx_heap_after_fork(&ldx_self.heap);
  ldx_io_after_fork(&ldx_self.io);
  forget_work(self);
  ldx_rlock_enter(&ldx_self.tls.lock);
  relink_threads();
  forget_readers(self);
  ldx_rlock_leave(&ldx_self.tls.lock);
  repair_modules();
  for (struct ldx_namespace *ns = &ldx_self.base; ns; ns = ns->next)
    repair_objects(ns);
}

/* A process with one thread has nothing to wait for. */
static bool has_threads(void) { return ldx_self.lock.process; }

/* They come and go under the writer lock. */
static bool has_providers(void) { return ldx_self.io.top || ldx_self.io.files; }

static void hold_all(void) {
  ldx_rlock_enter(&ldx_self.lock);
  for (struct ldx_namespace *ns = &ldx_self.base; ns; ns = ns->next)
    ldx_rlock_enter(&ns->unique->lock);
  ldx_rlock_enter(&ldx_self.tls.lock); /* last: who holds it waits for no other */
  if (has_providers())
    ldx_rlock_enter(&ldx_self.io.lock);
  ldx_self.heap_held = ldx_heap_hold(&ldx_self.heap);
}

/* Memory that is written through a file belongs to both processes: the child is to have its own. */
static void copy_memory(void) {
  if (ldx_self.jits)
    ldx_jit_before_fork();
  if (ldx_self.copies)
    ldx_copies_before_fork();
}

static void settle_memory(bool child) {
  if (ldx_self.jits)
    ldx_jit_after_fork(child);
  if (ldx_self.copies)
    ldx_copies_after_fork(child);
}

static void before_fork(void) {
  if (has_threads())
    hold_all();
  copy_memory();
}

static void release(void) {
  if (ldx_self.heap_held)
    ldx_heap_release(&ldx_self.heap);
  if (has_providers())
    ldx_rlock_leave(&ldx_self.io.lock);
  for (struct ldx_namespace *ns = &ldx_self.base; ns; ns = ns->next)
    ldx_rlock_leave(&ns->unique->lock);
  ldx_rlock_leave(&ldx_self.tls.lock);
  ldx_rlock_leave(&ldx_self.lock);
}

static void after_fork(void) {
  settle_memory(false);
  if (has_threads())
    release();
  ldx_tell_fork();
}

static void settle_child(void) {
  ldx_rlock_inherit(&ldx_self.lock);
  ldx_rlock_inherit(&ldx_self.tls.lock);
  for (struct ldx_namespace *ns = &ldx_self.base; ns; ns = ns->next)
    ldx_rlock_inherit(&ns->unique->lock);
  if (has_providers()) {
    ldx_rlock_inherit(&ldx_self.io.lock);
    ldx_io_after_fork(&ldx_self.io);
  }
  if (!ldx_self.heap_held)
    ldx_heap_after_fork(&ldx_self.heap);
  forget_work(ldx_thread_pointer());
  forget_readers(ldx_thread_pointer());
  release();
}

static void after_fork_in_child(void) {
  if (has_threads())
    settle_child();
  settle_memory(true);
  ldx_control_after_fork();
  ldx_tell_child();
}

/* The first to be called are the last before fork and the first after it: no handler of the program runs meanwhile.
 */
void ldx_register_at_fork(void) {
  typedef int register_atfork(void (*before)(void), void (*parent)(void), void (*child)(void), void *object);
  const struct ldx_object *libc = ldx_self.glibc.profile ? ldx_self.base.libc : NULL;
  uintptr_t f = libc ? ldx_address_of(libc, "__register_atfork") : 0;
  if (f)
    ((register_atfork *)f)(before_fork, after_fork, after_fork_in_child, &ldx_self);
}

static void before_musl_fork(void) {
  ldx_rlock_enter(&ldx_self.lock);
  copy_memory();
}

static void after_musl_fork(void) {
  settle_memory(false);
  ldx_rlock_leave(&ldx_self.lock);
}

/* The lock is taken over from the parent, or, in a process that has no threads, is this thread's once more. */
static void after_musl_fork_in_child(void) {
  ldx_rlock_enter(&ldx_self.lock);
  settle_memory(true);
  ldx_rlock_leave(&ldx_self.lock);
  if (ldx_rlock_mine(&ldx_self.lock))
    ldx_rlock_leave(&ldx_self.lock);
}

/* musl has nothing for its loader, but what it has for everybody. */
void ldx_watch_memory(void) {
  typedef int register_atfork(void (*)(void), void (*)(void), void (*)(void));
  uintptr_t f = ldx_self.musl.libc ? ldx_address_of(ldx_self.musl.libc, "pthread_atfork") : 0;
  if (f && !__atomic_exchange_n(&ldx_self.memory_watched, true, __ATOMIC_ACQ_REL))
    ((register_atfork *)f)(before_musl_fork, after_musl_fork, after_musl_fork_in_child);
}

static void watch(uint32_t *now) {
  struct ldx_generation *g = &ldx_self.generation;
  *now = g->count = 1;
  g->now = now;
  ldx_self.lock.forked = repair;
  for (struct ldx_namespace *ns = &ldx_self.base; ns; ns = ns->next)
    ldx_rlock_watch(&ns->unique->lock, g);
  for (size_t i = 0; i < LDX_CALLBACK_LOCKS; i++)
    ldx_rlock_watch(&ldx_self.callbacks[i], g);
  ldx_rlock_watch(&ldx_self.tls.lock, g);
  ldx_rlock_watch(&ldx_self.io.lock, g);
  ldx_rlock_watch(&ldx_self.hooks.lock, g);
  ldx_rlock_watch(&ldx_self.audit.lock, g);
  ldx_rlock_watch(&ldx_self.lock, g);
}

/* With a second thread, fork may leave a lock held by nobody, or work undone. A kernel before 4.14 cannot clear
 * pages: then nothing is noticed. */
void ldx_watch_forks(void) {
  enum { MADV_WIPEONFORK_ = 18 };
  if (has_threads())
    return;
  long page = sys_mmap(NULL, LDX_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (!ldx_sys_failed(page) && !ldx_sys_failed(sys_madvise((void *)page, LDX_PAGE, MADV_WIPEONFORK_)))
    watch((uint32_t *)page);
}
