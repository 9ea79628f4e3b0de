/* .eh_frame of objects made at run time: what is collected, published, and dropped with its code. */
#include "loader/jit_unwind.h"

#include <errno.h>
#include <string.h>

#include "base/sort.h"
#include "ldx/jit.h"

/* An FDE that was collected, in the form of elf/eh_frame.h with a table of its own. */
struct staged {
  uint64_t low, high, order;
  struct ldx_frame_cie *cie;
  char *bytes;
  uint32_t size;
  struct ldx_frame_place place; /* reserved */
};

struct ldx_jit_unwind {
  struct ldx_frame_space space;
  struct ldx_frame_cies cies;
  struct ldx_frame_table table;
  uintptr_t no_frames;      /* a table that is always empty */
  uint32_t root, tombstone; /* a CIE and an FDE that stay: of records and of entries whose code is gone */
  struct staged *staged;
  size_t count, room;
  uint64_t order;
};

static uintptr_t frames_at(const struct ldx_jit_object *j) { return j->regions[LDX_REGION_FRAMES].at; }

/* --- the published ---------------------------------------------------------------------------------------- */

/* The first entry of the table that does not begin below an address. */
static uint32_t entry_from(const struct elf_frame_header *h, uintptr_t at) {
  int64_t start = (int64_t)(at - (uintptr_t)h);
  uint32_t i = elf_find_frame(h->at, h->count, start);
  return i == h->count ? 0 : i + (h->at[i].start < start);
}
static uintptr_t start_of(const struct elf_frame_header *h, uint32_t i) {
  return (uintptr_t)h + (intptr_t)h->at[i].start;
}
static uintptr_t fde_of(const struct elf_frame_header *h, uint32_t i) {
  return (uintptr_t)h + (intptr_t)__atomic_load_n(&h->at[i].fde, __ATOMIC_ACQUIRE);
}
static uint64_t size_of(uintptr_t fde) {
  return __atomic_load_n((const uint64_t *)(fde + ELF_FDE_SIZE), __ATOMIC_ACQUIRE);
}

static bool is_dead(const struct ldx_jit_object *j, const struct elf_frame_header *h, uint32_t i) {
  return fde_of(h, i) == frames_at(j) + j->unwind->tombstone;
}
/* Whether the code of an entry, which begins below an address, reaches beyond it. Code of two entries never overlaps,
 * and no entry begins within the code of another, be it dead: only the nearest one below can do that. */
static bool reaches(const struct ldx_jit_object *j, const struct elf_frame_header *h, uint32_t i, uintptr_t at) {
  return !is_dead(j, h, i) && size_of(fde_of(h, i)) > at - start_of(h, i);
}

static void lead_entry(struct ldx_jit_object *j, uint32_t i, uintptr_t fde) {
  struct elf_frame_header *h = j->unwind->table.now, *alias = ldx_jit_alias(j, (uintptr_t)h);
  __atomic_store_n(&alias->at[i].fde, (int32_t)(fde - (uintptr_t)h), __ATOMIC_RELEASE);
}

/* Nothing leads to the FDE any more. Who still looks at it sees one without code. */
static void bury(struct ldx_jit_object *j, uintptr_t fde) {
  struct ldx_jit_unwind *u = j->unwind;
  uint32_t offset = (uint32_t)(fde - frames_at(j)), *words = ldx_jit_alias(j, fde);
  uint32_t cie = offset + ELF_FDE_CIE - words[1];
  __atomic_store_n((uint64_t *)((char *)words + ELF_FDE_SIZE), 0, __ATOMIC_RELEASE);
  __atomic_store_n(&words[1], offset + ELF_FDE_CIE - u->root, __ATOMIC_RELEASE);
  ldx_frame_retire(&u->space, LDX_FRAME_FDE, offset, words[0] + 4, ldx_epoch_end());
  ldx_cie_release(&u->cies, &u->space, ldx_cie_at(&u->cies, cie));
}

static void kill_entry(struct ldx_jit_object *j, uint32_t i) {
  struct ldx_frame_table *t = &j->unwind->table;
  uintptr_t fde = fde_of(t->now, i);
  if (is_dead(j, t->now, i))
    return;
  lead_entry(j, i, frames_at(j) + j->unwind->tombstone);
  t->dead++;
  bury(j, fde);
}

