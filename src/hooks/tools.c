/* The order of tools. */
#include "hooks/hooks.h"

#include <errno.h>
#include <string.h>

#include "base/print.h"
#include "hooks/history.h"

/* `first` must come before `second`: the places of two tools in the list being sorted. */
struct edge {
  uint32_t first, second;
  const char *wanted_by;
};

struct sorting {
  struct ldx_hooks *h;
  struct ldx_diag *d;
  struct ldx_tool **tools;
  uint32_t count;
  struct edge *edges;
  size_t edge_count, room;
  struct ldx_tool_order *order; /* the result */
  uint32_t *place;              /* in the result + 1; 0: none yet */
};

static bool out_of_memory(struct ldx_diag *d) {
  return ldx_fail(d, LDX_DIAG_LOAD, ENOMEM, "", "cannot put tools in order");
}

static bool has_name(const char *const *list, const char *name) {
  for (; list && *list; list++)
    if (!strcmp(*list, name))
      return true;
  return false;
}

static bool answers_to(const struct ldx_tool *t, const char *name) {
  return !strcmp(t->name, name) || has_name(t->desc.provides, name);
}

/* The policy does not want the order. */
static bool is_removed(const struct sorting *s, uint32_t first, uint32_t second) {
  for (uint32_t i = 0; i < s->h->removed_count; i++)
    if (answers_to(s->tools[first], s->h->removed[i].first) && answers_to(s->tools[second], s->h->removed[i].second))
      return true;
  return false;
}

static bool add_edge(struct sorting *s, uint32_t first, uint32_t second, const char *wanted_by) {
  if (first == second || is_removed(s, first, second))
    return true;
  if (s->edge_count == s->room && !ldx_heap_grow(s->h->heap, (void **)&s->edges, &s->room, sizeof *s->edges, 16))
    return out_of_memory(s->d);
  s->edges[s->edge_count++] = (struct edge){first, second, wanted_by};
  return true;
}

/* What tool i says of all that answer to a name. */
static bool add_wishes(struct sorting *s, uint32_t i, const char *const *names, bool before) {
  for (; names && *names; names++)
    for (uint32_t k = 0; k < s->count; k++)
      if (answers_to(s->tools[k], *names) && !add_edge(s, before ? i : k, before ? k : i, s->tools[i]->name))
        return false;
  return true;
}

static bool add_rule(struct sorting *s, const struct ldx_tool_edge *e) {
  for (uint32_t i = 0; i < s->count; i++)
    for (uint32_t k = 0; k < s->count; k++)
      if (answers_to(s->tools[i], e->first) && answers_to(s->tools[k], e->second) && !add_edge(s, i, k, e->where))
        return false;
  return true;
}

static bool collect_edges(struct sorting *s) {
  for (uint32_t i = 0; i < s->count; i++)
    if (!add_wishes(s, i, s->tools[i]->desc.before, true) || !add_wishes(s, i, s->tools[i]->desc.after, false))
      return false;
  for (uint32_t i = 0; i < s->h->edge_count; i++)
    if (!add_rule(s, &s->h->edges[i]))
      return false;
  return true;
}

/* An edge that keeps tool i from being the next. */
static const struct edge *obstacle(const struct sorting *s, uint32_t i) {
  for (size_t k = 0; k < s->edge_count; k++)
    if (s->edges[k].second == i && !s->place[s->edges[k].first])
      return &s->edges[k];
  return NULL;
}

static bool goes_first(const struct ldx_tool *a, const struct ldx_tool *b) {
  return a->desc.priority != b->desc.priority ? a->desc.priority > b->desc.priority : a->rank < b->rank;
}

/* Going back from obstacle to obstacle leads into a circle; once around it names its edges. */
static bool circle(struct sorting *s) {
  char text[512];
  size_t n = 0;
  uint32_t at = 0;
  while (s->place[at])
    at++;
  for (uint32_t i = 0; i < s->count; i++)
    at = obstacle(s, at)->first;
  uint32_t start = at;
  do {
    const struct edge *e = obstacle(s, at);
    if (n < sizeof text)
      n += ldx_format(text + n, sizeof text - n, "%s%s before %s (wanted by %s)", n ? ", " : "",
                      s->tools[e->first]->name, s->tools[e->second]->name, e->wanted_by);
    at = e->first;
  } while (at != start);
  return ldx_fail(s->d, LDX_DIAG_LOAD, 0, "", "tools cannot be put in order: %s", text);
}

