#include "search/symbol.h"

#include <string.h>

enum {
  KINDS = 1 << STT_NOTYPE | 1 << STT_OBJECT | 1 << STT_FUNC | 1 << STT_COMMON | 1 << STT_TLS | 1 << STT_GNU_IFUNC
};

/* Not a definition: no value, or undefined where a PLT entry of another object would not do. */
static bool is_definition(const Elf64_Sym *s, uint32_t flags) {
  unsigned type = ELF64_ST_TYPE(s->st_info);
  if (s->st_value == 0 && s->st_shndx != SHN_ABS && type != STT_TLS)
    return false;
  if ((flags & LDX_SYM_PLT) && s->st_shndx == SHN_UNDEF)
    return false;
  return KINDS >> type & 1;
}

/* What an object defines. Pointers: most searches end at the filter, and need no more. */
struct definitions {
  const struct elf_symtab *sym;
  const struct ldx_version *const *versions;
  const uint32_t *version_count;
};

static bool same_version(const struct definitions *d, uint16_t ndx, const struct ldx_version *v) {
  if (ndx >= *d->version_count)
    return false;
  const struct ldx_version *own = &(*d->versions)[ndx];
  return own->hash == v->hash && own->name && (own->name == v->name || !strcmp(own->name, v->name));
}

enum verdict { NO, YES, MAYBE };

/* MAYBE: a versioned definition where none was asked for; it counts when it is the only one. */
static enum verdict version_verdict(const struct definitions *d, uint32_t index, const struct ldx_sym_request *r) {
  const struct elf_symtab *t = d->sym;
  if (!t->versym)
    return YES;
  uint16_t word = elf_versym(t, index), ndx = word & ELF_VERSYM_INDEX;
  const struct ldx_version *v = r->version;
  if (v) {
    if (same_version(d, ndx, v))
      return YES;
    bool has_version = ndx < *d->version_count && (*d->versions)[ndx].hash;
    return v->hidden || has_version || (word & ELF_VERSYM_HIDDEN) ? NO : YES;
  }
  if (ndx < (r->flags & LDX_SYM_NEWEST ? 2 : 3))
    return YES;
  return word & ELF_VERSYM_HIDDEN ? NO : MAYBE;
}

static inline __attribute__((always_inline)) const Elf64_Sym *find_in(struct definitions d,
                                                                      struct ldx_sym_request *r) {
  const struct elf_symtab *t = d.sym;
  const Elf64_Sym *only = NULL;
  unsigned maybes = 0;
  struct elf_walk w;
  for (uint32_t i = elf_find_first(t, &r->name, &w); i; i = elf_find_next(t, &r->name, &w)) {
    const Elf64_Sym *s = &t->sym[i];
    if (!is_definition(s, r->flags))
      continue;
    enum verdict v = version_verdict(&d, i, r);
    if (v == YES)
      return s;
    if (v == MAYBE && maybes++ == 0)
      only = s;
  }
  return maybes == 1 || t->live ? only : NULL; /* chains of a live table begin with the default version */
}

static struct definitions read_definitions(const struct ldx_object *o) {
  return (struct definitions){&o->dyn.sym, (const struct ldx_version *const *)&o->versions, &o->version_count};
}

/* One without a Bloom filter, or whose definitions may change. */
static __attribute__((noinline)) const Elf64_Sym *find_slowly(const struct ldx_object *o, struct ldx_sym_request *r) {
  const struct ldx_tables *t = __atomic_load_n(&o->tables, __ATOMIC_ACQUIRE);
  return find_in(t ? (struct definitions){&t->sym, &t->versions, &t->version_count} : read_definitions(o), r);
}

/* All in one piece: what searches spend their time in. */
__attribute__((flatten)) const Elf64_Sym *ldx_symbol_in(struct ldx_object *o, struct ldx_sym_request *r) {
  return __builtin_expect(!o->dyn.sym.bloom, 0) ? find_slowly(o, r) : find_in(read_definitions(o), r);
}

static struct ldx_unique_entry *unique_slot(struct ldx_unique_table *t, const struct elf_name *name) {
  uint32_t i = name->gnu & (t->size - 1);
  while (t->at[i].name && (t->at[i].hash != name->gnu || strcmp(t->at[i].name, name->text)))
    i = (i + 1) & (t->size - 1);
  return &t->at[i];
}

static bool unique_grow(struct ldx_unique_table *t) {
  if (t->count * 2 < t->size)
    return true;
  struct ldx_unique_table bigger = {.heap = t->heap, .size = t->size ? t->size * 2 : 64};
  bigger.at = ldx_heap_alloc(t->heap, bigger.size * sizeof *bigger.at);
  if (!bigger.at)
    return false;
  for (uint32_t i = 0; i < t->size; i++) {
    if (!t->at[i].name)
      continue;
    struct elf_name n = {.text = t->at[i].name, .gnu = t->at[i].hash};
    *unique_slot(&bigger, &n) = t->at[i];
  }
  struct ldx_unique_entry *old = t->at;
  t->at = bigger.at;
  t->size = bigger.size;
  ldx_heap_free(t->heap, old);
  return true;
}

