#include "namespace/object.h"

#include <string.h>

bool ldx_object_has_name(const struct ldx_object *o, const char *name) {
  if (o->map.l_name && !strcmp(o->map.l_name, name))
    return true;
  for (const struct ldx_name *n = o->names; n; n = n->next)
    if (!strcmp(n->text, name))
      return true;
  return false;
}

bool ldx_object_add_name(struct ldx_heap *h, struct ldx_object *o, const char *name) {
  for (const struct ldx_name *n = o->names; n; n = n->next)
    if (!strcmp(n->text, name))
      return true;
  size_t len = strlen(name) + 1;
  struct ldx_name *n = ldx_heap_alloc(h, sizeof *n + len);
  if (!n)
    return false;
  memcpy(n->text, name, len);
  n->next = o->names;
  __atomic_store_n(&o->names, n, __ATOMIC_RELEASE);
  return true;
}

bool ldx_list_add(struct ldx_heap *h, struct ldx_object_list *l, struct ldx_object *o) {
  if (l->count == l->room && !ldx_heap_grow(h, (void **)&l->at, &l->room, sizeof *l->at, 8))
    return false;
  l->at[l->count] = o;
  __atomic_store_n(&l->count, l->count + 1, __ATOMIC_RELEASE); /* some are read without the lock */
  return true;
}

bool ldx_list_has(const struct ldx_object_list *l, const struct ldx_object *o) {
  for (uint32_t i = 0; i < l->count; i++)
    if (l->at[i] == o)
      return true;
  return false;
}

struct ldx_scope_list *ldx_scope_list_new(struct ldx_heap *h, struct ldx_object *const *objects, uint32_t count) {
  struct ldx_scope_list *s = ldx_heap_alloc(h, sizeof *s + count * sizeof s->at[0]);
  if (!s)
    return NULL;
  s->count = count;
  for (uint32_t i = 0; i < count; i++) {
    const struct elf_symtab *t = &objects[i]->dyn.sym;
    s->at[i] = (struct ldx_scope_entry){t->bloom, t->bloom_mask, t->bloom_shift, objects[i]};
  }
  return s;
}

static void set_next(struct ldx_object *o, struct ldx_object *next) {
  __atomic_store_n(&o->map.l_next, next, __ATOMIC_RELEASE);
}

/* What leads to the first real object. */
static void set_first_real(struct ldx_namespace *ns, struct ldx_object *o) {
  ns->first_real = o;
  if (o)
    o->map.l_prev = NULL;
  if (ns->last_proxy)
    set_next(ns->last_proxy, o);
  else
    __atomic_store_n(&ns->first, o, __ATOMIC_RELEASE);
}

static void append_proxy(struct ldx_namespace *ns, struct ldx_object *o) {
  o->map.l_prev = ns->last_proxy;
  o->map.l_next = ns->first_real;
  if (ns->last_proxy)
    set_next(ns->last_proxy, o);
  else
    __atomic_store_n(&ns->first, o, __ATOMIC_RELEASE);
  ns->last_proxy = o;
}

static void append_real(struct ldx_namespace *ns, struct ldx_object *o) {
  o->map.l_prev = ns->last;
  o->map.l_next = NULL;
  if (ns->last)
    set_next(ns->last, o);
  else
    set_first_real(ns, o);
  ns->last = o;
}

void ldx_namespace_append(struct ldx_namespace *ns, struct ldx_object *o) {
  o->ns = ns;
  o->real ? append_proxy(ns, o) : append_real(ns, o);
  ns->count++;
}

void ldx_namespace_unlink(struct ldx_namespace *ns, struct ldx_object *o) {
  struct ldx_object *prev = o->map.l_prev, *next = o->map.l_next;
  ns->count--;
  if (o == ns->last)
    ns->last = prev;
  if (o == ns->last_proxy)
    ns->last_proxy = prev;
  else if (next)
    next->map.l_prev = prev;
  if (o == ns->first_real)
    set_first_real(ns, next);
  else if (prev)
    set_next(prev, next);
  else
    __atomic_store_n(&ns->first, next, __ATOMIC_RELEASE);
}

uintptr_t ldx_address_of(const struct ldx_object *o, const char *name) {
  struct elf_name n = elf_name(name);
  struct elf_walk w;
  const struct elf_symtab *t = ldx_definitions(o);
  uint32_t i = elf_find_first(t, &n, &w);
  const Elf64_Sym *s = &t->sym[i];
  return i && s->st_shndx != SHN_UNDEF ? ldx_symbol_address(o, s) : 0;
}

bool ldx_object_holds(const struct ldx_object *o, uintptr_t addr) {
  if (addr < o->map_start || addr >= o->map_end)
    return false;
  for (uint32_t i = 0; i < o->image.segment_count; i++) {
    const struct elf_segment *s = &o->image.segments[i];
    if (addr - o->map.l_addr - s->vaddr < s->memsz)
      return true;
  }
  return false;
}

static void free_names(struct ldx_heap *h, struct ldx_name *n) {
  while (n) {
    struct ldx_name *next = n->next;
    ldx_heap_free(h, n);
    n = next;
  }
}

/* Each TLS descriptor's argument is followed by the address of the one before. */
static void free_descriptors(struct ldx_heap *h, void *p) {
  while (p) {
    void *next = *(void **)((char *)p + LDX_TLSDESC_SIZE);
    ldx_heap_free(h, p);
    p = next;
  }
}

void ldx_object_free(struct ldx_heap *h, struct ldx_object *o) {
  free_descriptors(h, o->tls.descriptors);
  free_names(h, o->names);
  ldx_heap_free(h, o->map.l_name);
  ldx_heap_free(h, o->origin);
  if (!o->real)
    ldx_heap_free(h, o->image.segments);
  ldx_heap_free(h, o->own_phdrs);
  if (o->tables && o->tables->versions != o->versions)
    ldx_heap_free(h, (void *)o->tables->versions);
  ldx_heap_free(h, (void *)o->tables);
  ldx_heap_free(h, o->versions);
  ldx_heap_free(h, o->searchlist.list);
  ldx_heap_free(h, o->self.list);
  ldx_heap_free(h, o->scope);
  ldx_heap_free(h, o->needed.at);
  ldx_heap_free(h, o->filtees.at);
  ldx_heap_free(h, o->init_order.at);
  ldx_heap_free(h, o->reldeps.at);
  ldx_heap_free(h, o);
}
