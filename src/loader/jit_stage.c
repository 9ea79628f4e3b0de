/* What was bound and unbound since the last publish: one operation for each name and version, found by these. */
#include <errno.h>
#include <ldx/jit.h>
#include <string.h>

#include "arch/x86_64/jump.h"
#include "loader/jit_core.h"

struct operation {
  uint32_t next; /* of its bucket; of free ones */
  uint32_t old;  /* the symbol that programs find; 0: none */
  uint32_t name, hash;
  uint16_t version; /* 0: none */
  bool used, bind;  /* bind: else it goes */
  unsigned char info;
  uintptr_t addr;
  size_t bytes;
  struct ldx_jit_jump *jump; /* for a symbol that has none yet */
};

/* Indices instead of pointers: the array moves when it grows. 0: none. */
struct ldx_jit_stage {
  struct operation *at;
  size_t count, room;
  uint32_t spare, used;
  uint32_t *buckets, bucket_count;
  uint32_t added, removed;   /* symbols */
  uint32_t slots;            /* entries of the symbol table that are needed */
  uintptr_t lowest, highest; /* addresses of staged symbols lie in between */
  struct ldx_jit_change *changes;
  size_t change_count, change_room;
};

enum { FIRST = 64, SMALL = 4096 };

static bool make(struct ldx_jit_stage *s) {
  *s = (struct ldx_jit_stage){.count = 1, .bucket_count = FIRST, .lowest = UINTPTR_MAX};
  s->buckets = ldx_new(FIRST * sizeof *s->buckets);
  return s->buckets && ldx_heap_grow(&ldx_self.heap, (void **)&s->at, &s->room, sizeof *s->at, FIRST);
}

bool ldx_jit_stage_new(struct ldx_jit_object *j) {
  j->symbols->stage = ldx_new(sizeof *j->symbols->stage);
  return j->symbols->stage && make(j->symbols->stage);
}

static void release(struct ldx_jit_stage *s) {
  ldx_delete(s->at);
  ldx_delete(s->buckets);
  ldx_delete(s->changes);
}

void ldx_jit_stage_free(struct ldx_jit_object *j) {
  for (uint32_t i = 1; i < j->symbols->stage->count; i++)
    ldx_delete(j->symbols->stage->at[i].jump);
  release(j->symbols->stage);
  ldx_delete(j->symbols->stage);
}

bool ldx_jit_stage_empty(const struct ldx_jit_object *j) { return !j->symbols->stage->used; }

/* --- operations ------------------------------------------------------------------------------------------ */

static uint32_t *bucket_of(const struct ldx_jit_stage *s, uint32_t hash) {
  return &s->buckets[(hash * 0x9e3779b1u) >> 7 & (s->bucket_count - 1)];
}

static struct operation *find(const struct ldx_jit_object *j, const char *name, uint32_t hash, uint16_t version) {
  const struct ldx_jit_stage *s = j->symbols->stage;
  for (uint32_t i = *bucket_of(s, hash); i; i = s->at[i].next) {
    struct operation *o = &s->at[i];
    if (o->hash == hash && o->version == version && !strcmp(ldx_jit_name(j, o->name), name))
      return o;
  }
  return NULL;
}

static bool grow_buckets(struct ldx_jit_stage *s) {
  uint32_t *fresh = s->used < s->bucket_count ? s->buckets : ldx_new(2ull * s->bucket_count * sizeof *fresh);
  if (!fresh || fresh == s->buckets)
    return fresh;
  ldx_delete(s->buckets);
  s->buckets = fresh;
  s->bucket_count *= 2;
  for (uint32_t i = 1; i < s->count; i++)
    if (s->at[i].used) {
      s->at[i].next = *bucket_of(s, s->at[i].hash);
      *bucket_of(s, s->at[i].hash) = i;
    }
  return true;
}

static struct operation *add(struct ldx_jit_object *j, const struct operation *what) {
  struct ldx_jit_stage *s = j->symbols->stage;
  if (!grow_buckets(s))
    return NULL;
  if (!s->spare && s->count == s->room &&
      !ldx_heap_grow(&ldx_self.heap, (void **)&s->at, &s->room, sizeof *s->at, FIRST))
    return NULL;
  uint32_t i = s->spare ? s->spare : (uint32_t)s->count++;
  struct operation *o = &s->at[i];
  if (i == s->spare)
    s->spare = o->next;
  *o = *what;
  ldx_jit_version_keep(j, o->version);
  o->used = true;
  o->next = *bucket_of(s, o->hash);
  *bucket_of(s, o->hash) = i;
  s->used++;
  s->added += !o->old;
  s->removed += o->old && !o->bind;
  return o;
}

