/* A thread tells of itself: its start routine is wrapped when it is made, and the destructor of a pthread key is
 * called at its end, however that comes (return, pthread_exit, cancellation). Threads that libc makes for itself
 * (timers, asynchronous I/O) start routines of its own: they are on the list of threads, but don't tell. */
#include "loader/tell_thread.h"

#include <string.h>

#include "base/sys.h"
#include "loader/tell.h"

enum { DESTRUCTOR_ROUNDS = 4 /* PTHREAD_DESTRUCTOR_ITERATIONS of glibc and musl */ };

uint64_t ldx_thread_number(struct ldx_thread *th) {
  uint64_t number = __atomic_load_n(&th->number, __ATOMIC_ACQUIRE);
  if (number)
    return number;
  uint64_t mine = __atomic_add_fetch(&ldx_self.hooks.last_id, 1, __ATOMIC_RELAXED);
  return __atomic_compare_exchange_n(&th->number, &number, mine, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE) ? mine
                                                                                                            : number;
}

/* --- stacks ---------------------------------------------------------------------------------------------- */

struct range {
  uintptr_t from, to;
};

static const char *read_hex(const char *p, uintptr_t *v) {
  for (*v = 0;; p++) {
    unsigned digit = (unsigned)*p - '0' < 10u ? (unsigned)*p - '0' : (unsigned)*p - 'a' + 10;
    if (digit >= 16)
      return p;
    *v = *v << 4 | digit;
  }
}

/* The line of /proc/self/maps that holds the address, and where the one before ends. */
static bool find_mapping(uintptr_t addr, struct range *found, uintptr_t *before) {
  char text[4096];
  size_t kept = 0;
  long n, fd = sys_open("/proc/self/maps", 02000000 /* O_CLOEXEC */);
  bool is_found = false;
  *before = 0;
  if (ldx_sys_failed(fd))
    return false;
  while (!is_found && (n = sys_read((int)fd, text + kept, sizeof text - 1 - kept)) > 0) {
    text[kept + (size_t)n] = '\0';
    char *line = text, *end;
    for (; !is_found && (end = strchr(line, '\n')); line = end + 1) {
      read_hex(read_hex(line, &found->from) + 1, &found->to);
      is_found = addr - found->from < found->to - found->from;
      if (!is_found)
        *before = found->to;
    }
    kept = strlen(line);
    memmove(text, line, kept);
  }
  sys_close((int)fd);
  return is_found;
}

/* As glibc tells it: to the end of the page of its first word, as large as the limit lets it grow. */
void ldx_main_stack(uintptr_t *low, uintptr_t *high) {
  enum { RLIMIT_STACK_ = 3 };
  struct range m;
  uintptr_t before, first = (uintptr_t)ldx_self.args.stack, end = ldx_align_down(first, LDX_PAGE) + LDX_PAGE;
  uint64_t limit[2];
  *low = *high = 0;
  if (ldx_sys_failed(LDX_SYS(SYS_prlimit64, 0, RLIMIT_STACK_, 0, limit, 0, 0)) || !find_mapping(first, &m, &before))
    return;
  uint64_t size = ldx_align_down(limit[0] - (m.to - end), LDX_PAGE);
  *high = end;
  *low = size > end - before ? before : end - size;
}

bool ldx_describe_thread(const struct ldx_thread *th, uint32_t *tid, uintptr_t *low, uintptr_t *high) {
  struct glibc_thread t = {th->id, th->stack_low, th->stack_high, th->id == sys_getpid() && !th->stack_high};
  if (ldx_self.glibc.profile && !glibc_read_thread(&ldx_self.glibc, (const char *)th->tcb, &t))
    return false;
  *tid = (uint32_t)t.tid;
  *low = t.stack_low;
  *high = t.stack_high;
  if (t.is_first && t.tid == sys_getpid()) /* else one of ldx's own */
    ldx_main_stack(low, high);
  return true;
}

/* --- start and end --------------------------------------------------------------------------------------- */

