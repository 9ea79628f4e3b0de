#include "loader/tell.h"

#include <errno.h>

#include "base/print.h"
#include "base/sys.h"
#include "hooks/history.h"
#include "loader/guard.h"
#include "loader/load.h"
#include "loader/tell_process.h"

struct ldx_event ldx_event_about(enum ldx_event_type type, const struct ldx_object *o) {
  return (struct ldx_event){.type = type, .object = o ? o->id : 0, .ns = o && o->ns ? o->ns->id : 0};
}

const char *ldx_keep_text(const char *text) { return ldx_hooks_keep(&ldx_self.hooks, text); }

const char *ldx_keep_text_of(const struct ldx_object *o, const char *text) {
  bool stays = o->ns == &ldx_self.base && !o->dlopened && (!o->pending || ldx_self.starting);
  return stays ? text : ldx_keep_text(text);
}

/* ---- telling */

/* A call of one subscription's function. */
struct delivery {
  struct ldx_subscription *to;
  const struct ldx_event *event;
  struct ldx_guarded *thread;
};

static void leave_entrance(struct ldx_subscription *s, struct ldx_guarded *t) {
  if (t)
    t->entering = NULL;
  __atomic_sub_fetch(&s->entering, 1, __ATOMIC_SEQ_CST);
}

static void deliver(void *arg) {
  const struct delivery *d = arg;
  ldx_event_fn *fn = d->to->fn;
  void *ctx = d->to->ctx;
  const struct ldx_event *e = d->event;
  leave_entrance(d->to, d->thread);
  fn(ctx, e);
}

/* Calls it unless it is gone. */
static void call(struct ldx_subscription *s, const struct ldx_event *e, struct ldx_guarded *t) {
  struct delivery d = {s, e, t};
  struct ldx_tool *tool = s->tool;
  if (t)
    t->entering = s;
  __atomic_add_fetch(&s->entering, 1, __ATOMIC_SEQ_CST);
  if (__atomic_load_n(&s->gone, __ATOMIC_SEQ_CST))
    leave_entrance(s, t);
  else
    ldx_guard_call(t, tool, LDX_EVENT_CALLBACK, ldx_event_name(e->type), deliver, &d);
}

static bool wants(const struct ldx_subscription *s, const struct ldx_event *e) {
  return s->fn && s->types >> e->type & 1 && !__atomic_load_n(&s->gone, __ATOMIC_RELAXED);
}

static bool anybody_wants(const struct ldx_subscribers *all, const struct ldx_event *e) {
  for (uint32_t i = 0; all && i < all->count; i++)
    if (wants(all->at[i], e))
      return true;
  return false;
}

static void tell_all(const struct ldx_subscribers *all, const struct ldx_event *e) {
  struct ldx_guarded *t = ldx_guard_begin();
  const struct ldx_event *shown = ldx_history_show(&ldx_self.hooks, e);
  for (uint32_t i = 0; i < all->count; i++) {
    struct ldx_subscription *s = all->at[i];
    if (wants(s, e) && ldx_gate_passes(s, e->seq) && !ldx_guard_is_inside(t, s->tool))
      call(s, shown ? shown : e, t);
  }
  if (shown)
    ldx_history_hide(&ldx_self.hooks, shown);
  ldx_guard_end(t);
}

/* Other threads that were about to call are not here. */
static void forget_entrances(void) {
  const struct ldx_guarded *t = ldx_guard_here();
  const struct ldx_subscribers *all = ldx_self.hooks.subscribers;
  for (uint32_t i = 0; all && i < all->count; i++)
    all->at[i]->entering = t && t->entering == all->at[i];
}

void ldx_tell_in_this_process(void) {
  if (!ldx_history_after_fork(&ldx_self.hooks))
    return;
  ldx_guard_after_fork();
  forget_entrances();
}

void ldx_tell(struct ldx_event *e) {
  struct ldx_hooks *h = &ldx_self.hooks;
  if (!h->history)
    return;
  ldx_tell_in_this_process();
  const struct ldx_guarded *t = ldx_guard_here();
  e->size = sizeof *e;
  if (!e->pid)
    e->pid = ldx_history_pid(h);
  e->tid = t ? t->tid : (uint32_t)LDX_SYS(SYS_gettid, 0, 0, 0, 0, 0, 0);
  e->time = ldx_now();
  e->seq = ldx_history_number(h);
  ldx_history_put(h, e);
  struct ldx_reader reader = ldx_reader_enter();
  const struct ldx_subscribers *all = __atomic_load_n(&h->subscribers, __ATOMIC_SEQ_CST);
  if (anybody_wants(all, e))
    tell_all(all, e);
  ldx_reader_leave(reader);
}

static uintptr_t tell_at(uintptr_t e) {
  ldx_tell((struct ldx_event *)e);
  return 0;
}

void ldx_tell_keeping_vectors(struct ldx_event *e) { ldx_call_keeping_vectors(&ldx_self.cpu, tell_at, (uintptr_t)e); }

/* ---- what tools call */

void ldx_tell_reclaim(void) {
  struct ldx_hooks_retired *r = ldx_self.hooks.retired ? ldx_hooks_take_retired(&ldx_self.hooks) : NULL, *next;
  for (; r; r = next) {
    next = r->next;
    ldx_retire_block((void *)r->block);
    ldx_delete(r);
  }
}

static void reclaim(void) {
  ldx_rlock_enter(&ldx_self.lock);
  ldx_tell_reclaim();
  ldx_rlock_leave(&ldx_self.lock);
}

