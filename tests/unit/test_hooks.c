/* Order of tools, subscriptions, the history, replay against live events. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hooks/history.h"
#include "unit.h"

struct fixture {
  struct ldx_heap heap;
  struct ldx_hooks hooks;
  struct ldx_diag diag;
  struct ldx_tool tools[8];
  uint32_t count;
};

static int set_up(void **state) {
  struct fixture *f = calloc(1, sizeof *f);
  if (!f)
    return -1;
  f->hooks.heap = f->diag.heap = &f->heap;
  *state = f;
  return 0;
}

static int tear_down(void **state) {
  free(*state);
  return 0;
}

#define NAMES(...) ((const char *const[]){__VA_ARGS__, NULL})

static struct ldx_tool *tool(struct fixture *f, const char *name) {
  struct ldx_tool *t = &f->tools[f->count++];
  *t = (struct ldx_tool){.name = name, .path = name, .rank = f->hooks.registered++};
  return t;
}

static bool add(struct fixture *f, struct ldx_tool *t) { return ldx_hooks_add_tool(&f->hooks, t, &f->diag); }

static void assert_order(const struct fixture *f, const char *names) {
  char text[256] = "";
  for (uint32_t i = 0; i < f->hooks.order->count; i++) {
    strcat(text, i ? " " : "");
    strcat(text, f->hooks.order->at[i]->name);
  }
  assert_string_equal(text, names);
}

static const char *why(const struct fixture *f, uint32_t i) { return f->hooks.order->at[i]->why_here; }

/* ---- order */

static void orders_by_registration(void **state) {
  struct fixture *f = *state;
  assert_true(add(f, tool(f, "a")) && add(f, tool(f, "b")));
  assert_order(f, "a b");
  assert_string_equal(why(f, 0), "the first");
  assert_string_equal(why(f, 1), "behind a: registered later");
}

static void orders_by_priority(void **state) {
  struct fixture *f = *state;
  struct ldx_tool *a = tool(f, "a"), *b = tool(f, "b");
  b->desc.priority = 5;
  assert_true(add(f, a) && add(f, b));
  assert_order(f, "b a");
  assert_string_equal(why(f, 1), "behind b: priority 0, not 5");
}

static void orders_by_wishes(void **state) {
  struct fixture *f = *state;
  struct ldx_tool *a = tool(f, "a"), *b = tool(f, "b"), *c = tool(f, "c");
  a->desc.after = NAMES("tracer"); /* which b provides; nobody else has that name */
  b->desc.provides = NAMES("mpi", "tracer");
  c->desc.before = NAMES("b", "nobody");
  a->desc.priority = 100; /* does not help */
  assert_true(add(f, a) && add(f, b));
  assert_order(f, "b a");
  assert_true(add(f, c));
  assert_order(f, "c b a");
  assert_string_equal(why(f, 1), "behind c: wanted by c");
  assert_string_equal(why(f, 2), "behind b: wanted by a");
}

static void orders_by_rules(void **state) {
  struct fixture *f = *state;
  const struct ldx_tool_edge rule = {"b", "a", "site.json:3:5"};
  assert_true(add(f, tool(f, "a")) && add(f, tool(f, "b")));
  f->hooks.edges = &rule;
  f->hooks.edge_count = 1;
  assert_true(ldx_hooks_sort(&f->hooks, &f->diag));
  assert_order(f, "b a");
  assert_string_equal(why(f, 1), "behind b: wanted by site.json:3:5");
}

static void names_a_circle(void **state) {
  struct fixture *f = *state;
  struct ldx_tool *a = tool(f, "a"), *b = tool(f, "b"), *c = tool(f, "c"), *d = tool(f, "d");
  const struct ldx_tool_edge rule = {"b", "c", "site.json:3:5"};
  f->hooks.edges = &rule;
  f->hooks.edge_count = 1;
  b->desc.after = NAMES("a");
  c->desc.before = NAMES("a");
  d->desc.after = NAMES("c"); /* behind the circle, not in it */
  assert_true(add(f, a) && add(f, b) && add(f, d));
  assert_false(add(f, c));
  assert_non_null(strstr(f->diag.text, "tools cannot be put in order: "));
  assert_non_null(strstr(f->diag.text, "a before b (wanted by b)"));
  assert_non_null(strstr(f->diag.text, "b before c (wanted by site.json:3:5)"));
  assert_non_null(strstr(f->diag.text, "c before a (wanted by c)"));
  assert_null(strstr(f->diag.text, "before d"));
  assert_order(f, "a b d"); /* as it was */
  ldx_diag_clear(&f->diag);
}

