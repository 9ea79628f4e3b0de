/* The symbol table of an object made at run time, which is searched without a lock while it changes.
 *
 * An entry is written before it can be found, and never changed while it can: what is bound anew gets another entry,
 * which takes the place of the old one in the hash chain by one store. The old one, and the name of a symbol that is
 * gone, are used again when nobody can be reading them. */
#include <errno.h>
#include <string.h>

#include "base/sys.h"
#include "elf/version.h"
#include "loader/jit_core.h"

/* Sizes of hash tables: names that end in numbers spread badly over powers of two. */
static const uint32_t primes[] = {61,    127,    251,    509,    1021,    2039,    4093,    8191,    16381,   32749,
                                  65521, 131071, 262139, 524287, 1048573, 2097143, 4194301, 8388593, 16777213};

/* --- the hash table -------------------------------------------------------------------------------------- */

/* Number of buckets, of symbols, buckets, chains: as many of these as there are buckets. */
static size_t table_size(uint32_t buckets) { return (2 + 2 * (size_t)buckets) * sizeof(uint32_t); }

static uint32_t *writable(const struct ldx_jit_object *j, const uint32_t *at) {
  return ldx_jit_alias(j, (uintptr_t)at);
}

static uint32_t *bucket_of(const struct ldx_jit_object *j, const uint32_t *table, uint32_t hash) {
  return writable(j, table + 2 + hash % table[0]);
}

static uint32_t *chain_of(const struct ldx_jit_object *j, const uint32_t *table, uint32_t slot) {
  return writable(j, table + 2 + table[0] + slot);
}

/* An empty table behind the others; NULL: no room. */
static const uint32_t *new_table(struct ldx_jit_object *j, uint32_t slots) {
  struct ldx_jit_region *r = &j->regions[LDX_REGION_HASH];
  size_t i = 0;
  while (i < LDX_COUNT(primes) && primes[i] < slots)
    i++;
  if (i == LDX_COUNT(primes) || table_size(primes[i]) > r->size - r->used)
    return NULL;
  const uint32_t *table = (const uint32_t *)(r->at + r->used);
  r->used += table_size(primes[i]);
  writable(j, table)[0] = primes[i];
  return table;
}

/* Shows it to programs, and to those who read the dynamic section. */
static void set_dynamic(struct ldx_jit_object *j, int64_t tag, uint64_t value, bool is_address) {
  Elf64_Dyn *file = ldx_jit_alias(j, j->low + LDX_PAGE), *memory = ldx_jit_dynamic_alias(j);
  for (size_t i = 0; file[i].d_tag != DT_NULL; i++)
    if (file[i].d_tag == tag) {
      __atomic_store_n(&file[i].d_un.d_val, is_address ? value - j->low : value, __ATOMIC_RELEASE);
      __atomic_store_n(&memory[i].d_un.d_val, value, __ATOMIC_RELEASE);
    }
}

/* The dynamic section in memory has addresses only where that of other libraries has; answers with its entry. */
static Elf64_Dyn *add_dynamic(struct ldx_jit_object *j, int64_t tag, uint64_t in_file, uint64_t in_memory) {
  Elf64_Dyn *file = ldx_jit_alias(j, j->low + LDX_PAGE), *memory = ldx_jit_dynamic_alias(j);
  size_t i = 0;
  while (file[i].d_tag != DT_NULL)
    i++;
  file[i].d_un.d_val = in_file;
  memory[i].d_un.d_val = in_memory;
  __atomic_store_n(&file[i].d_tag, tag, __ATOMIC_RELEASE);
  __atomic_store_n(&memory[i].d_tag, tag, __ATOMIC_RELEASE);
  return j->object->dyn.table + i;
}

void ldx_jit_symbols_count(struct ldx_jit_object *j) {
  const struct ldx_jit_symbols *s = j->symbols;
  __atomic_store_n(&writable(j, s->live)[1], s->used, __ATOMIC_RELEASE);
  set_dynamic(j, DT_STRSZ, j->regions[LDX_REGION_STRINGS].used, false);
  j->regions[LDX_REGION_SYMBOLS].used = s->used * sizeof(Elf64_Sym);
  ldx_dlbind_tags(j);
}

