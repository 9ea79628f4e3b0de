/* The closure of a load: every object that is needed, breadth first (gABI ch. 5 "Shared Object Dependencies"). */
#include <dlfcn.h>
#include <errno.h>

#include "loader/namespaces.h"
#include "loader/plan.h"
#include "loader/steer.h"

/* The breadth-first list while it grows. An object's `visit` tells how far it has come. */
enum { ON_LIST = 1, WALKED, PLACED };

struct closure {
  struct ldx_load *load;
  bool behind_proxies; /* the second pass: a load within this one needs the base objects' marks before */
  bool deep;           /* each dependency brings along what it needs before the next one's turn */
  struct ldx_object_list list;
};

static bool out_of_memory(struct ldx_load *l) {
  return ldx_fail(l->diag, LDX_DIAG_LOAD, ENOMEM, "", "cannot allocate dependency buffer");
}

static bool append(struct closure *c, struct ldx_object *o) {
  if (o->visit)
    return true;
  o->visit = ON_LIST;
  return ldx_list_add(&ldx_self.heap, &c->list, o) || out_of_memory(c->load);
}

static uint32_t place_of(const struct ldx_object_list *l, const struct ldx_object *o) {
  uint32_t i = 0;
  while (i < l->count && l->at[i] != o)
    i++;
  return i;
}

/* Moves entry `from` to the earlier place `to`. */
static void move_up(struct ldx_object_list *l, uint32_t from, uint32_t to) {
  struct ldx_object *o = l->at[from];
  for (uint32_t i = from; i > to; i--)
    l->at[i] = l->at[i - 1];
  l->at[to] = o;
}

/* A filtee stands right before the object that names it (DT_FILTER, DT_AUXILIARY), unless it stands there anyhow; in
 * link order too. */
static bool insert_before(struct closure *c, uint32_t *at, struct ldx_object *filter, struct ldx_object *o) {
  struct ldx_object_list *fresh = &c->load->fresh;
  if (!append(c, o))
    return false;
  uint32_t place = place_of(&c->list, o);
  if (place < *at)
    return true;
  move_up(&c->list, place, (*at)++);
  uint32_t from = place_of(fresh, o), to = place_of(fresh, filter);
  if (from < fresh->count && to < from)
    move_up(fresh, from, to);
  return true;
}

static struct ldx_object *dependency(struct ldx_load *l, struct ldx_object *o, uint64_t offset) {
  const char *name = elf_string(&o->dyn, offset);
  if (!name || !*name) {
    ldx_fail(l->diag, LDX_DIAG_LOAD, 0, ldx_display_name(o), "invalid name of a dependency");
    return NULL;
  }
  char *meant = ldx_expand_needed(&ldx_self.search, o, name, l->diag);
  struct ldx_object *dep = meant ? ldx_load_object(l, meant, o, l->mode) : NULL;
  ldx_delete(meant);
  return dep;
}

/* LD_TRACE_LOADED_OBJECTS goes on when a library is missing, and names it once for each object that wants it. */
static bool tolerate_missing(struct ldx_load *l, struct ldx_object *o, uint64_t offset) {
  if (!ldx_plan_tolerates(l) && (ldx_self.options.mode != LDX_TRACE || !l->startup || !l->not_found))
    return false;
  struct ldx_object *stub =
      ldx_new_object(LDX_LIBRARY, elf_string(&o->dyn, offset) ? elf_string(&o->dyn, offset) : "");
  if (!stub)
    return false;
  stub->faked = true;
  stub->ns = l->ns;
  ldx_diag_clear(l->diag);
  return ldx_list_add(&ldx_self.heap, &l->fresh, stub);
}

static bool descend(struct closure *c, struct ldx_object *o);

static bool add_needed(struct closure *c, struct ldx_object *o, uint64_t offset) {
  struct ldx_load *l = c->load;
  struct ldx_object *dep = dependency(l, o, offset);
  if (!dep)
    return tolerate_missing(l, o, offset) && append(c, l->fresh.at[l->fresh.count - 1]);
  return (ldx_list_add(&ldx_self.heap, &o->needed, dep) || out_of_memory(l)) && append(c, dep) && descend(c, dep);
}