static void names_conflicts(void **state) {
  struct fixture *f = *state;
  struct ldx_tool *a = tool(f, "a"), *b = tool(f, "b"), *again = tool(f, "a");
  a->desc.provides = NAMES("allocator");
  b->desc.conflicts = NAMES("allocator");
  again->path = "/other/a.so";
  assert_true(add(f, a));
  assert_false(add(f, b));
  assert_string_equal(f->diag.text, "tool b refuses to run together with tool a (allocator)");
  ldx_diag_clear(&f->diag);
  assert_false(add(f, again));
  assert_string_equal(f->diag.text, "two tools are called a: a and /other/a.so");
  ldx_diag_clear(&f->diag);
  ldx_hooks_disable(&f->hooks, a); /* who is gone is in nobody's way */
  assert_true(add(f, b));
}

/* ---- subscriptions */

static void on_event(void *ctx, const struct ldx_event *e) {}
static void on_other(void *ctx, const struct ldx_event *e) {}

static void keeps_tool_order(void **state) {
  struct fixture *f = *state;
  struct ldx_hooks *h = &f->hooks;
  struct ldx_tool *a = tool(f, "a"), *b = tool(f, "b");
  assert_true(add(f, a) && add(f, b));
  struct ldx_subscription *b1 = ldx_hooks_subscribe(h, b, LDX_EV_LIBRARIES, on_event, NULL, false);
  struct ldx_subscription *a1 = ldx_hooks_subscribe(h, a, LDX_EV_BIT(LDX_EV_BIND), on_event, NULL, false);
  struct ldx_subscription *a2 = ldx_hooks_subscribe(h, a, LDX_EV_BIT(LDX_EV_IO), on_other, NULL, false);
  assert_ptr_equal(h->subscribers->at[0], a1);
  assert_ptr_equal(h->subscribers->at[1], a2);
  assert_ptr_equal(h->subscribers->at[2], b1);
  assert_true(h->wanted == (LDX_EV_LIBRARIES | LDX_EV_BIT(LDX_EV_BIND) | LDX_EV_BIT(LDX_EV_IO)));
  const struct ldx_tool_edge rule = {"b", "a", "here"};
  h->edges = &rule;
  h->edge_count = 1;
  assert_true(ldx_hooks_sort(h, &f->diag));
  assert_ptr_equal(h->subscribers->at[0], b1);
  assert_ptr_equal(h->subscribers->at[1], a1);
}

static void unsubscribes(void **state) {
  struct fixture *f = *state;
  struct ldx_hooks *h = &f->hooks;
  struct ldx_tool *a = tool(f, "a");
  assert_true(add(f, a));
  struct ldx_subscription *one = ldx_hooks_subscribe(h, a, LDX_EV_LIBRARIES, on_event, NULL, false);
  ldx_hooks_subscribe(h, a, LDX_EV_BIT(LDX_EV_IO), on_other, NULL, false);
  const struct ldx_subscribers *before = h->subscribers;
  assert_null(ldx_hooks_find_subscription(h, a, on_event, f));
  assert_ptr_equal(ldx_hooks_find_subscription(h, a, on_event, NULL), one);
  ldx_hooks_unsubscribe(h, one);
  assert_true(before->at[0] == one && one->gone); /* whoever walks the old array sees that it is gone */
  assert_int_equal(h->subscribers->count, 1);
  assert_true(h->wanted == LDX_EV_BIT(LDX_EV_IO));
  ldx_hooks_disable(h, a);
  assert_int_equal(h->subscribers->count, 0);
  assert_true(h->wanted == 0);
  size_t retired = 0;
  for (struct ldx_hooks_retired *r = ldx_hooks_take_retired(h), *next; r; r = next, retired++) {
    next = r->next;
    ldx_heap_free(h->heap, (void *)r->block);
    ldx_heap_free(h->heap, r);
  }
  assert_int_equal(retired, 5); /* two subscriptions, and the arrays but the last */
}

static void names_all_types(void **state) {
  assert_null(ldx_event_name(0));
  assert_null(ldx_event_name(LDX_EV_TYPES));
  assert_string_equal(ldx_event_name(LDX_EV_START), "start");
  assert_string_equal(ldx_event_name(LDX_EV_TOOL_FAULT), "tool_fault");
  assert_string_equal(ldx_event_name(LDX_EV_EXIT), "exit");
  for (uint32_t i = 1; i < LDX_EV_TYPES; i++)
    for (uint32_t k = 1; k < i; k++)
      assert_string_not_equal(ldx_event_name(i), ldx_event_name(k));
}

/* ---- the history */

static void put(struct ldx_hooks *h, uint16_t type) {
  struct ldx_event e = {.size = sizeof e, .type = type};
  e.seq = ldx_history_number(h);
  e.object = e.seq * 7;
  ldx_history_put(h, &e);
}