/* The first binding decides; a COPY relocation makes the program's copy the one definition. */
static void bind_unique(struct ldx_sym_request *r) {
  struct ldx_unique_table *t = r->object->ns->unique;
  ldx_rlock_enter(&t->lock);
  struct ldx_unique_entry *e = t->size ? unique_slot(t, &r->name) : NULL;
  if (e && e->name) {
    if (!(r->flags & LDX_SYM_COPY)) {
      r->sym = e->sym;
      r->object = e->object;
    }
  } else if (unique_grow(t)) {
    e = unique_slot(t, &r->name);
    bool copy = (r->flags & LDX_SYM_COPY) && r->ref;
    e->name = elf_symbol_name(ldx_definitions(r->object), r->sym);
    e->hash = r->name.gnu;
    e->sym = copy ? r->ref : r->sym;
    e->object = copy ? r->from : r->object;
    t->count++;
    r->pinned = !e->object->nodelete && (e->object->dlopened || e->object->pending);
    e->object->nodelete = true;
  }
  ldx_rlock_leave(&t->lock);
}

void ldx_unique_forget(struct ldx_unique_table *t, const struct ldx_object *o) {
  ldx_rlock_enter(&t->lock);
  struct ldx_unique_entry *old = t->at;
  uint32_t size = t->size, hit = 0;
  for (uint32_t i = 0; i < size; i++)
    hit += old[i].name && old[i].object == o;
  struct ldx_unique_table rest = {.size = size};
  rest.at = hit ? ldx_heap_alloc(t->heap, size * sizeof *rest.at) : NULL;
  if (rest.at) {
    for (uint32_t i = 0; i < size; i++) {
      if (!old[i].name || old[i].object == o)
        continue;
      struct elf_name n = {.text = old[i].name, .gnu = old[i].hash};
      *unique_slot(&rest, &n) = old[i];
    }
    t->at = rest.at; /* when it is whole */
    t->count -= hit;
    ldx_heap_free(t->heap, old);
  }
  ldx_rlock_leave(&t->lock);
}

/* A COPY relocation asks for somebody else's definition than the program's. */
static bool passes_over(const struct ldx_object *o, const struct ldx_sym_request *r) {
  if (o->closing && !(r->flags & LDX_SYM_ENDING))
    return true;
  return o->removed || ((r->flags & LDX_SYM_COPY) && o->kind == LDX_PROGRAM);
}

/* True ends the search. A symbol may have moved to another library than the one its version was linked from. */
static bool try_object(struct ldx_object *o, struct ldx_sym_request *r) {
  if (passes_over(o, r))
    return false;
  const Elf64_Sym *s = ldx_symbol_in(o, r);
  unsigned bind = s ? ELF64_ST_BIND(s->st_info) : STB_LOCAL;
  if (s && bind != STB_LOCAL) {
    if (r->sym && bind == STB_WEAK) /* LD_DYNAMIC_WEAK: the first weak one is kept */
      return false;
    r->sym = s;
    r->object = o;
    if (bind == STB_GNU_UNIQUE)
      bind_unique(r);
    return !(bind == STB_WEAK && (r->flags & LDX_SYM_STRONG));
  }
  return false;
}

static bool search_list(const struct ldx_scope_list *list, uint32_t from, struct ldx_sym_request *r) {
  uint32_t hash = r->name.gnu;
  for (uint32_t i = from; i < list->count; i++) {
    const struct ldx_scope_entry *e = &list->at[i];
    if (e->bloom && !elf_bloom_may_have(e->bloom, e->bloom_mask, e->bloom_shift, hash))
      continue;
    if (try_object(e->object, r))
      return true;
  }
  return false;
}

/* The same, told object by object. */
static bool search_told(const struct ldx_scope_list *list, uint32_t from, struct ldx_sym_request *r) {
  for (uint32_t i = from; i < list->count; i++) {
    struct ldx_object *o = list->at[i].object;
    if (!passes_over(o, r))
      r->tried(r, o);
    if (try_object(o, r))
      return true;
  }
  return false;
}

static uint32_t index_of(const struct ldx_scope_list *list, const struct ldx_object *o) {
  uint32_t i = 0;
  while (i < list->count && list->at[i].object != o)
    i++;
  return i;
}

bool ldx_find_symbol(struct ldx_scope_slot *const *scope, struct ldx_sym_request *r) {
  r->sym = NULL;
  r->object = NULL;
  for (; *scope; scope++) {
    const struct ldx_scope_list *list = __atomic_load_n(&(*scope)->list, __ATOMIC_ACQUIRE);
    uint32_t from = 0;
    if (!list)
      continue;
    if (r->skip) {
      from = index_of(list, r->skip);
      from = from < list->count ? from + 1 : 0;
    }
    if (r->tried ? search_told(list, from, r) : search_list(list, from, r))
      break;
  }
  return r->sym;
}

const struct ldx_version *ldx_reference_version(const struct ldx_object *from, uint64_t index) {
  const struct elf_symtab *t = &from->dyn.sym;
  if (!t->versym || !from->versions || index >= t->nversym)
    return NULL;
  uint16_t ndx = t->versym[index] & ELF_VERSYM_INDEX;
  if (ndx >= from->version_count || !from->versions[ndx].hash)
    return NULL;
  return &from->versions[ndx];
}