static bool add_filtee(struct closure *c, struct ldx_object *o, const Elf64_Dyn *d, uint32_t *at) {
  struct ldx_load *l = c->load;
  if (ldx_tracing(LDX_DEBUG_LIBS))
    ldx_debug("load auxiliary object=%s requested by file=%s", elf_string(&o->dyn, d->d_un.d_val),
              ldx_display_name(o));
  struct ldx_object *dep = dependency(l, o, d->d_un.d_val);
  if (!dep && tolerate_missing(l, o, d->d_un.d_val))
    return insert_before(c, at, o, l->fresh.at[l->fresh.count - 1]);
  if (!dep) {
    if (d->d_tag != DT_AUXILIARY)
      return false;
    ldx_diag_clear(l->diag); /* optional */
    return true;
  }
  if (!ldx_list_add(&ldx_self.heap, &o->needed, dep) || !ldx_list_add(&ldx_self.heap, &o->filtees, dep))
    return out_of_memory(l);
  return insert_before(c, at, o, dep) && descend(c, dep);
}

static bool read_needed(struct closure *c, struct ldx_object *o, uint32_t *at) {
  o->deps_done = true;
  for (uint32_t i = 0; i < o->dyn.count; i++) {
    const Elf64_Dyn *d = &o->dyn.table[i];
    if (d->d_tag == DT_NEEDED && !add_needed(c, o, d->d_un.d_val))
      return false;
    if (d->d_tag != DT_FILTER && d->d_tag != DT_AUXILIARY)
      continue;
    if (c->deep) /* what came in before it may have moved it */
      *at = place_of(&c->list, o);
    if (!add_filtee(c, o, d, at))
      return false;
  }
  return true;
}

/* Behind a proxy the search goes on in the base namespace. */
static bool known_needed(struct closure *c, struct ldx_object *proxy, uint32_t *at) {
  struct ldx_object *o = ldx_real(proxy);
  for (uint32_t i = 0; i < o->needed.count; i++) {
    struct ldx_object *dep = o->needed.at[i];
    if (c->deep)
      *at = place_of(&c->list, o);
    if (!(ldx_list_has(&o->filtees, dep) ? insert_before(c, at, o, dep) : append(c, dep)) || !descend(c, dep))
      return false;
  }
  return true;
}

static bool visit(struct closure *c, struct ldx_object *o, uint32_t *at) {
  if (o->visit == WALKED || (o->real && !c->behind_proxies))
    return true;
  o->visit = WALKED;
  return o->faked || (o->deps_done ? known_needed(c, o, at) : read_needed(c, o, at));
}

static bool descend(struct closure *c, struct ldx_object *o) {
  uint32_t at = 0;
  return !c->deep || visit(c, o, &at);
}

/* Filtees come to stand where their filter stood: the walk goes on with them. */
static bool walk(struct closure *c) {
  for (uint32_t i = 0; i < c->list.count;) {
    struct ldx_object *o = c->list.at[i];
    uint32_t at = i;
    if (!visit(c, o, &at))
      return false;
    if (at == i || c->deep)
      i++;
  }
  return true;
}

static struct ldx_scope_list *search_list(const struct ldx_object_list *all) {
  struct ldx_object **at = ldx_new((all->count + 1) * sizeof *at);
  uint32_t n = 0;
  for (uint32_t i = 0; at && i < all->count; i++) {
    struct ldx_object *o = ldx_real(all->at[i]); /* it may be there as itself, too */
    if (!o->faked && o->visit != PLACED)
      at[n++] = o;
    o->visit = PLACED;
  }
  struct ldx_scope_list *s = at ? ldx_scope_list_new(&ldx_self.heap, at, n) : NULL;
  ldx_delete(at);
  return s;
}

bool ldx_load_dependencies(struct ldx_load *l, struct ldx_object *root, struct ldx_object *const *preloads,
                           uint32_t preload_count) {
  if (root->real)
    return ldx_root_proxy(l);
  struct closure c = {.load = l, .deep = ldx_self.search.depth_first};
  bool ok = append(&c, root);
  for (uint32_t i = 0; ok && i < preload_count; i++)
    ok = append(&c, preloads[i]);
  ok = ok && walk(&c);
  c.behind_proxies = true;
  c.deep = false;
  ok = ok && walk(&c);
  if (ok && ldx_self.hooks.steered)
    ok = ldx_steer_scope(l, c.list.at, c.list.count);
  if (ok)
    ok = (root->searchlist.list = search_list(&c.list)) || out_of_memory(l);
  for (uint32_t i = 0; i < c.list.count; i++)
    c.list.at[i]->visit = ldx_real(c.list.at[i])->visit = 0;
  ldx_delete(c.list.at);
  return ok;
}

bool ldx_discover_root(struct ldx_load *l) { return ldx_load_dependencies(l, l->root, NULL, 0); }
