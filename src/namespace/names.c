#include "namespace/names.h"

enum { FIRST_SIZE = 64, GONE = 1 };

/* An entry that was: searches go on behind it. */
static struct ldx_object *gone(void) { return (struct ldx_object *)(uintptr_t)GONE; }

uint32_t ldx_hash_name(const char *name) { return elf_name(name).gnu; }

static uint32_t mix(uint64_t v) { return (uint32_t)((v * 0x9e3779b97f4a7c15u) >> 32); }
uint32_t ldx_hash_file(dev_t dev, ino_t ino) { return mix(dev * 31 + ino); }
uint32_t ldx_hash_object(const struct ldx_object *o) { return mix((uintptr_t)o); }

/* Everything an object can be found by. */
struct keys {
  const struct ldx_object *object;
  const struct ldx_name *name; /* the next one */
  unsigned step;
};

static bool next_key(struct keys *k, uint32_t *hash) {
  const struct ldx_object *o = k->object;
  switch (k->step++) {
  case 0:
    k->name = o->names;
    *hash = ldx_hash_object(o);
    return true;
  case 1:
    *hash = ldx_hash_file(o->dev, o->ino);
    return true;
  case 2:
    *hash = ldx_hash_name(o->map.l_name ? o->map.l_name : "");
    return true;
  case 3:
    *hash = ldx_hash_name(o->soname ? o->soname : "");
    return true;
  default:
    if (!k->name)
      return false;
    *hash = ldx_hash_name(k->name->text);
    k->name = k->name->next;
    return true;
  }
}

static void put(struct ldx_names *t, uint32_t hash, struct ldx_object *o) {
  uint32_t i = hash & (t->size - 1);
  while (t->at[i].object)
    i = (i + 1) & (t->size - 1);
  t->at[i] = (struct ldx_names_entry){hash, o};
  t->used++;
  o->name_entries++;
}

static void put_all(struct ldx_names *t, struct ldx_object *o) {
  struct keys k = {.object = o};
  for (uint32_t hash; next_key(&k, &hash);)
    put(t, hash, o);
}

static uint32_t count_keys(const struct ldx_object *o) {
  struct keys k = {.object = o};
  uint32_t n = 0;
  for (uint32_t hash; next_key(&k, &hash);)
    n++;
  return n;
}

/* Anew, from the list, with room for as much again. */
static bool rebuild(struct ldx_namespace *ns, struct ldx_heap *h) {
  struct ldx_names fresh = {.size = FIRST_SIZE};
  uint32_t wanted = 0;
  for (const struct ldx_object *o = ns->first; o; o = o->map.l_next)
    wanted += count_keys(o);
  while (fresh.size < wanted * 4)
    fresh.size *= 2;
  fresh.at = ldx_heap_alloc(h, fresh.size * sizeof *fresh.at);
  for (struct ldx_object *o = ns->first; o && fresh.at; o = o->map.l_next) {
    o->name_entries = 0;
    put_all(&fresh, o);
  }
  ldx_heap_free(h, ns->names.at);
  ns->names = fresh;
  return fresh.at;
}

bool ldx_names_ready(struct ldx_namespace *ns, struct ldx_heap *h) { return ns->names.at || rebuild(ns, h); }

struct ldx_object *ldx_names_next(struct ldx_names_walk *w) {
  const struct ldx_names_entry *e;
  while ((e = &w->table->at[w->at])->object) {
    w->at = (w->at + 1) & (w->table->size - 1);
    if (e->hash == w->hash && e->object != gone())
      return e->object;
  }
  return NULL;
}

static bool has_room(const struct ldx_names *t, uint32_t more) { return (t->used + more) * 2 <= t->size; }

void ldx_names_add(struct ldx_namespace *ns, struct ldx_heap *h, struct ldx_object *o) {
  if (!ns->names.at)
    return;
  if (has_room(&ns->names, count_keys(o)))
    put_all(&ns->names, o);
  else
    rebuild(ns, h); /* it is on the list already */
}

void ldx_names_add_name(struct ldx_namespace *ns, struct ldx_heap *h, struct ldx_object *o, const char *name) {
  if (!ns->names.at)
    return;
  if (has_room(&ns->names, 1))
    put(&ns->names, ldx_hash_name(name), o);
  else
    rebuild(ns, h);
}

/* A program may have written into a link map's name: what is not found any more is given up with all the table. */
void ldx_names_remove(struct ldx_namespace *ns, struct ldx_heap *h, struct ldx_object *o) {
  struct ldx_names *t = &ns->names;
  struct keys k = {.object = o};
  if (!t->at)
    return;
  for (uint32_t hash; next_key(&k, &hash);)
    for (uint32_t i = hash & (t->size - 1); t->at[i].object; i = (i + 1) & (t->size - 1))
      if (t->at[i].object == o) {
        t->at[i].object = gone();
        o->name_entries--;
      }
  if (o->name_entries) {
    ldx_heap_free(h, t->at);
    *t = (struct ldx_names){0};
  }
}