/* As if it had never been. */
static void cancel(struct ldx_jit_object *j, struct operation *o) {
  struct ldx_jit_stage *s = j->symbols->stage;
  uint32_t i = (uint32_t)(o - s->at), *link = bucket_of(s, o->hash);
  while (*link != i)
    link = &s->at[*link].next;
  *link = o->next;
  if (o->jump)
    ldx_jit_jump_free(j, o->jump);
  if (!o->old)
    ldx_jit_name_free(j, o->name);
  ldx_jit_version_drop(j, o->version);
  s->added -= !o->old;
  s->removed -= o->old && !o->bind;
  s->used--;
  *o = (struct operation){.next = s->spare};
  s->spare = i;
}

/* --- binding --------------------------------------------------------------------------------------------- */

/* Where an operation's symbol has its jump; NULL: it has none. */
static struct ldx_jit_jump *jump_of(const struct ldx_jit_object *j, const struct operation *o) {
  return o->jump ? o->jump : o->old ? j->symbols->slots[o->old].jump : NULL;
}

static bool is_full(const struct ldx_jit_symbols *s) {
  return s->alive + s->stage->added - s->stage->removed >= s->limit;
}

static struct operation *add_for(struct ldx_jit_object *j, const char *name, uint32_t hash, uint16_t version,
                                 int *error) {
  struct ldx_jit_symbols *s = j->symbols;
  struct operation what = {.hash = hash, .version = version, .bind = true};
  what.old = ldx_jit_symbol_find(j, name, hash, version);
  if (!what.old && is_full(s)) {
    *error = -ENOSPC;
    return NULL;
  }
  what.name = what.old ? ldx_jit_symbol(j, what.old)->st_name : ldx_jit_name_new(j, name);
  struct operation *o = what.name ? add(j, &what) : NULL;
  if (!o && what.name && !what.old)
    ldx_jit_name_free(j, what.name);
  *error = o ? 0 : -ENOMEM;
  return o;
}

static void note_address(struct ldx_jit_stage *s, uintptr_t addr) {
  s->lowest = addr < s->lowest ? addr : s->lowest;
  s->highest = addr > s->highest ? addr : s->highest;
}

static int bind(struct ldx_jit_object *j, const struct ldx_jit_symbol *sym, uint16_t version) {
  struct ldx_jit_stage *s = j->symbols->stage;
  uint32_t hash = elf_sysv_hash(sym->name);
  struct operation *o = find(j, sym->name, hash, version);
  bool is_new = !o;
  int error = 0;
  if (o && !o->bind && is_full(j->symbols))
    return -ENOSPC;
  if (is_new)
    o = add_for(j, sym->name, hash, version, &error);
  if (!o)
    return error;
  if ((sym->flags & LDX_JIT_FOLLOWS) && !jump_of(j, o) && !(o->jump = ldx_jit_jump_new(j))) {
    if (is_new)
      cancel(j, o);
    return -ENOMEM;
  }
  s->removed -= o->old && !o->bind;
  o->bind = true;
  o->addr = (uintptr_t)sym->addr;
  o->bytes = sym->bytes;
  o->info = ELF64_ST_INFO(sym->flags & LDX_JIT_WEAK ? STB_WEAK : STB_GLOBAL, sym->type);
  note_address(s, o->addr);
  return 0;
}

int ldx_jit_stage_bind(struct ldx_jit_object *j, const struct ldx_jit_symbol *sym) {
  ldx_jit_symbols_settle(j);
  uint16_t version = sym->version ? ldx_jit_version(j, sym->version) : 0;
  if (version)
    ldx_jit_version_keep(j, version);
  else if (sym->version && !(version = ldx_jit_version_new(j, sym->version)))
    return -ENOMEM;
  int r = bind(j, sym, version);
  ldx_jit_version_drop(j, version);
  return r;
}