/* --- what is collected ------------------------------------------------------------------------------------ */

static void unreserve(struct ldx_jit_unwind *u) {
  for (size_t i = 0; i < u->count; i++) {
    ldx_frame_unreserve(&u->space, &u->staged[i].place);
    if (!u->staged[i].cie->written)
      ldx_frame_unreserve(&u->space, &u->staged[i].cie->place);
  }
  ldx_table_unreserve(&u->table);
}

static void forget(struct ldx_jit_unwind *u, const struct staged *s) {
  ldx_cie_release(&u->cies, &u->space, s->cie);
  ldx_delete(s->bytes);
}

static void forget_from(struct ldx_jit_unwind *u, size_t first) {
  while (u->count > first)
    forget(u, &u->staged[--u->count]);
}

static struct ldx_frame_cie *take_cie(struct ldx_jit_unwind *u, const struct elf_cie *cie) {
  struct elf_frame_output out = {0};
  elf_write_cie(&out, cie);
  out = (struct elf_frame_output){ldx_new(out.size), out.size, 0};
  if (!out.at)
    return NULL;
  elf_write_cie(&out, cie);
  struct ldx_frame_cie *c = ldx_cie_take(&u->cies, (char *)out.at, (uint32_t)out.size);
  ldx_delete(out.at);
  return c;
}

static bool add_staged(struct ldx_jit_unwind *u, const struct elf_fde *fde) {
  struct elf_frame_output out = {0};
  if (u->count == u->room && !ldx_heap_grow(&ldx_self.heap, (void **)&u->staged, &u->room, sizeof *u->staged, 4))
    return false;
  elf_write_fde(&out, fde, 0, true);
  struct staged s = {
      .low = fde->start, .high = fde->start + fde->size, .order = ++u->order, .size = (uint32_t)out.size};
  out = (struct elf_frame_output){ldx_new(out.size), out.size, 0};
  s.bytes = (char *)out.at;
  s.cie = s.bytes ? take_cie(u, &fde->cie) : NULL;
  if (!s.cie) {
    ldx_delete(s.bytes);
    return false;
  }
  elf_write_fde(&out, fde, 0, true);
  u->staged[u->count++] = s;
  return true;
}

static int check_frames(const struct ldx_jit_object *j, struct elf_frames f) {
  const struct ldx_jit_region *code = &j->regions[LDX_REGION_CODE];
  struct elf_fde fde;
  enum elf_error e;
  while (elf_next_fde(&f, &fde, &e))
    if (!ldx_range_ok(code->used, fde.start - code->at, fde.size, 1)) {
      if (ldx_tracing(LDX_DEBUG_FILES))
        ldx_debug("%s: unwind information for code outside of it: %lx\n", j->name, (unsigned long)fde.start);
      return -EINVAL;
    }
  if (e && ldx_tracing(LDX_DEBUG_FILES))
    ldx_debug("%s: %s\n", j->name, elf_error_text(e));
  return e ? -EINVAL : 0;
}

int ldx_jit_unwind_stage(struct ldx_jit_object *j, const void *frames, size_t size, uintptr_t where) {
  struct ldx_jit_unwind *u = j->unwind;
  struct elf_frames f = {{frames, size}, where ? where : (uintptr_t)frames, 0};
  struct elf_fde fde;
  enum elf_error e;
  size_t before = u->count;
  int r = check_frames(j, f);
  while (!r && elf_next_fde(&f, &fde, &e))
    if (fde.size && !add_staged(u, &fde))
      r = -ENOMEM;
  if (r)
    forget_from(u, before);
  return r;
}

/* What each function begins with, where its caller's stack pointer and its return address are: both by %rsp. */
static const struct elf_cie *usual_cie(void) {
  static const uint8_t rules[] = {0x0c, 7, 8, 0x90, 1}; /* def_cfa %rsp, 8; offset of the return address: -8 */
  static const struct elf_cie cie = {.code_align = 1,
                                     .data_align = -8,
                                     .return_register = 16,
                                     .lsda = ELF_EH_OMIT,
                                     .sized = true,
                                     .instructions = {{rules, sizeof rules}, 0}};
  return &cie;
}

