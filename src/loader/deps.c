/* The closure of a load: every object that is needed, breadth first (gABI ch. 5 "Shared Object Dependencies"). */
#include <dlfcn.h>

#include "loader/load.h"

/* The breadth-first list while it grows. An object's `visit` is set while it is on the list. */
struct closure {
  struct ldx_load *load;
  struct ldx_object_list list;
};

static bool out_of_memory(struct ldx_load *l) {
  return ldx_fail(l->diag, LDX_DIAG_LOAD, 12, "", "cannot allocate dependency buffer");
}

static bool append(struct closure *c, struct ldx_object *o) {
  if (o->visit)
    return true;
  o->visit = 1;
  return ldx_list_add(&ldx_self.heap, &c->list, o) || out_of_memory(c->load);
}

/* A filtee stands right before the object that names it (DT_FILTER, DT_AUXILIARY). */
static bool insert_before(struct closure *c, uint32_t *at, struct ldx_object *o) {
  if (o->visit)
    return true;
  if (!append(c, o))
    return false;
  for (uint32_t i = c->list.count - 1; i > *at; i--)
    c->list.at[i] = c->list.at[i - 1];
  c->list.at[(*at)++] = o;
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
  if (ldx_self.options.mode != LDX_TRACE || !l->startup || !l->not_found)
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

static bool add_needed(struct closure *c, struct ldx_object *o, uint64_t offset) {
  struct ldx_load *l = c->load;
  struct ldx_object *dep = dependency(l, o, offset);
  if (!dep)
    return tolerate_missing(l, o, offset) && append(c, l->fresh.at[l->fresh.count - 1]);
  return (ldx_list_add(&ldx_self.heap, &o->needed, dep) || out_of_memory(l)) && append(c, dep);
}

static bool add_filtee(struct closure *c, struct ldx_object *o, const Elf64_Dyn *d, uint32_t *at) {
  struct ldx_load *l = c->load;
  if (ldx_tracing(LDX_DEBUG_LIBS))
    ldx_debug("\nload auxiliary object=%s requested by file=%s", elf_string(&o->dyn, d->d_un.d_val),
              ldx_display_name(o));
  struct ldx_object *dep = dependency(l, o, d->d_un.d_val);
  if (!dep) {
    if (d->d_tag != DT_AUXILIARY)
      return false;
    ldx_diag_clear(l->diag); /* optional */
    return true;
  }
  return (ldx_list_add(&ldx_self.heap, &o->needed, dep) || out_of_memory(l)) && insert_before(c, at, dep);
}

static bool read_needed(struct closure *c, struct ldx_object *o, uint32_t *at) {
  o->deps_done = true;
  for (uint32_t i = 0; i < o->dyn.count; i++) {
    const Elf64_Dyn *d = &o->dyn.table[i];
    if (d->d_tag == DT_NEEDED && !add_needed(c, o, d->d_un.d_val))
      return false;
    if ((d->d_tag == DT_FILTER || d->d_tag == DT_AUXILIARY) && !add_filtee(c, o, d, at))
      return false;
  }
  return true;
}

static bool known_needed(struct closure *c, struct ldx_object *o) {
  for (uint32_t i = 0; i < o->needed.count; i++)
    if (!append(c, o->needed.at[i]))
      return false;
  return true;
}

static bool walk(struct closure *c) {
  for (uint32_t i = 0; i < c->list.count; i++) {
    struct ldx_object *o = c->list.at[i];
    if (!(o->deps_done ? known_needed(c, o) : read_needed(c, o, &i)))
      return false;
  }
  return true;
}

bool ldx_load_dependencies(struct ldx_load *l, struct ldx_object *root, struct ldx_object *const *preloads,
                           uint32_t preload_count) {
  struct closure c = {l, {0}};
  bool ok = append(&c, root);
  for (uint32_t i = 0; ok && i < preload_count; i++)
    ok = append(&c, preloads[i]);
  ok = ok && walk(&c);
  for (uint32_t i = 0; i < c.list.count; i++)
    c.list.at[i]->visit = 0;
  if (ok) {
    uint32_t real = 0;
    struct ldx_object **at = ldx_new((c.list.count + 1) * sizeof *at);
    for (uint32_t i = 0; at && i < c.list.count; i++)
      if (!c.list.at[i]->faked)
        at[real++] = c.list.at[i];
    root->searchlist.list = at ? ldx_scope_list_new(&ldx_self.heap, at, real) : NULL;
    ldx_delete(at);
    ok = root->searchlist.list ? true : out_of_memory(l);
  }
  ldx_delete(c.list.at);
  return ok;
}
