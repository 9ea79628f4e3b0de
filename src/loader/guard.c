#include "loader/guard.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "arch/x86_64/signal.h"
#include "base/print.h"
#include "base/sys.h"
#include "base/text.h"
#include "hooks/history.h"
#include "loader/load.h"
#include "loader/tell.h"
#include "loader/tools.h"

static const uint8_t faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
enum { FAULTS = sizeof faults, WATCH = FAULTS, SIGNALS = FAULTS + 1, ALL_FAULTS = (1 << FAULTS) - 1 };
enum { THREADS = 1024, WINDOW = 64, LAST_SIGNAL = 64, FIRST_REAL_TIME = 35 };
#define SECOND 1000000000ull
#define USUAL_WATCHDOG (10 * SECOND)

/* A callback, on its thread's stack. */
struct ldx_call {
  struct ldx_call *outer;
  struct ldx_jump jump;
  struct ldx_tool *tool;
  const char *what, *which;
  uint64_t began;
  bool named;       /* as taking too long */
  int signal;       /* that ended it */
  uint32_t held[3]; /* locks: how many times */
  uint64_t reader_epoch;
  void *catcher;
};

struct ldx_guard {
  uint32_t lock, users;
  uint32_t installed; /* a bit for each of the signals */
  int watch_signal;   /* 0: none is free */
  struct ldx_signal_action before[SIGNALS];
  long (*clock)(long id, struct timespec *out); /* the kernel's, without a system call; NULL: none */
  struct ldx_guarded threads[THREADS];
};

static long ask_kernel(long id, struct timespec *out) { return LDX_SYS(SYS_clock_gettime, id, out, 0, 0, 0, 0); }