/* Everybody who searches from now on does it in a larger table, in which all is that was in the old one. */
static bool grow(struct ldx_jit_object *j, uint32_t slots) {
  struct ldx_jit_symbols *s = j->symbols;
  const uint32_t *table = new_table(j, slots);
  if (!table)
    return false;
  for (uint32_t b = 0; b < s->live[0]; b++)
    for (uint32_t i = s->live[2 + b]; i; i = s->live[2 + s->live[0] + i]) {
      uint32_t *link = bucket_of(j, table, s->slots[i].hash);
      while (*link) /* in the order that they had */
        link = chain_of(j, table, *link);
      *link = i;
    }
  writable(j, table)[1] = s->used;
  __atomic_store_n(&s->live, table, __ATOMIC_RELEASE);
  set_dynamic(j, DT_HASH, (uintptr_t)table, true);
  return true;
}

/* --- names ----------------------------------------------------------------------------------------------- */

/* Free places of like size are a list, which stands in them. Sizes go by eights at first, then they double. */
enum { STEP = 8, STEPS = 31, DOUBLE = 8 /* as a power of two, the first of these */ };

static uint32_t class_of(size_t size) {
  if (size <= STEP * STEPS)
    return (uint32_t)((size + STEP - 1) / STEP);
  uint32_t log = size > 1ul << DOUBLE ? 64 - (uint32_t)__builtin_clzl(size - 1) : DOUBLE;
  return STEPS + 1 + log - DOUBLE;
}

static size_t room_of(uint32_t class) { return class <= STEPS ? class * STEP : 1ul << (class - STEPS - 1 + DOUBLE); }

uint32_t ldx_jit_name_new(struct ldx_jit_object *j, const char *name) {
  struct ldx_jit_region *r = &j->regions[LDX_REGION_STRINGS];
  size_t n = strlen(name) + 1;
  uint32_t class = class_of(n), at;
  if (class >= LDX_JIT_NAME_CLASSES)
    return 0;
  if (j->symbols->names[class]) {
    at = j->symbols->names[class];
    j->symbols->names[class] = *(const uint32_t *)ldx_jit_name(j, at);
  } else if (room_of(class) > r->size - r->used)
    return 0;
  else {
    at = (uint32_t)r->used;
    r->used += room_of(class);
  }
  memcpy(ldx_jit_alias(j, r->at + at), name, n);
  return at;
}

void ldx_jit_name_free(struct ldx_jit_object *j, uint32_t name) {
  const char *text = ldx_jit_name(j, name);
  uint32_t *first = &j->symbols->names[class_of(strlen(text) + 1)];
  *(uint32_t *)ldx_jit_alias(j, (uintptr_t)text) = *first;
  *first = name;
}

/* --- versions -------------------------------------------------------------------------------------------- */

enum { FIRST_VERSION = 2, VERSION_SIZE = sizeof(Elf64_Verdef) + sizeof(Elf64_Verdaux) };

/* The table of definitions stands behind the version words. */
static uintptr_t definitions(const struct ldx_jit_object *j) {
  const struct ldx_jit_region *r = &j->regions[LDX_REGION_VERSIONS];
  return ldx_align_up(r->at + j->symbols->room * sizeof(Elf64_Half), 8);
}

static uint32_t most_versions(const struct ldx_jit_object *j) {
  const struct ldx_jit_region *r = &j->regions[LDX_REGION_VERSIONS];
  return (uint32_t)((r->at + r->size - definitions(j)) / VERSION_SIZE);
}

/* Those of which the first `count` are linked; one without a name is in use no more. */
static void write_definition(struct ldx_jit_object *j, uint16_t index, uint16_t flags, const char *name) {
  char *at = ldx_jit_alias(j, definitions(j) + (index - 1u) * VERSION_SIZE);
  Elf64_Verdef d = {1, flags, index, 1, elf_sysv_hash(name), sizeof d, 0};
  Elf64_Verdaux aux = {*name ? (Elf64_Word)(name - ldx_jit_name(j, 0)) : 0, 0};
  d.vd_next = ((Elf64_Verdef *)at)->vd_next;
  memcpy(at, &d, sizeof d);
  memcpy(at + sizeof d, &aux, sizeof aux);
  if (index > 1)
    ((Elf64_Verdef *)(at - VERSION_SIZE))->vd_next = VERSION_SIZE;
}