/* Of [endbr64] push %rbp; mov %rsp,%rbp: bytes up to the mov; 0: it is none. */
static uint32_t prologue(const uint8_t *code, size_t size) {
  static const uint8_t endbr64[] = {0xf3, 0x0f, 0x1e, 0xfa}, movs[2][3] = {{0x48, 0x89, 0xe5}, {0x48, 0x8b, 0xec}};
  uint32_t at = size >= sizeof endbr64 && !memcmp(code, endbr64, sizeof endbr64) ? sizeof endbr64 : 0;
  if (size < at + 4 || code[at] != 0x55 || (memcmp(code + at + 1, movs[0], 3) && memcmp(code + at + 1, movs[1], 3)))
    return 0;
  return at + 1;
}

/* Of leave or pop %rbp; ret [immediate]: bytes of the ret; 0: it is none. */
static uint32_t epilogue(const uint8_t *code, size_t size) {
  if (size >= 2 && code[size - 1] == 0xc3 && (code[size - 2] == 0xc9 || code[size - 2] == 0x5d))
    return 1;
  return size >= 4 && code[size - 3] == 0xc2 && (code[size - 4] == 0xc9 || code[size - 4] == 0x5d) ? 3 : 0;
}

/* Instructions for a function with a frame pointer; how many bytes. 0: the code is not such. */
static size_t frame_pointer_rules(const uint8_t *code, size_t size, uint8_t *out) {
  uint32_t begin = prologue(code, size), end = begin ? epilogue(code, size) : 0;
  if (!end || size < begin + 3 + end || size > UINT32_MAX)
    return 0;
  uint32_t body = (uint32_t)size - end - begin - 3;
  const uint8_t rules[] = {(uint8_t)(0x40 | begin),
                           0x0e,
                           16,
                           0x86,
                           2, /* %rbp is saved */
                           0x43,
                           0x0d,
                           6, /* the frame is found by it */
                           0x04,
                           (uint8_t)body,
                           (uint8_t)(body >> 8),
                           (uint8_t)(body >> 16),
                           (uint8_t)(body >> 24),
                           0x0c,
                           7,
                           8,
                           0xc6}; /* as it was */
  memcpy(out, rules, sizeof rules);
  return sizeof rules;
}

int ldx_jit_unwind_stage_simple(struct ldx_jit_object *j, uintptr_t code, size_t size, int kind) {
  const struct ldx_jit_region *region = &j->regions[LDX_REGION_CODE];
  uint8_t rules[32];
  struct elf_fde fde = {.cie = *usual_cie(), .start = code, .size = size};
  if (!size || !ldx_range_ok(region->used, code - region->at, size, 1) ||
      (kind != LDX_JIT_FRAME_LEAF && kind != LDX_JIT_FRAME_POINTER))
    return -EINVAL;
  if (kind == LDX_JIT_FRAME_POINTER) {
    size_t n = frame_pointer_rules(ldx_jit_alias(j, code), size, rules);
    fde.instructions = (struct elf_cfa){{rules, n}, 0};
    if (!n)
      return -EINVAL;
  }
  return add_staged(j->unwind, &fde) ? 0 : -ENOMEM;
}

/* By address; of those that overlap the newest stays. */
static void sort_staged(struct ldx_jit_unwind *u) {
  size_t kept = 0;
  ldx_sort(u->staged, u->count, sizeof *u->staged, offsetof(struct staged, low));
  for (size_t i = 0; i < u->count; i++) {
    struct staged s = u->staged[i];
    while (kept && u->staged[kept - 1].high > s.low && u->staged[kept - 1].order < s.order)
      forget(u, &u->staged[--kept]);
    if (kept && u->staged[kept - 1].high > s.low)
      forget(u, &s);
    else
      u->staged[kept++] = s;
  }
  u->count = kept;
}

/* --- publishing ------------------------------------------------------------------------------------------- */

static void settle(struct ldx_jit_unwind *u) {
  if (!u->space.retired && u->table.area_count < 2)
    return;
  uint64_t oldest = ldx_epoch_oldest();
  ldx_frame_settle(&u->space, oldest);
  ldx_table_settle(&u->table, oldest);
}