/* Tells events `from` to `end` of these types, as far as they are still there. */
static void tell_past(struct ldx_subscription *s, uint64_t from, uint64_t end, struct ldx_guarded *t) {
  struct ldx_hooks *h = &ldx_self.hooks;
  struct ldx_event e;
  if (from < ldx_history_first(h))
    from = ldx_history_first(h);
  for (; from <= end && !__atomic_load_n(&s->gone, __ATOMIC_RELAXED); from++) {
    const struct ldx_event *shown = NULL;
    if (ldx_history_get(h, from, &e) && wants(s, &e) && (shown = ldx_history_show(h, &e)))
      call(s, shown, t);
    if (shown)
      ldx_history_hide(h, shown);
  }
}

/* Until nothing more has come meanwhile. */
static void replay(struct ldx_subscription *s) {
  struct ldx_guarded *t = ldx_guard_begin();
  uint64_t from = 1, end;
  do {
    end = ldx_gate_end(s, ldx_history_last(&ldx_self.hooks));
    tell_past(s, from, end, t);
    from = end + 1;
  } while (!ldx_gate_open(s, end));
  ldx_guard_end(t);
}

int ldx_subscribe(struct ldx_tool *tool, uint64_t types, ldx_event_fn *fn, void *ctx, uint32_t flags) {
  struct ldx_hooks *h = &ldx_self.hooks;
  types &= tool && tool->only ? tool->only : LDX_EV_ALL;
  if (!tool || !types || flags & ~(uint32_t)LDX_SUBSCRIBE_REPLAY)
    return -EINVAL;
  if (tool->state == LDX_TOOL_DISABLED)
    return -EPERM;
  int error = h->history ? 0 : ldx_history_open(h, h->history_slots ? h->history_slots : LDX_HISTORY_SLOTS);
  if (error)
    return error;
  ldx_tell_in_this_process();
  bool past = fn && (flags & LDX_SUBSCRIBE_REPLAY);
  struct ldx_reader reader = ldx_reader_enter();
  struct ldx_subscription *s = ldx_hooks_subscribe(h, tool, types, fn, ctx, past);
  if (s && past)
    replay(s);
  ldx_reader_leave(reader);
  reclaim();
  ldx_watch_bindings();
  return s ? 0 : -ENOMEM;
}

/* Threads that have seen it there, and not called yet. */
static void wait_for_entrance(const struct ldx_subscription *s) {
  const struct ldx_guarded *t = ldx_guard_here();
  uint32_t mine = t && t->entering == s;
  while (__atomic_load_n(&s->entering, __ATOMIC_SEQ_CST) > mine)
    LDX_SYS(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
}

int ldx_unsubscribe(struct ldx_tool *tool, ldx_event_fn *fn, void *ctx) {
  struct ldx_hooks *h = &ldx_self.hooks;
  struct ldx_reader reader = ldx_reader_enter();
  ldx_rlock_enter(&h->lock);
  struct ldx_subscription *s = ldx_hooks_find_subscription(h, tool, fn, ctx);
  if (s)
    ldx_hooks_unsubscribe(h, s);
  ldx_rlock_leave(&h->lock);
  if (s)
    wait_for_entrance(s);
  ldx_reader_leave(reader);
  reclaim();
  return s ? 0 : -ENOENT;
}

int ldx_tool_disable(struct ldx_tool *tool) {
  if (!tool)
    return -EINVAL;
  ldx_hooks_disable(&ldx_self.hooks, tool);
  reclaim();
  return 0;
}

uint64_t ldx_history(uint64_t from, ldx_event_fn *fn, void *ctx) {
  struct ldx_hooks *h = &ldx_self.hooks;
  if (!h->history)
    return 1;
  ldx_tell_in_this_process();
  uint64_t end = ldx_history_last(h);
  if (from < ldx_history_first(h))
    from = ldx_history_first(h);
  for (; from <= end; from++) {
    struct ldx_event e;
    const struct ldx_event *shown = ldx_history_get(h, from, &e) ? ldx_history_show(h, &e) : NULL;
    if (!shown)
      continue;
    fn(ctx, shown);
    ldx_history_hide(h, shown);
  }
  return end + 1;
}

uint64_t ldx_history_lost(void) { return ldx_self.hooks.history ? ldx_history_count_lost(&ldx_self.hooks) : 0; }

void ldx_tool_log(struct ldx_tool *tool, const char *text) {
  ldx_print(2, "ldx: %s: tool %s: %s\n", ldx_self.program_name, tool ? tool->name : "?", text);
}

static void tell_debuggers(const struct ldx_object *o) {
  struct ldx_change c = {
      .kind = LDX_DEBUG_OBJECT_CHANGED, .object = o, .name = o->soname ? o->soname : ldx_display_name(o)};
  ldx_rlock_enter(&ldx_self.lock);
  ldx_changes_tell(&ldx_self.heap, o->ns, &c, 1);
  ldx_rlock_leave(&ldx_self.lock);
}

int ldx_symbols_changed(const void *addr) {
  struct ldx_reader reader = ldx_reader_enter();
  const struct ldx_object *o = ldx_object_at((uintptr_t)addr);
  if (o)
    tell_debuggers(o);
  if (o && ldx_wants(LDX_EV_SYMBOLS)) {
    struct ldx_event e = ldx_event_about(LDX_EV_SYMBOLS, o);
    ldx_tell(&e);
  }
  ldx_reader_leave(reader);
  return o ? 0 : -ENOENT;
}