/* With the first version the object has version words: up to then no symbol had one. The arrays are made for as many
 * as there can be: readers of a smaller one would have to be waited for. */
static bool begin_versions(struct ldx_jit_object *j) {
  struct elf_symtab *t = &j->object->dyn.sym;
  uintptr_t words = j->regions[LDX_REGION_VERSIONS].at;
  Elf64_Half *to = ldx_jit_alias(j, words);
  size_t most = FIRST_VERSION + most_versions(j);
  struct ldx_version *versions = ldx_new(most * sizeof *versions);
  j->symbols->version_uses = ldx_new(most * sizeof *j->symbols->version_uses);
  if (!versions || !j->symbols->version_uses) {
    ldx_delete(versions);
    ldx_delete(j->symbols->version_uses);
    j->symbols->version_uses = NULL;
    return false;
  }
  __atomic_store_n(&j->object->versions, versions, __ATOMIC_RELEASE);
  __atomic_store_n(&j->object->version_count, FIRST_VERSION, __ATOMIC_RELEASE);
  for (uint32_t i = 1; i < j->symbols->room; i++) /* also of those that come */
    to[i] = VER_NDX_GLOBAL;
  write_definition(j, VER_NDX_GLOBAL, VER_FLG_BASE, j->object->soname);
  t->nversym = j->symbols->room;
  __atomic_store_n(&t->versym, (const Elf64_Half *)words, __ATOMIC_RELEASE);
  Elf64_Dyn **info = j->object->dyn.info;
  info[ELF_DT_VERDEFNUM] = add_dynamic(j, DT_VERDEFNUM, 1, 1);
  info[ELF_DT_VERDEF] = add_dynamic(j, DT_VERDEF, definitions(j) - j->low, definitions(j) - j->low);
  info[ELF_DT_VERSYM] = add_dynamic(j, DT_VERSYM, words - j->low, words);
  return true;
}

static void count_versions(struct ldx_jit_object *j) {
  const uint32_t count = j->object->version_count - 1; /* with the object's own, which has index 1 */
  set_dynamic(j, DT_VERDEFNUM, count, false);
  set_dynamic(j, DT_STRSZ, j->regions[LDX_REGION_STRINGS].used, false);
  j->regions[LDX_REGION_VERSIONS].used = definitions(j) + count * VERSION_SIZE - j->regions[LDX_REGION_VERSIONS].at;
}

uint16_t ldx_jit_version(const struct ldx_jit_object *j, const char *name) {
  const struct ldx_object *o = j->object;
  uint32_t hash = elf_sysv_hash(name);
  for (uint32_t i = FIRST_VERSION; i < o->version_count; i++)
    if (o->versions[i].hash == hash && o->versions[i].name && !strcmp(o->versions[i].name, name))
      return (uint16_t)i;
  return 0;
}

uint16_t ldx_jit_version_new(struct ldx_jit_object *j, const char *name) {
  struct ldx_object *o = j->object;
  uint32_t i = FIRST_VERSION;
  if (!o->dyn.sym.versym && !begin_versions(j))
    return 0;
  while (i < o->version_count && o->versions[i].name)
    i++;
  uint32_t text = i <= most_versions(j) ? ldx_jit_name_new(j, name) : 0;
  if (!text)
    return 0;
  o->versions[i] = (struct ldx_version){.name = ldx_jit_name(j, text), .hash = elf_sysv_hash(name)};
  write_definition(j, (uint16_t)i, 0, o->versions[i].name);
  if (i == o->version_count)
    __atomic_store_n(&o->version_count, i + 1, __ATOMIC_RELEASE);
  count_versions(j);
  j->symbols->version_uses[i] = 1;
  return (uint16_t)i;
}

void ldx_jit_version_keep(struct ldx_jit_object *j, uint16_t version) {
  if (version)
    j->symbols->version_uses[version]++;
}