static bool reserve_places(struct ldx_jit_unwind *u) {
  for (size_t i = 0; i < u->count; i++) {
    struct staged *s = &u->staged[i];
    if (!s->cie->place.size && !ldx_frame_reserve(&u->space, LDX_FRAME_CIE, s->cie->size, 0, &s->cie->place))
      return false;
    if (!ldx_frame_reserve(&u->space, LDX_FRAME_FDE, s->size, s->cie->place.offset, &s->place))
      return false;
  }
  return true;
}

/* Whether the table can stay: all is added at its end, or in the place of an entry with the same address. */
static bool table_fits(const struct ldx_jit_unwind *u) {
  const struct ldx_frame_table *t = &u->table;
  const struct elf_frame_header *h = t->now;
  uint32_t added = 0;
  for (size_t k = 0; k < u->count; k++) {
    uint32_t i = entry_from(h, u->staged[k].low);
    if (i == h->count)
      added++;
    else if (start_of(h, i) != u->staged[k].low || (i + 1 < h->count && start_of(h, i + 1) < u->staged[k].high))
      return false;
  }
  return h->count + added <= t->room;
}

int ldx_jit_unwind_reserve(struct ldx_jit_object *j) {
  struct ldx_jit_unwind *u = j->unwind;
  struct ldx_frame_table *t = &u->table;
  if (!u->count)
    return 0;
  unreserve(u);
  settle(u);
  sort_staged(u);
  if (reserve_places(u) && (table_fits(u) || ldx_table_reserve(j, t, t->now->count - t->dead + (uint32_t)u->count)))
    return 0;
  unreserve(u);
  return -ENOMEM;
}

static void write_records(struct ldx_jit_object *j) {
  struct ldx_jit_unwind *u = j->unwind;
  for (size_t i = 0; i < u->count; i++) {
    struct staged *s = &u->staged[i];
    if (!s->cie->written) {
      ldx_frame_write(j, &u->space, &s->cie->place, s->cie->bytes, s->cie->size, 0);
      ldx_cie_written(&u->cies, s->cie);
    }
    uintptr_t fde = frames_at(j) + s->place.offset, where = fde + ELF_FDE_TABLE;
    struct elf_frame_header *own = (struct elf_frame_header *)(s->bytes + ELF_FDE_TABLE);
    elf_init_frame_header(own, where, frames_at(j));
    own->count = 1;
    own->at[0] = (struct elf_frame_entry){(int32_t)(s->low - where), (int32_t)(fde - where)};
    ldx_frame_write(j, &u->space, &s->place, s->bytes, s->size, s->place.offset + ELF_FDE_CIE - s->cie->place.offset);
  }
}

static struct elf_frame_entry entry_of(const struct ldx_jit_object *j, const struct elf_frame_header *h,
                                       const struct staged *s) {
  uintptr_t base = (uintptr_t)h;
  return (struct elf_frame_entry){(int32_t)(s->low - base), (int32_t)(frames_at(j) + s->place.offset - base)};
}

static void change_table(struct ldx_jit_object *j) {
  struct ldx_jit_unwind *u = j->unwind;
  struct ldx_frame_table *t = &u->table;
  struct elf_frame_header *h = t->now, *alias = ldx_jit_alias(j, (uintptr_t)h);
  for (size_t k = 0; k < u->count; k++) {
    const struct staged *s = &u->staged[k];
    uint32_t i = entry_from(h, s->low);
    if (i < h->count) {
      bool dead = is_dead(j, h, i);
      uintptr_t old = fde_of(h, i);
      lead_entry(j, i, frames_at(j) + s->place.offset);
      if (dead)
        t->dead--;
      else
        bury(j, old);
    } else {
      alias->at[i] = entry_of(j, h, s);
      __atomic_store_n(&alias->count, i + 1, __ATOMIC_RELEASE);
    }
    if (i && reaches(j, h, i - 1, s->low))
      kill_entry(j, i - 1);
  }
}

/* Entries of the old table for code that lives on, from *i up to an address; entries are relative to their table. */
static uint32_t copy_entries(struct ldx_jit_object *j, const struct elf_frame_header *old, uint32_t *i, uintptr_t end,
                             uint32_t count) {
  struct elf_frame_header *made = j->unwind->table.made, *alias = ldx_jit_alias(j, (uintptr_t)made);
  const int32_t delta = (int32_t)((uintptr_t)old - (uintptr_t)made),
                tombstone = (int32_t)(frames_at(j) + j->unwind->tombstone - (uintptr_t)old);
  const int64_t limit = (int64_t)(end - (uintptr_t)old);
  for (; *i < old->count && old->at[*i].start < limit; ++*i)
    if (old->at[*i].fde != tombstone)
      alias->at[count++] = (struct elf_frame_entry){old->at[*i].start + delta, old->at[*i].fde + delta};
  return count;
}