int ldx_jit_stage_unbind(struct ldx_jit_object *j, const char *name, const char *version) {
  uint32_t hash = elf_sysv_hash(name);
  uint16_t index = version ? ldx_jit_version(j, version) : 0;
  struct operation *o = version && !index ? NULL : find(j, name, hash, index);
  if (o && o->old && o->bind) { /* it is not bound anew */
    if (o->jump)
      ldx_jit_jump_free(j, o->jump);
    o->jump = NULL;
    o->bind = false;
    j->symbols->stage->removed++;
    return 0;
  }
  if (o && !o->old) {
    cancel(j, o);
    return 0;
  }
  uint32_t old = o || (version && !index) ? 0 : ldx_jit_symbol_find(j, name, hash, index);
  if (!old)
    return -ENOENT;
  struct operation what = {
      .old = old, .name = ldx_jit_symbol(j, old)->st_name, .hash = hash, .version = index, .bind = false};
  return add(j, &what) ? 0 : -ENOMEM;
}

bool ldx_jit_stage_uses(const struct ldx_jit_object *j, uintptr_t low, uintptr_t high) {
  const struct ldx_jit_stage *s = j->symbols->stage;
  if (!s->used || s->highest < low || s->lowest >= high)
    return false;
  for (uint32_t i = 1; i < s->count; i++)
    if (s->at[i].used && s->at[i].bind && s->at[i].addr - low < high - low)
      return true;
  return false;
}

/* --- publishing ------------------------------------------------------------------------------------------ */

static bool has_body(const struct ldx_jit_object *j, const struct operation *o) {
  return o->bind && jump_of(j, o) && o->addr - j->low < j->high - j->low;
}

bool ldx_jit_stage_reserve(struct ldx_jit_object *j) {
  struct ldx_jit_stage *s = j->symbols->stage;
  uint32_t more = 0, gone = 0;
  for (uint32_t i = 1; i < s->count; i++) {
    const struct operation *o = &s->at[i];
    more += o->used ? o->bind + has_body(j, o) : 0;
    gone += o->used && o->old ? 2 : 0;
  }
  while (s->change_room < s->used)
    if (!ldx_heap_grow(&ldx_self.heap, (void **)&s->changes, &s->change_room, sizeof *s->changes, FIRST))
      return false;
  return ldx_jit_symbols_reserve(j, more, gone);
}

/* The code of a symbol without a size is that of its block. */
void ldx_jit_stage_prepare(struct ldx_jit_object *j) {
  const struct ldx_jit_stage *s = j->symbols->stage;
  const struct ldx_jit_region *code = &j->regions[LDX_REGION_CODE];
  for (uint32_t i = 1; i < s->count; i++) {
    const struct operation *o = &s->at[i];
    if (!o->used || !o->bind || o->addr - code->at >= code->size)
      continue;
    size_t size = o->bytes ? o->bytes : ldx_jit_block_size(j, o->addr, false);
    ldx_jit_refresh(j, o->addr, o->addr + size);
    ldx_jit_code_changed(o->addr, o->addr + size);
    if (o->jump)
      ldx_jit_refresh(j, o->jump->code, o->jump->code + LDX_JUMP_SIZE);
  }
}

/* With the value 0 a symbol would be taken for an undefined one. */
static uint16_t section_of(const struct ldx_jit_object *j, uintptr_t addr) {
  for (int k = 0; k < LDX_REGIONS && addr != j->low; k++)
    if (addr - j->regions[k].at < j->regions[k].size)
      return (uint16_t)(k + 1);
  return SHN_ABS;
}

static Elf64_Sym entry(const struct ldx_jit_object *j, uint32_t name, unsigned char info, uintptr_t addr,
                       size_t bytes) {
  uint16_t section = section_of(j, addr);
  return (Elf64_Sym){.st_name = name,
                     .st_info = info,
                     .st_shndx = section,
                     .st_value = section == SHN_ABS ? addr : addr - j->low,
                     .st_size = bytes};
}

/* The address that a symbol is known by to those who are told of changes: that of the code. */
static uintptr_t shown_address(const struct ldx_jit_object *j, uint32_t slot) {
  const struct ldx_jit_jump *jump = j->symbols->slots[slot].jump;
  return jump ? jump->target : ldx_symbol_address(j->object, ldx_jit_symbol(j, slot));
}

static void change(struct ldx_jit_object *j, const struct operation *o, uint32_t old, uintptr_t was) {
  struct ldx_jit_stage *s = j->symbols->stage;
  s->changes[s->change_count++] = (struct ldx_jit_change){.what = !o->bind ? LDX_JIT_REMOVED
                                                                  : old    ? LDX_JIT_MOVED
                                                                           : LDX_JIT_ADDED,
                                                          .info = o->bind ? o->info : ldx_jit_symbol(j, old)->st_info,
                                                          .name = ldx_jit_name(j, o->name),
                                                          .value = o->bind ? o->addr : 0,
                                                          .old = was,
                                                          .size = o->bind ? o->bytes : 0};
}