/* No symbol has it that anybody could be reading. */
void ldx_jit_version_drop(struct ldx_jit_object *j, uint16_t version) {
  if (!version || --j->symbols->version_uses[version])
    return;
  struct ldx_version *v = &j->object->versions[version];
  ldx_jit_name_free(j, (uint32_t)(v->name - ldx_jit_name(j, 0)));
  *v = (struct ldx_version){0};
  write_definition(j, version, 0, "");
}

static void set_version(struct ldx_jit_object *j, uint32_t slot, uint16_t word) {
  Elf64_Half *words = ldx_jit_alias(j, j->regions[LDX_REGION_VERSIONS].at);
  if (j->object->dyn.sym.versym)
    __atomic_store_n(&words[slot], word, __ATOMIC_RELEASE);
}

/* Of the versions of a name the one that was bound last is the default; chains begin with the latest. */
static void settle_default(struct ldx_jit_object *j, uint32_t name, uint32_t hash, uint32_t but) {
  const struct ldx_jit_symbols *s = j->symbols;
  bool first = true;
  for (uint32_t i = *bucket_of(j, s->live, hash); i; i = *chain_of(j, s->live, i)) {
    const struct ldx_jit_slot *o = &s->slots[i];
    if (i == but || !o->version || o->hash != hash ||
        strcmp(ldx_jit_name(j, ldx_jit_symbol(j, i)->st_name), ldx_jit_name(j, name)))
      continue;
    set_version(j, i, first ? o->version : o->version | ELF_VERSYM_HIDDEN);
    first = false;
  }
}

/* --- symbols --------------------------------------------------------------------------------------------- */

int ldx_jit_symbols_new(struct ldx_jit_object *j, uint32_t limit) {
  struct ldx_jit_symbols *s = j->symbols = ldx_new(sizeof *s);
  if (!s)
    return -ENOMEM;
  s->limit = limit;
  s->room = (uint32_t)(j->regions[LDX_REGION_SYMBOLS].size / sizeof(Elf64_Sym));
  s->used = 1;
  s->slots = ldx_jit_sparse_new(s->room * sizeof *s->slots);
  if (!s->slots)
    return -ENOMEM;
  s->live = new_table(j, 1);
  writable(j, s->live)[1] = 1;
  return ldx_jit_addresses_new(j) && ldx_jit_stage_new(j) ? 0 : -ENOMEM;
}

void ldx_jit_symbols_begin(struct ldx_jit_object *j) {
  struct elf_symtab *t = &j->object->dyn.sym;
  t->strsz = j->regions[LDX_REGION_STRINGS].size;
  t->nsym = j->symbols->room;
  t->live = &j->symbols->live;
}

void ldx_jit_symbols_free(struct ldx_jit_object *j) {
  struct ldx_jit_symbols *s = j->symbols;
  if (!s)
    return;
  if (s->stage)
    ldx_jit_stage_free(j);
  ldx_jit_refs_free(j);
  ldx_jit_jumps_free(j);
  ldx_jit_addresses_free(j);
  if (s->slots)
    sys_munmap(s->slots, s->room * sizeof *s->slots);
  ldx_delete(s->retired);
  ldx_delete(s->version_uses);
  ldx_delete(s);
  j->symbols = NULL;
}

uint32_t ldx_jit_symbol_find(const struct ldx_jit_object *j, const char *name, uint32_t hash, uint16_t version) {
  const struct ldx_jit_symbols *s = j->symbols;
  uint32_t i = *bucket_of(j, s->live, hash);
  while (i && (s->slots[i].hash != hash || s->slots[i].version != version ||
               strcmp(ldx_jit_name(j, ldx_jit_symbol(j, i)->st_name), name)))
    i = *chain_of(j, s->live, i);
  return i;
}

bool ldx_jit_symbols_reserve(struct ldx_jit_object *j, uint32_t more, uint32_t gone) {
  struct ldx_jit_symbols *s = j->symbols;
  uint32_t fresh = more > s->free_count ? more - s->free_count : 0;
  if (fresh > s->room - s->used)
    return false;
  while (s->retired_first + s->retired_count + gone > s->retired_room)
    if (s->retired_first) {
      memmove(s->retired, s->retired + s->retired_first, s->retired_count * sizeof *s->retired);
      s->retired_first = 0;
    } else if (!ldx_heap_grow(&ldx_self.heap, (void **)&s->retired, &s->retired_room, sizeof *s->retired, 64))
      return false;
  return s->used + fresh <= s->live[0] || grow(j, s->used + fresh);
}