static void keeps_the_latest(void **state) {
  struct fixture *f = *state;
  struct ldx_hooks *h = &f->hooks;
  struct ldx_event e;
  assert_int_equal(ldx_history_open(h, 3), -EINVAL);
  assert_int_equal(ldx_history_open(h, 8), 0);
  assert_true(h->wanted == (LDX_EV_ALL & ~LDX_EV_FREQUENT));
  assert_int_equal(ldx_history_last(h), 0);
  assert_int_equal(ldx_history_first(h), 1);
  for (int i = 0; i < 8; i++)
    put(h, LDX_EV_MAPPED);
  assert_int_equal(ldx_history_count_lost(h), 0);
  for (int i = 0; i < 3; i++)
    put(h, LDX_EV_READY);
  assert_int_equal(ldx_history_count_lost(h), 3);
  assert_int_equal(ldx_history_first(h), 4);
  assert_false(ldx_history_get(h, 3, &e));
  for (uint64_t seq = 4; seq <= 11; seq++) {
    assert_true(ldx_history_get(h, seq, &e));
    assert_true(e.seq == seq && e.object == seq * 7 && e.type == (seq > 8 ? LDX_EV_READY : LDX_EV_MAPPED));
  }
}

static void shows_read_only(void **state) {
  struct fixture *f = *state;
  struct ldx_hooks *h = &f->hooks;
  struct ldx_event e = {.type = LDX_EV_MAPPED, .seq = 1};
  assert_int_equal(ldx_history_open(h, 8), 0);
  const struct ldx_event *one = ldx_history_show(h, &e), *two;
  e.seq = 2;
  two = ldx_history_show(h, &e);
  assert_true(one->seq == 1 && two->seq == 2 && ldx_history_holds(h, (uintptr_t)one));
  assert_false(ldx_history_holds(h, (uintptr_t)&e));
  ldx_history_hide(h, one);
  e.seq = 3;
  assert_ptr_equal(ldx_history_show(h, &e), one);
  const char *text = ldx_hooks_keep(h, "libz.so.1");
  assert_true(ldx_history_holds(h, (uintptr_t)text));
  pid_t child = fork();
  if (!child) {
    signal(SIGSEGV, SIG_DFL);
    *(volatile uint64_t *)&two->seq = 9;
    _exit(0);
  }
  int status;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

static void is_private_after_fork(void **state) {
  struct fixture *f = *state;
  struct ldx_hooks *h = &f->hooks;
  struct ldx_event e = {.type = LDX_EV_MAPPED};
  assert_int_equal(ldx_history_open(h, 8), 0);
  put(h, LDX_EV_MAPPED);
  const char *text = ldx_hooks_keep(h, "before");
  const struct ldx_event *shown = ldx_history_show(h, &e);
  int status;
  pid_t child = fork();
  if (!child) {
    bool ok = ldx_history_after_fork(h) && !ldx_history_after_fork(h) && ldx_history_pid(h) == (uint32_t)getpid();
    put(h, LDX_EV_READY);
    ok = ok && ldx_history_get(h, 1, &e) && e.type == LDX_EV_MAPPED && ldx_history_get(h, 2, &e) &&
         e.type == LDX_EV_READY && shown->type == LDX_EV_MAPPED && text == ldx_hooks_keep(h, "before") &&
         !strcmp(text, "before") && strcmp(ldx_hooks_keep(h, "in the child"), "before");
    _exit(!ok);
  }
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFEXITED(status) && !WEXITSTATUS(status));
  assert_false(ldx_history_after_fork(h));
  assert_int_equal(ldx_history_last(h), 1);
  put(h, LDX_EV_FINI);
  assert_true(ldx_history_get(h, 2, &e) && e.type == LDX_EV_FINI); /* not the child's */
}

static void keeps_texts_once(void **state) {
  struct fixture *f = *state;
  struct ldx_hooks *h = &f->hooks;
  char name[32];
  assert_null(ldx_hooks_keep(h, NULL));
  const char *early = ldx_hooks_keep(h, "early");
  assert_int_equal(ldx_history_open(h, 8), 0);
  assert_ptr_equal(ldx_hooks_keep(h, "early"), early);
  const char *first = NULL;
  for (int round = 0; round < 2; round++)
    for (int i = 0; i < 20000; i++) {
      snprintf(name, sizeof name, "symbol_%d", i);
      const char *kept = ldx_hooks_keep(h, name);
      assert_string_equal(kept, name);
      assert_ptr_not_equal(kept, name);
      if (!i)
        assert_true(!round || kept == first), first = kept;
    }
}

