/* Circles among orders: names become numbers, pairs the edges of a graph, which is walked depth first. */
#include <string.h>

#include "base/print.h"
#include "hooks/policy_read.h"

struct edge {
  uint32_t first, second;
  const char *where;
};

struct graph {
  struct ldx_heap *heap;
  uint32_t name_count, edge_count, slot_count;
  const char **names;
  uint32_t *slots; /* hash table of names: number + 1 */
  struct edge *edges;
  uint32_t *starts; /* of each name's edges, once they are sorted */
  uint32_t *stack;  /* edges on the way to where the walk is */
  uint8_t *state;   /* of a name */
  uint32_t *next;   /* of a name: its first edge that was not followed yet */
};

enum { NEW, ON_THE_WAY, DONE };

static bool make_graph(struct graph *g, struct ldx_heap *heap, uint32_t most) {
  *g = (struct graph){.heap = heap, .slot_count = 16};
  while (g->slot_count < 4 * most)
    g->slot_count *= 2;
  size_t names = 2 * (size_t)most + 1;
  g->names = ldx_heap_alloc(heap, names * sizeof *g->names);
  g->slots = ldx_heap_alloc(heap, g->slot_count * sizeof *g->slots);
  g->edges = ldx_heap_alloc(heap, (most + 1) * sizeof *g->edges);
  g->starts = ldx_heap_alloc(heap, (names + 1) * sizeof *g->starts);
  g->stack = ldx_heap_alloc(heap, (most + 1) * sizeof *g->stack);
  g->state = ldx_heap_alloc(heap, names);
  g->next = ldx_heap_alloc(heap, names * sizeof *g->next);
  return g->names && g->slots && g->edges && g->starts && g->stack && g->state && g->next;
}

static void free_graph(struct graph *g) {
  void *parts[] = {g->names, g->slots, g->edges, g->starts, g->stack, g->state, g->next};
  for (size_t i = 0; i < LDX_COUNT(parts); i++)
    ldx_heap_free(g->heap, parts[i]);
}

static uint32_t number_of(struct graph *g, const char *name) {
  uint64_t hash = 14695981039346656037u;
  for (const char *p = name; *p; p++)
    hash = (hash ^ (unsigned char)*p) * 1099511628211u;
  uint32_t mask = g->slot_count - 1, i = (uint32_t)(hash >> 20) & mask;
  for (; g->slots[i]; i = (i + 1) & mask)
    if (!strcmp(g->names[g->slots[i] - 1], name))
      return g->slots[i] - 1;
  g->names[g->name_count] = name;
  return (g->slots[i] = ++g->name_count) - 1;
}

static void add_edge(struct graph *g, const char *first, const char *second, const char *where) {
  uint32_t a = number_of(g, first);
  g->edges[g->edge_count++] = (struct edge){a, number_of(g, second), where};
}

static void add_pairs(struct graph *g, const ldx_policy_pairs *pairs) {
  for (uint32_t i = 0; i < pairs->count; i++)
    add_edge(g, pairs->at[i].first, pairs->at[i].second, pairs->at[i].where);
}

static void add_tool(struct graph *g, const struct ldx_policy_tool *t) {
  for (uint32_t i = 0; i < t->after.count && t->name; i++)
    add_edge(g, t->after.at[i].text, t->name, t->after.at[i].where);
  for (uint32_t i = 0; i < t->before.count && t->name; i++)
    add_edge(g, t->name, t->before.at[i].text, t->before.at[i].where);
}

static void remove_pairs(struct graph *g, const ldx_policy_pairs *pairs) {
  for (uint32_t i = 0; i < pairs->count; i++) {
    uint32_t a = number_of(g, pairs->at[i].first), b = number_of(g, pairs->at[i].second), kept = 0;
    for (uint32_t e = 0; e < g->edge_count; e++)
      if (g->edges[e].first != a || g->edges[e].second != b)
        g->edges[kept++] = g->edges[e];
    g->edge_count = kept;
  }
}