static void fill_table(struct ldx_jit_object *j) {
  struct ldx_jit_unwind *u = j->unwind;
  const struct elf_frame_header *old = u->table.now;
  struct elf_frame_header *made = u->table.made, *alias = ldx_jit_alias(j, (uintptr_t)made);
  uint32_t i = 0, count = 0;
  for (size_t k = 0; k < u->count; k++) {
    const struct staged *s = &u->staged[k];
    uint32_t from = i;
    count = copy_entries(j, old, &i, s->low, count);
    if (i > from && reaches(j, old, i - 1, s->low))
      count--;
    alias->at[count++] = entry_of(j, made, s);
    while (i < old->count && start_of(old, i) < s->high)
      i++;
  }
  alias->count = copy_entries(j, old, &i, UINTPTR_MAX / 2, count);
}

/* FDEs that the new table has no entries for: of code that new ones are for. */
static void bury_replaced(struct ldx_jit_object *j, const struct elf_frame_header *old) {
  const struct ldx_jit_unwind *u = j->unwind;
  for (size_t k = 0; k < u->count; k++) {
    const struct staged *s = &u->staged[k];
    uint32_t i = entry_from(old, s->low);
    if (i && reaches(j, old, i - 1, s->low))
      bury(j, fde_of(old, i - 1));
    for (; i < old->count && start_of(old, i) < s->high; i++)
      if (!is_dead(j, old, i))
        bury(j, fde_of(old, i));
  }
}

static void replace_table(struct ldx_jit_object *j) {
  struct ldx_frame_table *t = &j->unwind->table;
  const struct elf_frame_header *old = t->now;
  fill_table(j);
  ldx_table_switch(j, t);
  t->dead = 0;
  bury_replaced(j, old);
  ldx_table_retire(j, t, old, ldx_epoch_end());
}

void ldx_jit_unwind_publish(struct ldx_jit_object *j) {
  struct ldx_jit_unwind *u = j->unwind;
  if (!u->count)
    return;
  write_records(j);
  if (u->table.made)
    replace_table(j);
  else
    change_table(j);
  for (size_t i = 0; i < u->count; i++) {
    ldx_jit_show_frames(j, u->staged[i].low, u->staged[i].high);
    ldx_delete(u->staged[i].bytes);
  }
  u->count = 0;
}

void ldx_jit_unwind_discard(struct ldx_jit_object *j) {
  unreserve(j->unwind);
  forget_from(j->unwind, 0);
}

void ldx_jit_unwind_drop(struct ldx_jit_object *j, uintptr_t low, uintptr_t high) {
  struct ldx_jit_unwind *u = j->unwind;
  const struct elf_frame_header *h = u->table.now;
  uint32_t i = entry_from(h, low);
  if (i && reaches(j, h, i - 1, low))
    kill_entry(j, i - 1);
  for (; i < h->count && start_of(h, i) < high; i++)
    kill_entry(j, i);
  size_t kept = 0;
  unreserve(u);
  for (size_t k = 0; k < u->count; k++)
    if (u->staged[k].low < high && low < u->staged[k].high)
      forget(u, &u->staged[k]);
    else
      u->staged[kept++] = u->staged[k];
  u->count = kept;
}

/* --- asking ----------------------------------------------------------------------------------------------- */

uintptr_t ldx_jit_unwind_header(const struct ldx_jit_object *j) {
  return (uintptr_t)__atomic_load_n(&j->unwind->table.now, __ATOMIC_ACQUIRE);
}

uintptr_t ldx_jit_unwind_table(const struct ldx_jit_object *j, uintptr_t pc) {
  const struct elf_frame_header *h = (const void *)ldx_jit_unwind_header(j);
  uint32_t count = __atomic_load_n(&h->count, __ATOMIC_ACQUIRE),
           i = elf_find_frame(h->at, count, (int64_t)(pc - (uintptr_t)h));
  if (i == count)
    return j->unwind->no_frames;
  uintptr_t fde = fde_of(h, i);
  return pc - start_of(h, i) < size_of(fde) ? fde + ELF_FDE_TABLE : j->unwind->no_frames;
}

