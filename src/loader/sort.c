/* Stage "order": dependency order, the same as the system loader's (depth first, reverse postorder), so that
 * constructors and destructors run in the order programs were tested with. */
#include "loader/load.h"

struct order {
  struct ldx_object **head;      /* filled from the end */
  const struct ldx_object *root; /* of a load; NULL at the end of objects */
  bool use_reldeps, saw_reldeps;
};

/* A root that is new has no list yet when it is met again in a circle. */
static const struct ldx_object_list *dependencies(const struct order *r, const struct ldx_object *o) {
  static const struct ldx_object_list none;
  if (o == r->root && o->pending && !o->init_order.count)
    return &none;
  return o->init_order.count ? &o->init_order : &o->needed;
}

static bool is_main(const struct ldx_object *o) { return o->kind == LDX_PROGRAM; }

/* visit: 1 to be placed, 0 placed or not concerned. */
static void place(struct order *r, struct ldx_object *o) {
  if (!o->visit)
    return;
  o->visit = 0;
  const struct ldx_object_list *d = dependencies(r, o);
  for (uint32_t i = 0; i < d->count; i++)
    if (!is_main(d->at[i]))
      place(r, d->at[i]);
  if (r->use_reldeps && o->reldeps.count) {
    r->saw_reldeps = true;
    for (uint32_t i = o->reldeps.count; i-- > 0;)
      if (!is_main(o->reldeps.at[i]))
        place(r, o->reldeps.at[i]);
  }
  *--r->head = o;
}

static void mark(struct ldx_object *const *objects, uint32_t count) {
  for (uint32_t i = 0; i < count; i++)
    objects[i]->visit = 1;
}

static void place_all(struct order *r, struct ldx_object *const *from, uint32_t count) {
  mark(from, count);
  for (uint32_t i = count; i-- > 0;)
    place(r, from[i]);
}

bool ldx_sort_objects(struct ldx_object **objects, uint32_t count, bool keep_first, bool for_fini) {
  if (count < 2)
    return true;
  struct ldx_object **out = ldx_new(count * sizeof *out), *first = objects[0];
  if (!out)
    return false;
  const struct ldx_object *root = keep_first && !for_fini ? first : NULL;
  struct order r = {out + count, root, for_fini, false};
  place_all(&r, objects, count);
  if (r.saw_reldeps) { /* dependencies count more than what was bound at run time */
    struct order second = {objects + count, root, false, false};
    place_all(&second, out, count);
  } else {
    for (uint32_t i = 0; i < count; i++)
      objects[i] = out[i];
  }
  ldx_delete(out);
  if (!keep_first || objects[0] == first)
    return true;
  uint32_t i = 0;
  while (objects[i] != first)
    i++;
  for (; i > 0; i--)
    objects[i] = objects[i - 1];
  objects[0] = first;
  return true;
}