/* musl's pthread_attr_t, and glibc's is as large: stack size, guard size, upper end of the stack. */
static void ask_libc_for_stack(struct ldx_thread *th) {
  uint64_t attr[7] = {0};
  uintptr_t f = ldx_self.watches.get_attributes;
  if (!ldx_self.musl.active || !f ||
      ((int (*)(const void *, void *))f)((const void *)*(uintptr_t *)ldx_thread_pointer(), attr))
    return;
  th->stack_high = attr[2];
  th->stack_low = attr[2] - attr[0];
}

static struct ldx_thread *own_record(void) {
  struct ldx_thread *th = ldx_thread_self();
  return th || !ldx_self.tls.adopts ? th : ldx_tls_adopt_thread(&ldx_self.tls);
}

static void tell_thread(enum ldx_event_type type, struct ldx_thread *th) {
  uint32_t tid;
  if (!ldx_wants(type))
    return;
  struct ldx_event e = ldx_event_about(type, NULL);
  ldx_describe_thread(th, &tid, &e.u.thread.stack_low, &e.u.thread.stack_high);
  e.u.thread.tcb = th->tcb;
  e.u.thread.thread = ldx_thread_number(th);
  ldx_tell(&e);
}

static void tell_start(void) {
  struct ldx_thread *th = own_record();
  if (!th)
    return;
  ask_libc_for_stack(th);
  tell_thread(LDX_EV_THREAD_START, th);
  ldx_tls_tell_static(&ldx_self.tls, th);
}

static void tell_end(void) {
  struct ldx_thread *th = own_record();
  if (!th)
    return;
  tell_thread(LDX_EV_THREAD_EXIT, th);
  ldx_tls_tell_gone(&ldx_self.tls, th);
}

static bool set_key(uintptr_t value) {
  return ldx_self.watches.has_key &&
         !((int (*)(uint32_t, const void *))ldx_self.watches.set_specific)(ldx_self.watches.key, (const void *)value);
}

/* Destructors of the program's keys go first: libc calls again what has a value again, as often as it ever does. */
static void end_thread(void *round) {
  if ((uintptr_t)round >= DESTRUCTOR_ROUNDS || !set_key((uintptr_t)round + 1))
    tell_end();
}

static uintptr_t libc_function(const char *name) {
  uintptr_t f = 0;
  for (const struct ldx_object *o = ldx_self.base.first; o && !f; o = o->map.l_next)
    if (o->overridden && !o->real)
      f = ldx_address_of(o, name);
  return f;
}

static void make_key(void) {
  struct ldx_watches *w = &ldx_self.watches;
  ldx_rlock_enter(&ldx_self.lock);
  if (!w->key_made) {
    uintptr_t make = libc_function("pthread_key_create");
    w->set_specific = libc_function("pthread_setspecific");
    w->get_attributes = libc_function("pthread_getattr_np");
    w->has_key = make && w->set_specific && !((int (*)(uint32_t *, void (*)(void *)))make)(&w->key, end_thread);
    __atomic_store_n(&w->key_made, true, __ATOMIC_RELEASE);
  }
  ldx_rlock_leave(&ldx_self.lock);
}

static bool are_watched(void) {
  return ldx_wants(LDX_EV_THREAD_START) || ldx_wants(LDX_EV_THREAD_EXIT) || ldx_wants(LDX_EV_TLS_BLOCK_GONE);
}

struct begun {
  void *(*start)(void *);
  void *arg;
};

/* Of a C11 thread the routine returns an int: what is in the register goes on as it is. */
static void *begin_thread(void *p) {
  struct begun b = *(struct begun *)p;
  ldx_delete(p);
  tell_start();
  if (set_key(1))
    return b.start(b.arg);
  void *result = b.start(b.arg); /* no key was left: only a return is seen */
  tell_end();
  return result;
}

void ldx_watch_start(void *(**start)(void *), void **arg) {
  struct begun *b = are_watched() ? ldx_new(sizeof *b) : NULL;
  if (!b)
    return;
  if (!__atomic_load_n(&ldx_self.watches.key_made, __ATOMIC_ACQUIRE))
    make_key();
  *b = (struct begun){*start, *arg};
  *start = begin_thread;
  *arg = b;
}

void ldx_forget_start(void *(*start)(void *), void *arg) {
  if (start == begin_thread)
    ldx_delete(arg);
}