/* Writes what is published of code in [low, high). CIEs that the last few FDEs had are not written again. */
static void copy_frames(const struct ldx_jit_object *j, uintptr_t low, uintptr_t high, struct elf_frame_output *out) {
  const struct elf_frame_header *h = j->unwind->table.now;
  struct {
    uintptr_t from;
    uint64_t to;
  } cies[8] = {{0}};
  uint32_t next = 0, k, i = entry_from(h, low);
  i -= i && reaches(j, h, i - 1, low);
  for (; i < h->count && start_of(h, i) < high; i++) {
    if (is_dead(j, h, i))
      continue;
    uintptr_t fde = fde_of(h, i), cie = fde + ELF_FDE_CIE - *(const uint32_t *)(fde + ELF_FDE_CIE);
    for (k = 0; k < LDX_COUNT(cies) && cies[k].from != cie; k++)
      ;
    if (k == LDX_COUNT(cies)) {
      k = next++ % LDX_COUNT(cies);
      cies[k].from = cie;
      cies[k].to = out->size;
      elf_copy_cie(out, (const void *)cie);
    }
    elf_copy_fde(out, (const void *)fde, (const void *)cie, cies[k].to);
  }
}

char *ldx_jit_unwind_copy(const struct ldx_jit_object *j, uintptr_t low, uintptr_t high, size_t *size) {
  enum { TERMINATOR = 4 };
  struct elf_frame_output out = {0};
  *size = 0;
  copy_frames(j, low, high, &out);
  if (!out.size)
    return NULL;
  out = (struct elf_frame_output){ldx_new(out.size + TERMINATOR), out.size, 0};
  if (!out.at)
    return NULL;
  copy_frames(j, low, high, &out);
  *size = out.size + TERMINATOR; /* heap memory is zeroed */
  return (char *)out.at;
}

/* --- begin and end ---------------------------------------------------------------------------------------- */

/* Writes at once, before anybody reads; NULL: no memory. */
static bool write_root(struct ldx_jit_object *j) {
  struct ldx_jit_unwind *u = j->unwind;
  const struct elf_fde none = {.cie = *usual_cie()};
  char bytes[64] = {0};
  struct elf_frame_output out = {(uint8_t *)bytes, sizeof bytes, 0};
  struct ldx_frame_place place;
  struct ldx_frame_cie *cie = take_cie(u, usual_cie());
  if (!cie || !ldx_frame_reserve(&u->space, LDX_FRAME_CIE, cie->size, 0, &cie->place))
    return false;
  ldx_frame_write(j, &u->space, &cie->place, cie->bytes, cie->size, 0);
  ldx_cie_written(&u->cies, cie);
  u->root = cie->place.offset;
  elf_write_fde(&out, &none, 0, false);
  if (!ldx_frame_reserve(&u->space, LDX_FRAME_FDE, (uint32_t)out.size, 0, &place))
    return false;
  ldx_frame_write(j, &u->space, &place, bytes, (uint32_t)out.size, place.offset + ELF_FDE_CIE - u->root);
  u->tombstone = place.offset;
  return true;
}

int ldx_jit_unwind_new(struct ldx_jit_object *j) {
  struct ldx_jit_unwind *u = j->unwind = ldx_new(sizeof *u);
  if (!u)
    return -ENOMEM;
  u->space.size = (uint32_t)j->regions[LDX_REGION_FRAMES].size;
  u->space.retired_end = &u->space.retired;
  ldx_table_begin(j, &u->table);
  u->no_frames = (uintptr_t)u->table.now;
  return write_root(j) ? 0 : -ENOMEM;
}

void ldx_jit_unwind_free(struct ldx_jit_object *j) {
  struct ldx_jit_unwind *u = j->unwind;
  if (!u)
    return;
  ldx_jit_unwind_discard(j);
  ldx_frame_space_free(&u->space);
  ldx_cies_free(&u->cies);
  ldx_delete(u->table.areas);
  ldx_delete(u->staged);
  ldx_retire_block(u);
}