static void drop_body(struct ldx_jit_object *j, struct ldx_jit_jump *jump) {
  if (!jump->body)
    return;
  ldx_jit_address_remove(j, jump->body);
  ldx_jit_slot_retire(j, jump->body, false);
  jump->body = 0;
}

/* The code that a jump leads to has the symbol's name as well, but is not found by it. */
static void lead(struct ldx_jit_object *j, const struct operation *o, struct ldx_jit_jump *jump) {
  bool body = has_body(j, o);
  drop_body(j, jump);
  ldx_jit_jump_lead(j, jump, o->addr);
  if (!body)
    return;
  Elf64_Sym s = entry(j, o->name, o->info, o->addr, o->bytes);
  s.st_other = STV_HIDDEN;
  jump->body = ldx_jit_slot_new(j, &s, o->hash, o->version);
  ldx_jit_address_add(j, jump->body);
}

static void show_bound(struct ldx_jit_object *j, struct operation *o) {
  struct ldx_jit_slot *slots = j->symbols->slots;
  struct ldx_jit_jump *jump = jump_of(j, o);
  Elf64_Sym s = entry(j, o->name, o->info, jump ? jump->code : o->addr, jump ? LDX_JUMP_SIZE : o->bytes);
  uint32_t slot = ldx_jit_slot_new(j, &s, o->hash, o->version);
  if (jump)
    lead(j, o, jump);
  slots[slot].jump = jump;
  slots[o->old].jump = NULL;
  ldx_jit_address_add(j, slot);
  ldx_jit_slot_show(j, slot, o->old);
  if (!o->old)
    return;
  ldx_jit_address_remove(j, o->old);
  ldx_jit_refs_move(j, o->old, slot);
  ldx_jit_refs_write(j, slot);
  ldx_jit_slot_retire(j, o->old, false);
}

static void show_unbound(struct ldx_jit_object *j, const struct operation *o) {
  struct ldx_jit_slot *old = &j->symbols->slots[o->old];
  if (old->jump) {
    drop_body(j, old->jump);
    ldx_jit_jump_idle(j, old->jump);
    old->jump = NULL;
  }
  ldx_jit_slot_hide(j, o->old);
  ldx_jit_address_remove(j, o->old);
  ldx_jit_refs_forget(j, o->old);
  ldx_jit_slot_retire(j, o->old, true);
}

void ldx_jit_stage_show(struct ldx_jit_object *j) {
  struct ldx_jit_stage *s = j->symbols->stage;
  s->change_count = 0;
  for (uint32_t i = 1; i < s->count; i++) {
    struct operation *o = &s->at[i];
    if (!o->used)
      continue;
    change(j, o, o->old, o->old ? shown_address(j, o->old) : 0);
    if (o->bind)
      show_bound(j, o);
    else
      show_unbound(j, o);
    o->jump = NULL;
  }
  ldx_jit_symbols_count(j);
}

void ldx_jit_stage_tell(const struct ldx_jit_object *j, struct ldx_jit_batch *batch) {
  batch->changes = j->symbols->stage->changes;
  batch->count = j->symbols->stage->change_count;
}

/* What a large batch needed is not kept. */
void ldx_jit_stage_end(struct ldx_jit_object *j) {
  struct ldx_jit_stage *s = j->symbols->stage, fresh;
  for (uint32_t i = 1; i < s->count; i++)
    ldx_jit_version_drop(j, s->at[i].version);
  if (s->count > SMALL && make(&fresh)) {
    release(s);
    *s = fresh;
    return;
  }
  if (s->count > SMALL)
    release(&fresh);
  memset(s->buckets, 0, s->bucket_count * sizeof *s->buckets);
  s->count = 1;
  s->spare = s->used = s->added = s->removed = 0;
  s->change_count = 0;
  s->lowest = UINTPTR_MAX;
  s->highest = 0;
}

void ldx_jit_stage_discard(struct ldx_jit_object *j) {
  struct ldx_jit_stage *s = j->symbols->stage;
  for (uint32_t i = 1; i < s->count; i++)
    if (s->at[i].used)
      cancel(j, &s->at[i]);
  ldx_jit_stage_end(j);
}