void ldx_tell_main_thread(void) {
  if (!are_watched() || ldx_self.watches.main_told)
    return;
  ldx_self.watches.main_told = true;
  make_key();
  set_key(1); /* pthread_exit ends it while the process goes on */
  tell_start();
}

void ldx_tell_last_thread(void) {
  if (are_watched())
    tell_end();
}

/* --- thread-local storage -------------------------------------------------------------------------------- */

static bool blocks_wanted(void) { return ldx_wants(LDX_EV_TLS_BLOCK) || ldx_wants(LDX_EV_TLS_BLOCK_GONE); }

static void tell_block(const struct ldx_tls_fact *f) {
  enum ldx_event_type type = f->gone ? LDX_EV_TLS_BLOCK_GONE : LDX_EV_TLS_BLOCK;
  if (!ldx_wants(type))
    return;
  struct ldx_event e = ldx_event_about(type, NULL);
  e.object = f->object;
  e.addr = f->block;
  e.u.tls.module = f->module;
  e.u.tls.bytes = f->bytes;
  e.u.tls.align = f->align;
  e.u.tls.is_static = f->is_static;
  e.u.tls.thread = f->number ? f->number : ldx_thread_number(f->thread);
  ldx_tell(&e);
}

const struct ldx_tls_watch ldx_tls_watch = {blocks_wanted, tell_block};

static void tell_module(enum ldx_event_type type, const struct ldx_object *o) {
  struct ldx_event e = ldx_event_about(type, o);
  e.u.tls.module = o->tls.modid;
  e.u.tls.bytes = o->tls.memsz;
  e.u.tls.align = o->tls.align;
  e.u.tls.is_static = o->tls.offset > 0;
  ldx_tell(&e);
}

static size_t count_threads(void) {
  size_t n = 0;
  for (const struct ldx_thread *th = ldx_self.tls.threads; th; th = th->next)
    n++;
  return n;
}

/* A static module's block in every thread. */
static void tell_everywhere(const struct ldx_object *o, bool gone) {
  uint32_t tid;
  uintptr_t low, high;
  ldx_rlock_enter(&ldx_self.tls.lock);
  size_t n = 0;
  struct ldx_tls_fact *facts = ldx_new((count_threads() + 1) * sizeof *facts);
  for (struct ldx_thread *th = ldx_self.tls.threads; facts && th; th = th->next) {
    if (gone ? !th->told : !ldx_describe_thread(th, &tid, &low, &high)) /* it has ended, and said so */
      continue;
    facts[n++] = (struct ldx_tls_fact){
        .gone = gone,
        .is_static = true,
        .module = o->tls.modid,
        .object = o->id,
        .bytes = o->tls.memsz,
        .align = o->tls.align,
        .block = (const char *)th->tcb - o->tls.offset,
        .number = ldx_thread_number(th), /* it may be gone when this is told */
    };
  }
  ldx_rlock_leave(&ldx_self.tls.lock);
  for (size_t i = 0; i < n; i++)
    tell_block(&facts[i]);
  ldx_delete(facts);
}

/* Threads that exist got the block by the load, not when they began. */
void ldx_tell_late_static(const struct ldx_object *o) {
  if (ldx_wants(LDX_EV_TLS_BLOCK))
    tell_everywhere(o, false);
}

void ldx_tell_modules(const struct ldx_load *l) {
  if (!l->tls_added && !l->statics.count)
    return;
  for (uint32_t i = 0; ldx_wants(LDX_EV_TLS_MODULE) && i < l->fresh.count; i++)
    if (l->fresh.at[i]->tls.modid && !l->fresh.at[i]->real && !l->fresh.at[i]->faked)
      tell_module(LDX_EV_TLS_MODULE, l->fresh.at[i]);
  for (uint32_t i = 0; !l->startup && i < l->statics.count; i++)
    ldx_tell_late_static(l->statics.at[i]);
}

void ldx_tell_module_gone(const struct ldx_object *o) {
  if (ldx_wants(LDX_EV_TLS_BLOCK_GONE) && o->tls.offset > 0 && !o->real)
    tell_everywhere(o, true);
  if (ldx_wants(LDX_EV_TLS_MODULE_GONE) && o->tls.modid && !o->real)
    tell_module(LDX_EV_TLS_MODULE_GONE, o);
}