uint32_t ldx_jit_slot_new(struct ldx_jit_object *j, const Elf64_Sym *content, uint32_t hash, uint16_t version) {
  struct ldx_jit_symbols *s = j->symbols;
  uint32_t i = s->free;
  if (i) {
    s->free = s->slots[i].next;
    s->free_count--;
  } else
    i = s->used++;
  s->slots[i] = (struct ldx_jit_slot){.hash = hash, .version = version};
  ldx_jit_version_keep(j, version);
  Elf64_Sym *to = ldx_jit_alias(j, (uintptr_t)ldx_jit_symbol(j, i));
  to->st_value = content->st_value;
  to->st_size = content->st_size;
  to->st_info = content->st_info;
  to->st_other = content->st_other;
  to->st_shndx = content->st_shndx;
  __atomic_store_n(&to->st_name, content->st_name, __ATOMIC_RELEASE);
  set_version(j, i, version ? version : VER_NDX_GLOBAL);
  return i;
}

void ldx_jit_slot_show(struct ldx_jit_object *j, uint32_t slot, uint32_t old) {
  struct ldx_jit_symbols *s = j->symbols;
  uint32_t *link = bucket_of(j, s->live, s->slots[slot].hash);
  while (old && *link != old)
    link = chain_of(j, s->live, *link);
  *chain_of(j, s->live, slot) = old ? *chain_of(j, s->live, old) : *link;
  __atomic_store_n(link, slot, __ATOMIC_RELEASE);
  s->slots[slot].alive = true;
  s->slots[old].alive = false;
  s->alive += !old;
  if (s->slots[slot].version)
    settle_default(j, ldx_jit_symbol(j, slot)->st_name, s->slots[slot].hash, 0);
}

void ldx_jit_slot_hide(struct ldx_jit_object *j, uint32_t slot) {
  struct ldx_jit_symbols *s = j->symbols;
  if (s->slots[slot].version)
    settle_default(j, ldx_jit_symbol(j, slot)->st_name, s->slots[slot].hash, slot);
  uint32_t *link = bucket_of(j, s->live, s->slots[slot].hash);
  while (*link != slot)
    link = chain_of(j, s->live, *link);
  __atomic_store_n(link, *chain_of(j, s->live, slot), __ATOMIC_RELEASE);
  s->slots[slot].alive = false;
  s->alive--;
}

void ldx_jit_slot_retire(struct ldx_jit_object *j, uint32_t slot, bool named) {
  struct ldx_jit_symbols *s = j->symbols;
  s->retired[s->retired_first + s->retired_count++] =
      (struct ldx_jit_retired){.epoch = UINT64_MAX, .slot = slot, .named = named};
}

static void free_slot(struct ldx_jit_object *j, const struct ldx_jit_retired *r) {
  struct ldx_jit_symbols *s = j->symbols;
  Elf64_Sym *at = ldx_jit_alias(j, (uintptr_t)ldx_jit_symbol(j, r->slot));
  if (r->named)
    ldx_jit_name_free(j, at->st_name);
  ldx_jit_version_drop(j, s->slots[r->slot].version);
  memset(at, 0, sizeof *at);
  s->slots[r->slot] = (struct ldx_jit_slot){.next = s->free};
  s->free = r->slot;
  s->free_count++;
}

void ldx_jit_symbols_settle(struct ldx_jit_object *j) {
  struct ldx_jit_symbols *s = j->symbols;
  if (!s->retired_count)
    return;
  struct ldx_jit_retired *first = s->retired + s->retired_first, *end = first + s->retired_count;
  uint64_t epoch = 0, oldest;
  for (struct ldx_jit_retired *r = end; r > first && r[-1].epoch == UINT64_MAX; r--)
    r[-1].epoch = epoch = epoch ? epoch : ldx_epoch_end();
  oldest = ldx_epoch_oldest();
  for (; first < end && first->epoch <= oldest; first++)
    free_slot(j, first);
  s->retired_count = (size_t)(end - first);
  s->retired_first = s->retired_count ? (size_t)(first - s->retired) : 0;
}
