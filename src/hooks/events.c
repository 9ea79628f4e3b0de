/* Who wants to hear what. */
#include <string.h>

#include "hooks/hooks.h"

#include "base/text.h"

/* In the order of the types, one after the other: a table of pointers would have to be relocated at every start. */
static const char names[] =
    "start\0load_begin\0load_end\0search\0found\0denied\0rewritten\0mapped\0relocated\0bind\0ifunc\0"
    "init\0ready\0fini\0unloaded\0dlopen\0dlopened\0dlsym\0dlclose\0namespace_new\0namespace_gone\0"
    "thread_start\0thread_exit\0tls_module\0tls_module_gone\0tls_block\0tls_block_gone\0fork\0vfork\0"
    "clone\0spawn\0child\0exec\0alloc\0realloc\0free\0symbols\0tool\0tool_conflict\0tool_fault\0io\0"
    "main\0exit\0";

const char *ldx_event_name(uint32_t type) {
  const char *name = names;
  if (!type || type >= LDX_EV_TYPES)
    return NULL;
  while (--type)
    name += strlen(name) + 1;
  return name;
}

uint64_t ldx_hooks_types(const char *pattern, size_t n) {
  uint64_t types = 0;
  for (uint32_t type = 1; type < LDX_EV_TYPES; type++)
    if (ldx_glob(pattern, n, ldx_event_name(type)))
      types |= LDX_EV_BIT(type);
  return types;
}

static struct ldx_subscribers *new_array(struct ldx_hooks *h, uint32_t room) {
  struct ldx_subscribers *a = NULL;
  return ldx_heap_alloc(h->heap, sizeof *a + room * sizeof a->at[0]);
}

static void publish(struct ldx_hooks *h, const struct ldx_subscribers *a) {
  const struct ldx_subscribers *old = h->subscribers;
  __atomic_store_n(&h->subscribers, a, __ATOMIC_SEQ_CST);
  ldx_hooks_retire(h, old);
  ldx_hooks_refresh(h);
}

static uint32_t place_of(const struct ldx_tool_order *order, const struct ldx_tool *t) {
  uint32_t i = 0;
  while (order && i < order->count && order->at[i] != t)
    i++;
  return i;
}

/* Behind the others of its tool, and of those before. */
static void insert(struct ldx_subscribers *a, const struct ldx_tool_order *order, struct ldx_subscription *s) {
  uint32_t at = a->count++, place = place_of(order, s->tool);
  for (; at && place_of(order, a->at[at - 1]->tool) > place; at--)
    a->at[at] = a->at[at - 1];
  a->at[at] = s;
}

struct ldx_subscription *ldx_hooks_subscribe(struct ldx_hooks *h, struct ldx_tool *tool, uint64_t types,
                                             ldx_event_fn *fn, void *ctx, bool replay) {
  struct ldx_subscription *s = ldx_heap_alloc(h->heap, sizeof *s);
  if (!s)
    return NULL;
  *s = (struct ldx_subscription){.types = types, .fn = fn, .ctx = ctx, .tool = tool};
  s->gate = replay ? LDX_REPLAYING : 0;
  ldx_rlock_enter(&h->lock);
  const struct ldx_subscribers *old = h->subscribers;
  struct ldx_subscribers *a = new_array(h, (old ? old->count : 0) + 1);
  if (a) {
    for (; old && a->count < old->count; a->count++)
      a->at[a->count] = old->at[a->count];
    insert(a, h->order, s);
    publish(h, a);
  } else {
    ldx_heap_free(h->heap, s);
  }
  ldx_rlock_leave(&h->lock);
  return a ? s : NULL;
}

void ldx_hooks_sort_subscribers(struct ldx_hooks *h) {
  ldx_rlock_enter(&h->lock);
  const struct ldx_subscribers *old = h->subscribers;
  struct ldx_subscribers *a = old ? new_array(h, old->count) : NULL;
  for (uint32_t i = 0; a && i < old->count; i++)
    insert(a, h->order, old->at[i]);
  if (a)
    publish(h, a);
  ldx_rlock_leave(&h->lock);
}

struct ldx_subscription *ldx_hooks_find_subscription(struct ldx_hooks *h, const struct ldx_tool *tool,
                                                     ldx_event_fn *fn, const void *ctx) {
  const struct ldx_subscribers *a = h->subscribers;
  for (uint32_t i = 0; a && i < a->count; i++)
    if (a->at[i]->tool == tool && a->at[i]->fn == fn && a->at[i]->ctx == ctx && !a->at[i]->gone)
      return a->at[i];
  return NULL;
}

/* Without memory for a shorter array it stays in the old one: it is not called any more all the same. */
static void take_out(struct ldx_hooks *h) {
  const struct ldx_subscribers *old = h->subscribers;
  struct ldx_subscribers *a = old ? new_array(h, old->count) : NULL;
  for (uint32_t i = 0; a && i < old->count; i++)
    if (!old->at[i]->gone)
      a->at[a->count++] = old->at[i];
  if (!a)
    return;
  __atomic_store_n(&h->subscribers, a, __ATOMIC_SEQ_CST);
  for (uint32_t i = 0; i < old->count; i++)
    if (old->at[i]->gone)
      ldx_hooks_retire(h, old->at[i]);
  ldx_hooks_retire(h, old);
}

void ldx_hooks_unsubscribe(struct ldx_hooks *h, struct ldx_subscription *s) {
  ldx_rlock_enter(&h->lock);
  __atomic_store_n(&s->gone, true, __ATOMIC_SEQ_CST);
  take_out(h);
  ldx_hooks_refresh(h);
  ldx_rlock_leave(&h->lock);
}

void ldx_hooks_unsubscribe_all(struct ldx_hooks *h, const struct ldx_tool *tool) {
  bool any = false;
  ldx_rlock_enter(&h->lock);
  for (uint32_t i = 0; h->subscribers && i < h->subscribers->count; i++)
    if (h->subscribers->at[i]->tool == tool) {
      __atomic_store_n(&h->subscribers->at[i]->gone, true, __ATOMIC_SEQ_CST);
      any = true;
    }
  if (any)
    take_out(h);
  ldx_rlock_leave(&h->lock);
}

bool ldx_gate_passes(struct ldx_subscription *s, uint64_t seq) {
  uint64_t g = __atomic_load_n(&s->gate, __ATOMIC_SEQ_CST);
  while (g & LDX_REPLAYING)
    if ((g & ~LDX_REPLAYING) >= seq ||
        __atomic_compare_exchange_n(&s->gate, &g, LDX_REPLAYING | seq, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
      return false;
  return seq >= g;
}

uint64_t ldx_gate_end(const struct ldx_subscription *s, uint64_t told) {
  uint64_t left = __atomic_load_n(&s->gate, __ATOMIC_SEQ_CST) & ~LDX_REPLAYING;
  return left > told ? left : told;
}

bool ldx_gate_open(struct ldx_subscription *s, uint64_t end) {
  uint64_t g = __atomic_load_n(&s->gate, __ATOMIC_SEQ_CST);
  return (g & ~LDX_REPLAYING) <= end &&
         __atomic_compare_exchange_n(&s->gate, &g, end + 1, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}