static long refuse_memory(long nr, long a, long b, long c) { return nr == SYS_memfd_create ? -ENOSYS : STUB_PASS; }

static void says_when_it_cannot_be_made(void **state) {
  struct fixture *f = *state;
  struct ldx_tool *t = tool(f, "a");
  t->object = (struct ldx_object *)t; /* not built in */
  stub_on_syscall(refuse_memory);
  assert_false(add(f, t));
  stub_on_syscall(NULL);
  assert_string_equal(f->diag.text, "cannot make a history of 65536 events");
  assert_int_equal(f->diag.error, ENOSYS);
  ldx_diag_clear(&f->diag);
}

/* ---- threads */

enum { TELLERS = 3, EVENTS = 20000, ALL = TELLERS * EVENTS };
struct race {
  struct ldx_hooks *hooks;
  uint32_t seen[ALL + 1];
};

static void note(struct ldx_subscription *s, uint64_t seq) {
  struct race *r = s->ctx;
  __atomic_add_fetch(&r->seen[seq], 1, __ATOMIC_RELAXED);
}

/* As the loader tells. */
static void *tell_many(void *arg) {
  struct race *r = arg;
  struct ldx_hooks *h = r->hooks;
  for (int i = 0; i < EVENTS; i++) {
    struct ldx_event e = {.type = LDX_EV_MAPPED};
    e.seq = ldx_history_number(h);
    e.object = e.seq * 7;
    ldx_history_put(h, &e);
    const struct ldx_subscribers *all = __atomic_load_n(&h->subscribers, __ATOMIC_SEQ_CST);
    for (uint32_t k = 0; all && k < all->count; k++)
      if (ldx_gate_passes(all->at[k], e.seq))
        note(all->at[k], e.seq);
  }
  return NULL;
}

/* Each event once, by the replay or as it happens. */
static void replays_without_gap(void **state) {
  struct fixture *f = *state;
  struct race *r = calloc(1, sizeof *r);
  assert_non_null(r);
  r->hooks = &f->hooks;
  struct ldx_tool *t = tool(f, "a");
  assert_int_equal(ldx_history_open(&f->hooks, 65536), 0);
  assert_true(add(f, t));
  pthread_t tellers[TELLERS];
  for (int i = 0; i < TELLERS; i++)
    assert_int_equal(pthread_create(&tellers[i], NULL, tell_many, r), 0);
  struct ldx_subscription *s = ldx_hooks_subscribe(&f->hooks, t, LDX_EV_ALL, on_event, r, true);
  uint64_t from = 1, end;
  do {
    end = ldx_gate_end(s, ldx_history_last(&f->hooks));
    for (struct ldx_event e; from <= end; from++) {
      while (!ldx_history_get(&f->hooks, from, &e)) /* its writer was put to sleep */
        sched_yield();
      assert_true(e.object == from * 7);
      note(s, from);
    }
  } while (!ldx_gate_open(s, end));
  for (int i = 0; i < TELLERS; i++)
    pthread_join(tellers[i], NULL);
  for (int i = 1; i <= ALL; i++)
    assert_int_equal(r->seen[i], 1);
  free(r);
}

/* A small ring under many writers: what can be read is whole. */
static void never_mixes_events(void **state) {
  struct fixture *f = *state;
  struct race *r = calloc(1, sizeof *r);
  assert_non_null(r);
  r->hooks = &f->hooks;
  assert_int_equal(ldx_history_open(&f->hooks, 4), 0);
  pthread_t tellers[TELLERS];
  for (int i = 0; i < TELLERS; i++)
    assert_int_equal(pthread_create(&tellers[i], NULL, tell_many, r), 0);
  struct ldx_event e;
  for (uint64_t last; (last = ldx_history_last(&f->hooks)) < ALL;)
    if (last && ldx_history_get(&f->hooks, last, &e))
      assert_true(e.seq == last && e.object == last * 7);
  for (int i = 0; i < TELLERS; i++)
    pthread_join(tellers[i], NULL);
  assert_true(ldx_history_count_lost(&f->hooks) >= ALL - 4);
  free(r);
}

#define EACH(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
      EACH(orders_by_registration), EACH(orders_by_priority),
      EACH(orders_by_wishes),       EACH(orders_by_rules),
      EACH(names_a_circle),         EACH(names_conflicts),
      EACH(keeps_tool_order),       EACH(unsubscribes),
      EACH(names_all_types),        EACH(keeps_the_latest),
      EACH(shows_read_only),        EACH(is_private_after_fork),
      EACH(keeps_texts_once),       EACH(replays_without_gap),
      EACH(never_mixes_events),     EACH(says_when_it_cannot_be_made),
  };
  return RUN(tests);
}