static struct ldx_guard *the_guard(void) {
  struct ldx_guard *g = __atomic_load_n(&ldx_self.guard, __ATOMIC_ACQUIRE), *fresh;
  if (g || !(fresh = ldx_new(sizeof *fresh)))
    return g;
  uintptr_t clock = ldx_self.vdso ? ldx_address_of(ldx_self.vdso, "__vdso_clock_gettime") : 0;
  fresh->clock = clock ? (long (*)(long, struct timespec *))clock : ask_kernel;
  if (__atomic_compare_exchange_n(&ldx_self.guard, &g, fresh, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
    return fresh;
  ldx_delete(fresh);
  return g;
}

uint64_t ldx_now(void) {
  const struct ldx_guard *g = the_guard();
  struct timespec t = {0};
  (g ? g->clock : ask_kernel)(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

/* ---- the threads */

static uint32_t hash_of(uintptr_t thread) { return (uint32_t)((thread >> 6) * 0x9e3779b97f4a7c15ull >> 40); }

static struct ldx_guarded *find(struct ldx_guard *g, uintptr_t thread, bool claim) {
  uint32_t at = hash_of(thread);
  for (uint32_t i = 0; i < WINDOW; i++) {
    struct ldx_guarded *t = &g->threads[(at + i) % THREADS];
    uintptr_t free = 0;
    if (claim ? __atomic_compare_exchange_n(&t->thread, &free, thread, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)
              : __atomic_load_n(&t->thread, __ATOMIC_RELAXED) == thread)
      return t;
  }
  return NULL;
}

struct ldx_guarded *ldx_guard_here(void) {
  struct ldx_guard *g = __atomic_load_n(&ldx_self.guard, __ATOMIC_ACQUIRE);
  return g ? find(g, ldx_thread_pointer(), false) : NULL;
}

bool ldx_guard_is_inside(const struct ldx_guarded *g, const struct ldx_tool *tool) {
  const struct ldx_call *c = g ? g->call : NULL;
  while (c && tool && c->tool != tool)
    c = c->outer;
  return c;
}

/* ---- what is said */

static void describe(char *text, size_t size, uintptr_t pc) {
  const struct ldx_object *o = ldx_object_at(pc);
  if (o)
    ldx_format(text, size, "at 0x%lx, in %s+0x%lx", (unsigned long)pc, ldx_last_part(ldx_display_name(o)),
               (unsigned long)(pc - o->map.l_addr));
  else
    ldx_format(text, size, "at 0x%lx", (unsigned long)pc);
}

static const char *text_of(int signal) {
  switch (signal) {
  case SIGSEGV:
    return "segmentation fault";
  case SIGBUS:
    return "bus error";
  case SIGILL:
    return "illegal instruction";
  case SIGFPE:
    return "arithmetic error";
  default:
    return "abort";
  }
}

static void name_fault(const struct ldx_call *c, int signal, const siginfo_t *info, const ucontext_t *context) {
  char place[512];
  const char *end = c->tool->on_fault == LDX_FAULT_DISABLE ? ": it is disabled" : "";
  describe(place, sizeof place, ldx_signal_pc(context));
  bool of_event = signal == SIGSEGV && info->si_code > 0 && ldx_signal_was_write(context) &&
                  ldx_history_holds(&ldx_self.hooks, (uintptr_t)info->si_addr);
  if (of_event)
    ldx_print(2, "ldx: %s: tool %s: %s%s writes to an event, and events are read-only (%s)%s\n",
              ldx_self.program_name, c->tool->name, c->what, c->which, place, end);
  else
    ldx_print(2, "ldx: %s: tool %s: %s in %s%s (%s)%s\n", ldx_self.program_name, c->tool->name, text_of(signal),
              c->what, c->which, place, end);
}

static void name_slowness(const struct ldx_call *c, uint64_t now, const char *verb) {
  uint64_t tenths = (now - c->began) / (SECOND / 10);
  ldx_print(2, "ldx: %s: tool %s: %s%s %s %lu.%lu s\n", ldx_self.program_name, c->tool->name, c->what, c->which, verb,
            (unsigned long)(tenths / 10), (unsigned long)(tenths % 10));
}

/* ---- the watchdog */

/* What the policy says goes before what the tool says. */
static uint64_t allowed(const struct ldx_tool *t) {
  return t->watchdog ? t->watchdog : t->desc.watchdog ? t->desc.watchdog : USUAL_WATCHDOG;
}

static uint64_t shortest(void) {
  const struct ldx_tool_order *o = __atomic_load_n(&ldx_self.hooks.order, __ATOMIC_ACQUIRE);
  uint64_t least = USUAL_WATCHDOG;
  for (uint32_t i = 0; o && i < o->count; i++)
    if (allowed(o->at[i]) < least)
      least = allowed(o->at[i]);
  return least;
}

/* It goes off a little late: a callback that began a little later than it was set is not disturbed before its time.
 */
enum { SLACK = 8 };
static void set_timer(struct ldx_guarded *t, uint64_t now) {
  uint64_t least = shortest(), next = least + least / SLACK;
  for (const struct ldx_call *c = t->call; c; c = c->outer) {
    uint64_t age = now - c->began, may = allowed(c->tool);
    if (age < may && may - age < next)
      next = may - age;
  }
  const struct itimerspec when = {.it_value = {(time_t)(next / SECOND), (long)(next % SECOND)}};
  t->timer_set = now;
  t->timer_slack = least / SLACK;
  LDX_SYS(SYS_timer_settime, t->timer, 0, &when, NULL, 0, 0);
}

static void make_timer(struct ldx_guarded *t, int signal) {
  struct {
    uint64_t value;
    int32_t signal, notify, tid;
    int32_t rest[11];
  } event = {.signal = signal, .notify = 4 /* SIGEV_THREAD_ID */, .tid = (int32_t)t->tid};
  t->timer = -1;
  if (!signal || ldx_sys_failed(LDX_SYS(SYS_timer_create, CLOCK_MONOTONIC, &event, &t->timer, 0, 0, 0)))
    t->timer = -1;
  else
    set_timer(t, ldx_now());
}

static void look_at_clock(struct ldx_guarded *t) {
  uint64_t now = ldx_now();
  for (struct ldx_call *c = t->call; c; c = c->outer)
    if (now - c->began >= allowed(c->tool) && !c->named) {
      c->named = true;
      name_slowness(c, now, "has been running for");
    }
  set_timer(t, now);
}

/* ---- signals */

static void block_all(uint64_t *before) {
  static const uint64_t all = UINT64_MAX;
  LDX_SYS(SYS_rt_sigprocmask, SIG_BLOCK, &all, before, 8, 0, 0);
}
static void set_mask(const uint64_t *mask) { LDX_SYS(SYS_rt_sigprocmask, SIG_SETMASK, mask, NULL, 8, 0, 0); }
static uint64_t bit(int signal) { return UINT64_C(1) << (signal - 1); }

/* With all signals blocked. */
static void lock(struct ldx_guard *g) {
  while (__atomic_exchange_n(&g->lock, 1, __ATOMIC_ACQUIRE))
    LDX_SYS(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
}
static void unlock(struct ldx_guard *g) { __atomic_store_n(&g->lock, 0, __ATOMIC_RELEASE); }

static void exchange(int signal, const struct ldx_signal_action *new, struct ldx_signal_action *old) {
  LDX_SYS(SYS_rt_sigaction, signal, new, old, 8, 0, 0);
}

static void on_signal(int signal, siginfo_t *info, void *context);

static void install_one(struct ldx_guard *g, uint32_t i, int signal) {
  const struct ldx_signal_action mine = {.handler = (uintptr_t)on_signal,
                                         .flags = SA_SIGINFO | SA_ONSTACK | LDX_SA_RESTORER,
                                         .restorer = (uintptr_t)ldx_signal_return,
                                         .mask = UINT64_MAX};
  struct ldx_signal_action old;
  exchange(signal, &mine, &old);
  if (old.handler != mine.handler)
    g->before[i] = old;
  g->installed |= 1u << i;
}

/* What somebody has set meanwhile stays. */
static void restore_one(struct ldx_guard *g, uint32_t i, int signal) {
  struct ldx_signal_action current;
  if (!(g->installed & 1u << i))
    return;
  exchange(signal, &g->before[i], &current);
  if (current.handler != (uintptr_t)on_signal)
    exchange(signal, &current, NULL);
  g->installed &= ~(1u << i);
}

/* A real-time signal that the program does nothing with: the first free one from above. */
static void choose_watch_signal(struct ldx_guard *g) {
  for (int s = LAST_SIGNAL; s >= FIRST_REAL_TIME; s--) {
    struct ldx_signal_action now;
    exchange(s, NULL, &now);
    if (now.handler != (uintptr_t)SIG_DFL)
      continue;
    g->watch_signal = s;
    install_one(g, WATCH, s);
    return;
  }
  g->watch_signal = 0;
}

static void install_faults(struct ldx_guard *g) {
  for (uint32_t i = 0; i < FAULTS; i++)
    if (!(g->installed & 1u << i))
      install_one(g, i, faults[i]);
}

static void restore_all(struct ldx_guard *g) {
  for (uint32_t i = 0; i < FAULTS; i++)
    restore_one(g, i, faults[i]);
  restore_one(g, WATCH, g->watch_signal);
}

/* Signals that the thread must not keep out now. */
static uint64_t needed(const struct ldx_guard *g) {
  uint64_t mask = g->watch_signal ? bit(g->watch_signal) : 0;
  for (size_t i = 0; i < FAULTS; i++)
    if (faults[i] != SIGABRT)
      mask |= bit(faults[i]);
  return mask;
}

/* A callback that has used up its stack can only be told of on another one. Who has one already keeps it. */
static void give_stack(struct ldx_guarded *t) {
  enum { SIZE = 64 * 1024 };
  const struct ldx_kernel_stack none = {.flags = SS_DISABLE};
  t->former = none;
  t->lent = false;
  if (!t->stack) {
    long r = sys_mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    t->stack = ldx_sys_failed(r) ? NULL : (char *)r;
  }
  const struct ldx_kernel_stack mine = {.base = t->stack, .size = SIZE};
  if (!t->stack || ldx_sys_failed(LDX_SYS(SYS_sigaltstack, &mine, &t->former, 0, 0, 0, 0)))
    return;
  t->lent = t->former.flags & SS_DISABLE;
  if (!t->lent)
    LDX_SYS(SYS_sigaltstack, &t->former, NULL, 0, 0, 0, 0);
}

static void take_stack(const struct ldx_guarded *t) {
  if (t->lent)
    LDX_SYS(SYS_sigaltstack, &t->former, NULL, 0, 0, 0, 0);
}

struct ldx_guarded *ldx_guard_begin(void) {
  if (!ldx_self.hooks.foreign) /* what is built in needs no guard */
    return NULL;
  struct ldx_guard *g = the_guard();
  struct ldx_guarded *t = g ? find(g, ldx_thread_pointer(), false) : NULL;
  if (t) {
    t->depth++;
    return t;
  }
  if (!g || !(t = find(g, ldx_thread_pointer(), true)))
    return NULL;
  t->tid = (uint32_t)LDX_SYS(SYS_gettid, 0, 0, 0, 0, 0, 0);
  t->depth = 1;
  block_all(&t->mask);
  lock(g);
  if (!g->users++) {
    install_faults(g);
    choose_watch_signal(g);
  }
  unlock(g);
  make_timer(t, g->watch_signal);
  give_stack(t);
  uint64_t mask = t->mask & ~needed(g);
  set_mask(&mask);
  return t;
}

/* A timer's signal that is on its way comes before its handler goes. */
void ldx_guard_end(struct ldx_guarded *t) {
  struct ldx_guard *g = ldx_self.guard;
  if (!t || --t->depth)
    return;
  if (t->timer >= 0)
    LDX_SYS(SYS_timer_delete, t->timer, 0, 0, 0, 0, 0);
  uint64_t mask = t->mask, now;
  take_stack(t);
  block_all(&now);
  lock(g);
  if (!--g->users)
    restore_all(g);
  unlock(g);
  __atomic_store_n(&t->thread, 0, __ATOMIC_RELEASE);
  set_mask(&mask);
}

/* A program may have got ldx's handler from sigaction while it was there, and calls it, or has set it again. */
static void act_as_before(const struct ldx_signal_action *before, int signal, siginfo_t *info, void *context) {
  static const struct ldx_signal_action usual = {0};
  if (before->handler == (uintptr_t)SIG_DFL)
    exchange(signal, &usual, NULL);
  else if (before->handler != (uintptr_t)SIG_IGN)
    ((void (*)(int, siginfo_t *, void *))before->handler)(signal, info, context);
}

static uint32_t index_of(int signal) {
  uint32_t i = 0;
  while (faults[i] != signal)
    i++;
  return i;
}

/* The program's own disposition is put back, and the signal comes again: what faulted will fault once more, what was
 * sent is sent to the thread. */
static void pass_on(struct ldx_guard *g, int signal, siginfo_t *info, void *context) {
  uint32_t i = index_of(signal);
  struct ldx_signal_action current, before;
  lock(g);
  before = g->before[i];
  exchange(signal, &before, &current);
  bool was_mine = current.handler == (uintptr_t)on_signal;
  if (!was_mine)
    exchange(signal, &current, NULL);
  g->installed &= ~(1u << i);
  unlock(g);
  if (!was_mine && current.handler != before.handler)
    act_as_before(&before, signal, info, context);
  else if (info->si_code <= 0)
    LDX_SYS(SYS_rt_tgsigqueueinfo, sys_getpid(), LDX_SYS(SYS_gettid, 0, 0, 0, 0, 0, 0), signal, info, 0, 0);
}

static void let_die(struct ldx_guard *g, int signal, siginfo_t *info, void *context) {
  lock(g);
  g->before[index_of(signal)] = (struct ldx_signal_action){0};
  unlock(g);
  pass_on(g, signal, info, context);
}

/* A fault, or a signal that the process sends itself, as abort does. */
static bool is_own(const siginfo_t *info) { return info->si_code > 0 || info->si_pid == sys_getpid(); }

static void on_signal(int signal, siginfo_t *info, void *context) {
  struct ldx_guard *g = ldx_self.guard;
  struct ldx_guarded *t = find(g, ldx_thread_pointer(), false);
  if (signal == g->watch_signal) {
    if (t && info->si_code == SI_TIMER)
      look_at_clock(t);
    return;
  }
  struct ldx_call *c = t ? t->call : NULL;
  if (!c || !is_own(info)) {
    pass_on(g, signal, info, context);
    return;
  }
  name_fault(c, signal, info, context);
  if (c->tool->on_fault == LDX_FAULT_DISABLE) {
    c->signal = signal;
    ldx_signal_throw(context, &c->jump);
  } else if (c->tool->on_fault == LDX_FAULT_REPORT) {
    pass_on(g, signal, info, context);
  } else {
    let_die(g, signal, info, context);
  }
}

/* ---- calls */

enum { LOCKS = 3 };
static struct ldx_rlock *lock_at(int i) {
  return i == 0 ? &ldx_self.lock : i == 1 ? &ldx_self.hooks.lock : &ldx_self.tls.lock;
}

static uint32_t times_held(const struct ldx_rlock *l) { return ldx_rlock_mine(l) ? l->depth + 1 : 0; }

/* What a callback may have begun inside ldx. */
static void remember(struct ldx_call *c) {
  const struct ldx_thread *th = ldx_thread_self();
  for (int i = 0; i < LOCKS; i++)
    c->held[i] = times_held(lock_at(i));
  c->reader_epoch = th ? th->reader_epoch : 0;
  c->catcher = th ? th->catcher : NULL;
}

static void drop_visits(struct ldx_visit **list, uintptr_t self, const void *frame) {
  while (*list)
    if ((*list)->thread == self && (const void *)*list < frame)
      *list = (*list)->next;
    else
      list = &(*list)->next;
}

/* Frames below the callback's are gone, and what lies on them. */
static void take_back(const struct ldx_call *c) {
  struct ldx_thread *th = ldx_thread_self();
  ldx_rlock_enter(&ldx_self.lock);
  drop_visits(&ldx_self.visits, ldx_thread_pointer(), c);
  drop_visits(&ldx_self.waits, ldx_thread_pointer(), c);
  ldx_rlock_leave(&ldx_self.lock);
  for (int i = 0; i < LOCKS; i++)
    while (times_held(lock_at(i)) > c->held[i])
      ldx_rlock_leave(lock_at(i));
  if (th) {
    __atomic_store_n(&th->reader_epoch, c->reader_epoch, __ATOMIC_RELEASE);
    th->catcher = c->catcher;
  }
}

static void end(struct ldx_guarded *t, const struct ldx_call *c) {
  uint64_t now = ldx_now();
  t->call = c->outer;
  __atomic_add_fetch(&c->tool->calls, 1, __ATOMIC_RELAXED);
  __atomic_add_fetch(&c->tool->nanoseconds, now - c->began, __ATOMIC_RELAXED);
  if (c->named)
    name_slowness(c, now, c->signal ? "ended after" : "returned after");
}

static void tell_fault(const struct ldx_call *c) {
  char text[256];
  struct ldx_event e = ldx_event_about(LDX_EV_TOOL_FAULT, c->tool->object);
  ldx_format(text, sizeof text, "%s in %s%s", text_of(c->signal), c->what, c->which);
  e.u.tool.name = ldx_keep_text(c->tool->name);
  e.u.tool.text = ldx_keep_text(text);
  if (ldx_wants(LDX_EV_TOOL_FAULT))
    ldx_tell(&e);
}

/* One was passed on. */
static void install_again(struct ldx_guard *g) {
  uint64_t mask;
  block_all(&mask);
  lock(g);
  install_faults(g);
  unlock(g);
  set_mask(&mask);
}

/* The program's pthread_cancel must not end the thread in a callback: a tool's libc looks at the same record of the
 * thread as the program's. */
static int set_cancellation(struct ldx_tool *tool, int state) {
  enum { NONE = -1 };
  const struct ldx_namespace *ns = tool->object && tool->object->ns ? tool->object->ns : &ldx_self.base;
  const struct ldx_object *libc = ldx_self.musl.active ? ldx_self.musl.libc : ns->libc;
  uintptr_t f = __atomic_load_n(&tool->set_cancel_state, __ATOMIC_RELAXED);
  if (!f && libc) {
    f = ldx_address_of(libc, "pthread_setcancelstate");
    __atomic_store_n(&tool->set_cancel_state, f ? f : UINTPTR_MAX, __ATOMIC_RELAXED);
  }
  int before = NONE;
  if (f && f != UINTPTR_MAX && state != NONE)
    ((int (*)(int, int *))f)(state, &before);
  return before;
}

bool ldx_guard_call(struct ldx_guarded *t, struct ldx_tool *tool, const char *what, const char *which,
                    void (*run)(void *arg), void *arg) {
  ldx_enter_tools();
  const int before = set_cancellation(tool, PTHREAD_CANCEL_DISABLE);
  if (!t) {
    run(arg);
    set_cancellation(tool, before);
    return true;
  }
  struct ldx_call c = {.outer = t->call, .tool = tool, .what = what, .which = which, .began = ldx_now()};
  remember(&c);
  if (ldx_catch_enter(&c.jump)) {
    end(t, &c);
    take_back(&c);
    set_cancellation(c.tool, before);
    ldx_hooks_disable(&ldx_self.hooks, c.tool);
    tell_fault(&c);
    return false;
  }
  if (__builtin_expect(~__atomic_load_n(&ldx_self.guard->installed, __ATOMIC_RELAXED) & ALL_FAULTS, 0))
    install_again(ldx_self.guard);
  if (c.began - t->timer_set > t->timer_slack && t->timer >= 0)
    set_timer(t, c.began);
  __atomic_store_n(&t->call, &c, __ATOMIC_RELEASE);
  run(arg);
  end(t, &c);
  set_cancellation(tool, before);
  return true;
}

void ldx_guard_after_fork(void) {
  struct ldx_guard *g = ldx_self.guard;
  struct ldx_guarded *mine = ldx_guard_here();
  for (size_t i = 0; g && i < THREADS; i++)
    if (&g->threads[i] != mine && g->threads[i].thread)
      g->threads[i] = (struct ldx_guarded){.stack = g->threads[i].stack};
  if (!g)
    return;
  g->lock = 0;
  g->users = mine != NULL;
  if (!mine) {
    restore_all(g);
    return;
  }
  mine->tid = (uint32_t)LDX_SYS(SYS_gettid, 0, 0, 0, 0, 0, 0);
  make_timer(mine, g->watch_signal);
}