static bool sort(struct sorting *s) {
  for (uint32_t done = 0; done < s->count; done++) {
    uint32_t best = s->count;
    for (uint32_t i = 0; i < s->count; i++)
      if (!s->place[i] && !obstacle(s, i) && (best == s->count || goes_first(s->tools[i], s->tools[best])))
        best = i;
    if (best == s->count)
      return circle(s);
    s->place[best] = done + 1;
    s->order->at[done] = s->tools[best];
  }
  s->order->count = s->count;
  return true;
}

/* Why the tool at place i of the result stands behind the one before: a wish, or what decides between two that were
 * both free to be the next. */
static const char *reason(const struct sorting *s, uint32_t i) {
  const struct ldx_tool *a = i ? s->order->at[i - 1] : NULL, *b = s->order->at[i];
  char text[256];
  if (!a)
    return "the first";
  for (size_t k = 0; k < s->edge_count; k++) {
    const struct edge *e = &s->edges[k];
    if (s->tools[e->first] != a || s->tools[e->second] != b)
      continue;
    ldx_format(text, sizeof text, "behind %s: wanted by %s", a->name, e->wanted_by);
    return ldx_hooks_keep(s->h, text);
  }
  if (a->desc.priority == b->desc.priority)
    ldx_format(text, sizeof text, "behind %s: registered later", a->name);
  else
    ldx_format(text, sizeof text, "behind %s: priority %d, not %d", a->name, b->desc.priority, a->desc.priority);
  return ldx_hooks_keep(s->h, text);
}

static void publish(struct sorting *s) {
  const struct ldx_tool_order *old = s->h->order;
  for (uint32_t i = 0; i < s->count; i++)
    s->order->at[i]->why_here = reason(s, i);
  __atomic_store_n(&s->h->order, s->order, __ATOMIC_RELEASE);
  ldx_hooks_retire(s->h, old);
  ldx_hooks_sort_subscribers(s->h);
}

/* Sorts the tools that there are, and one more (NULL: none). */
static bool sort_with(struct ldx_hooks *h, struct ldx_tool *more, struct ldx_diag *d) {
  uint32_t known = h->order ? h->order->count : 0, count = known + (more != NULL);
  struct sorting s = {.h = h, .d = d, .count = count};
  s.tools = ldx_heap_alloc(h->heap, (count + 1) * sizeof s.tools[0]);
  s.place = ldx_heap_alloc(h->heap, (count + 1) * sizeof s.place[0]);
  s.order = ldx_heap_alloc(h->heap, sizeof *s.order + count * sizeof s.order->at[0]);
  bool ok = s.tools && s.place && s.order;
  if (!ok)
    out_of_memory(d);
  for (uint32_t i = 0; ok && i < count; i++)
    s.tools[i] = i < known ? h->order->at[i] : more;
  ok = ok && collect_edges(&s) && sort(&s);
  if (ok)
    publish(&s);
  else
    ldx_heap_free(h->heap, s.order);
  ldx_heap_free(h->heap, s.tools);
  ldx_heap_free(h->heap, s.place);
  ldx_heap_free(h->heap, s.edges);
  return ok;
}

static const char *refused(const struct ldx_tool *a, const struct ldx_tool *b) {
  for (const char *const *name = a->desc.conflicts; name && *name; name++)
    if (answers_to(b, *name))
      return *name;
  return NULL;
}

static bool fits(const struct ldx_tool *t, const struct ldx_tool *other, struct ldx_diag *d) {
  if (other->state == LDX_TOOL_DISABLED)
    return true;
  if (!strcmp(t->name, other->name))
    return ldx_fail(d, LDX_DIAG_LOAD, EEXIST, "", "two tools are called %s: %s and %s", t->name,
                    other->path ? other->path : "built in", t->path ? t->path : "built in");
  const struct ldx_tool *who = t, *whom = other;
  const char *name = refused(t, other);
  if (!name) {
    name = refused(other, t);
    who = other;
    whom = t;
  }
  return !name || ldx_fail(d, LDX_DIAG_LOAD, EBUSY, "", "tool %s refuses to run together with tool %s (%s)",
                           who->name, whom->name, name);
}