/* Edges of one name lie together afterwards, in the order they were given. False: no memory. */
static bool sort_edges(struct graph *g) {
  struct edge *sorted = ldx_heap_alloc(g->heap, (g->edge_count + 1) * sizeof *sorted);
  if (!sorted)
    return false;
  for (uint32_t e = 0; e < g->edge_count; e++)
    g->starts[g->edges[e].first + 1]++;
  for (uint32_t n = 0; n < g->name_count; n++) {
    g->starts[n + 1] += g->starts[n];
    g->next[n] = g->starts[n];
  }
  for (uint32_t e = 0; e < g->edge_count; e++)
    sorted[g->next[g->edges[e].first]++] = g->edges[e];
  for (uint32_t n = 0; n < g->name_count; n++)
    g->next[n] = g->starts[n];
  ldx_heap_free(g->heap, g->edges);
  g->edges = sorted;
  return true;
}

/* A way from `start` back to a name that is on it: the number of its edges, the last ones on g->stack; 0: none. */
static uint32_t walk(struct graph *g, uint32_t start) {
  uint32_t depth = 0, at = start;
  g->state[at] = ON_THE_WAY;
  for (;;) {
    if (g->next[at] == g->starts[at + 1]) {
      g->state[at] = DONE;
      if (!depth)
        return 0;
      at = g->edges[g->stack[--depth]].first;
      continue;
    }
    uint32_t e = g->next[at]++, to = g->edges[e].second;
    if (g->state[to] == DONE)
      continue;
    g->stack[depth++] = e;
    if (g->state[to] == ON_THE_WAY) {
      uint32_t first = depth;
      while (g->edges[g->stack[--first]].first != to)
        ;
      memmove(g->stack, g->stack + first, (depth - first) * sizeof *g->stack);
      return depth - first;
    }
    at = to;
    g->state[at] = ON_THE_WAY;
  }
}

static void tell_circle(const struct graph *g, const struct ldx_policy_reader *r, const char *what, uint32_t length) {
  enum { SHOWN = 8, NAME = 40 };
  char text[1536];
  size_t n = 0;
  for (uint32_t i = 0; i < length && i < SHOWN && n < sizeof text; i++) {
    const struct edge *e = &g->edges[g->stack[i]];
    n += ldx_format(text + n, sizeof text - n, "%s\"%.*s\" before \"%.*s\" (%s)", i ? ", " : "", NAME,
                    g->names[e->first], NAME, g->names[e->second], e->where);
  }
  if (length > SHOWN && n < sizeof text)
    ldx_format(text + n, sizeof text - n, ", and %u more", length - SHOWN);
  policy_tell(r, g->edges[g->stack[0]].where, "%s go round in a circle: %s", what, text);
}

static bool check_graph(struct graph *g, const struct ldx_policy_reader *r, const char *what) {
  for (uint32_t n = 0; n < g->name_count; n++) {
    uint32_t length = g->state[n] == NEW ? walk(g, n) : 0;
    if (length) {
      tell_circle(g, r, what, length);
      return false;
    }
  }
  return true;
}

static bool no_memory(const struct ldx_policy_reader *r) {
  policy_tell(r, "policy", "cannot allocate memory");
  return false;
}

static bool check_tools(const struct ldx_policy *p, const struct ldx_policy_reader *r) {
  struct graph g;
  uint32_t most = p->order.edges.count + p->order.remove.count;
  for (uint32_t i = 0; i < p->tools.count; i++)
    most += p->tools.at[i].after.count + p->tools.at[i].before.count;
  bool ok = make_graph(&g, r->heap, most);
  if (ok) {
    add_pairs(&g, &p->order.edges);
    for (uint32_t i = 0; i < p->tools.count; i++)
      add_tool(&g, &p->tools.at[i]);
    remove_pairs(&g, &p->order.remove);
    ok = sort_edges(&g);
  }
  ok = ok ? check_graph(&g, r, "orders of tools") : no_memory(r);
  free_graph(&g);
  return ok;
}

static bool check_init(const struct ldx_policy *p, const struct ldx_policy_reader *r) {
  struct graph g;
  bool ok = make_graph(&g, r->heap, p->init_order.count);
  if (ok) {
    add_pairs(&g, &p->init_order);
    ok = sort_edges(&g);
  }
  ok = ok ? check_graph(&g, r, "\"init_order\" pairs") : no_memory(r);
  free_graph(&g);
  return ok;
}

bool policy_check_orders(const struct ldx_policy *p, const struct ldx_policy_reader *r) {
  bool tools = check_tools(p, r);
  return check_init(p, r) && tools;
}