/* What happens from now on can be read by tools that come later. */
static bool want_history(struct ldx_hooks *h, const struct ldx_tool *tool, struct ldx_diag *d) {
  uint32_t slots = h->history_slots ? h->history_slots : LDX_HISTORY_SLOTS;
  int error = tool->object ? ldx_history_open(h, slots) : 0;
  return !error || ldx_fail(d, LDX_DIAG_LOAD, -error, "", "cannot make a history of %u events", slots);
}

struct ldx_tool *ldx_hooks_new_tool(struct ldx_hooks *h, const char *name, const char *path,
                                    struct ldx_object *object) {
  struct ldx_tool *t = ldx_heap_alloc(h->heap, sizeof *t);
  if (!t)
    return NULL;
  t->id = __atomic_add_fetch(&h->last_id, 1, __ATOMIC_RELAXED);
  t->name = name;
  t->path = path;
  t->object = object;
  t->desc = (struct ldx_tool_desc){.size = sizeof t->desc, .abi = LDX_TOOL_ABI, .name = name};
  t->on_fault = object ? LDX_FAULT_DISABLE : LDX_FAULT_ABORT;
  h->foreign |= object != NULL;
  t->rank = __atomic_fetch_add(&h->registered, 1, __ATOMIC_ACQ_REL);
  return t;
}

bool ldx_hooks_add_tool(struct ldx_hooks *h, struct ldx_tool *tool, struct ldx_diag *d) {
  bool ok = want_history(h, tool, d);
  ldx_rlock_enter(&h->lock);
  for (uint32_t i = 0; ok && h->order && i < h->order->count; i++)
    ok = fits(tool, h->order->at[i], d);
  ok = ok && sort_with(h, tool, d);
  if (ok)
    ldx_hooks_refresh(h);
  ldx_rlock_leave(&h->lock);
  return ok;
}

bool ldx_hooks_sort(struct ldx_hooks *h, struct ldx_diag *d) {
  ldx_rlock_enter(&h->lock);
  bool ok = !h->order || sort_with(h, NULL, d);
  ldx_rlock_leave(&h->lock);
  return ok;
}

void ldx_hooks_disable(struct ldx_hooks *h, struct ldx_tool *tool) {
  ldx_rlock_enter(&h->lock);
  __atomic_store_n(&tool->state, LDX_TOOL_DISABLED, __ATOMIC_SEQ_CST);
  __atomic_store_n(&tool->steering, NULL, __ATOMIC_RELEASE);
  ldx_hooks_unsubscribe_all(h, tool);
  ldx_hooks_refresh(h);
  ldx_rlock_leave(&h->lock);
}

void ldx_hooks_refresh(struct ldx_hooks *h) {
  uint64_t wanted = h->history ? LDX_EV_ALL & ~LDX_EV_FREQUENT : 0;
  bool steered = false, binds = false;
  ldx_rlock_enter(&h->lock);
  for (uint32_t i = 0; h->subscribers && i < h->subscribers->count; i++)
    wanted |= h->subscribers->at[i]->types;
  for (uint32_t i = 0; h->order && i < h->order->count; i++) {
    const struct ldx_steering *s = h->order->at[i]->steering;
    steered |= s != NULL;
    binds |= s && s->bind;
  }
  h->steered = steered;
  h->steers_binds = binds;
  __atomic_store_n(&h->wanted, wanted, __ATOMIC_RELEASE);
  ldx_rlock_leave(&h->lock);
}

void ldx_hooks_retire(struct ldx_hooks *h, const void *block) {
  struct ldx_hooks_retired *r = block ? ldx_heap_alloc(h->heap, sizeof *r) : NULL;
  if (!r)
    return; /* leaked, never freed too early */
  *r = (struct ldx_hooks_retired){h->retired, block};
  h->retired = r;
}

struct ldx_hooks_retired *ldx_hooks_take_retired(struct ldx_hooks *h) {
  ldx_rlock_enter(&h->lock);
  struct ldx_hooks_retired *r = h->retired;
  h->retired = NULL;
  ldx_rlock_leave(&h->lock);
  return r;
}
