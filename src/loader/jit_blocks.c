/* Blocks of code, data and read-only data of objects made at run time. What is known of a block stands outside the
 * object's memory: its place, its neighbours, and a list of free blocks of about its size; all of it is found in the
 * same time, however many there are. */
#include <string.h>
#include <sys/mman.h>

#include "arch/x86_64/jump.h"
#include "loader/jit_core.h"

enum { UNIT = 16, BIN_COUNT = 128, LARGE = 64 * 1024 };

/* Indices instead of pointers: the array moves when it grows. 0: none. */
struct block {
  uint32_t at, size;      /* in units */
  uint32_t before, after; /* the blocks beside it */
  uint32_t next, last;    /* free: of its bin; in use: next of its bucket */
  bool used, inner;
};

struct space {
  uint32_t bins[BIN_COUNT];
  uint64_t filled[BIN_COUNT / 64]; /* bins that are not empty */
  uint32_t top;                    /* the block that ends where nothing was ever given away */
};

struct ldx_jit_blocks {
  struct block *at;
  size_t count, room;
  uint32_t spare;    /* blocks that are none any more */
  uint32_t *buckets; /* blocks in use, by address */
  uint32_t bucket_count, used;
  struct space spaces[LDX_REGIONS - LDX_REGION_RODATA];
};

struct ldx_jit_blocks *ldx_jit_blocks_new(void) {
  enum { FIRST = 256 };
  struct ldx_jit_blocks *b = ldx_new(sizeof *b);
  if (!b)
    return NULL;
  b->buckets = ldx_new(FIRST * sizeof *b->buckets);
  b->bucket_count = FIRST;
  if (b->buckets && ldx_heap_grow(&ldx_self.heap, (void **)&b->at, &b->room, sizeof *b->at, FIRST)) {
    b->count = 1;
    return b;
  }
  ldx_jit_blocks_free(b);
  return NULL;
}

void ldx_jit_blocks_free(struct ldx_jit_blocks *b) {
  if (!b)
    return;
  ldx_delete(b->at);
  ldx_delete(b->buckets);
  ldx_delete(b);
}

static struct space *space_of(struct ldx_jit_blocks *b, enum ldx_jit_region_kind kind) {
  return &b->spaces[kind - LDX_REGION_RODATA];
}

/* --- blocks in use, by address --------------------------------------------------------------------------- */

/* Kind and place in one word. */
static uint32_t *bucket_of(const struct ldx_jit_blocks *b, enum ldx_jit_region_kind kind, uint32_t at) {
  uint64_t hash = ((uint64_t)kind << 32 | at) * 0x9e3779b97f4a7c15;
  return &b->buckets[(hash >> 32) & (b->bucket_count - 1)];
}

/* Blocks do not say of what kind they are: those of one kind do not lie where another's do. */
static void enter(struct ldx_jit_blocks *b, uint32_t *bucket, uint32_t i) {
  b->at[i].next = *bucket;
  *bucket = i;
}

static bool grow_buckets(struct ldx_jit_blocks *b) {
  uint32_t old_count = b->bucket_count, *old = b->buckets, *fresh;
  if (b->used < old_count)
    return true;
  fresh = ldx_new(2ull * old_count * sizeof *fresh);
  if (!fresh)
    return false;
  b->buckets = fresh;
  b->bucket_count = 2 * old_count;
  for (uint32_t k = 0; k < old_count; k++)
    for (uint32_t i = old[k], next; i; i = next) {
      next = b->at[i].next;
      enter(b, bucket_of(b, b->at[i].last, b->at[i].at), i); /* last: the kind, in blocks in use */
    }
  ldx_delete(old);
  return true;
}

static uint32_t find(const struct ldx_jit_blocks *b, enum ldx_jit_region_kind kind, uint32_t at) {
  uint32_t i = *bucket_of(b, kind, at);
  while (i && (b->at[i].at != at || b->at[i].last != kind))
    i = b->at[i].next;
  return i;
}

static void leave(struct ldx_jit_blocks *b, enum ldx_jit_region_kind kind, uint32_t i) {
  uint32_t *link = bucket_of(b, kind, b->at[i].at);
  while (*link != i)
    link = &b->at[*link].next;
  *link = b->at[i].next;
  b->used--;
}

/* --- free blocks, by size -------------------------------------------------------------------------------- */

/* Four bins for every doubling. */
static uint32_t bin_of(uint32_t size) {
  uint32_t log = 31 - (uint32_t)__builtin_clz(size);
  return log < 2 ? size : 4 * log + (size >> (log - 2) & 3) - 4;
}

static void put_free(struct ldx_jit_blocks *b, struct space *s, uint32_t i) {
  uint32_t bin = bin_of(b->at[i].size), first = s->bins[bin];
  b->at[i].used = false;
  b->at[i].next = first;
  b->at[i].last = 0;
  b->at[first].last = i; /* of none: nobody reads it */
  s->bins[bin] = i;
  s->filled[bin / 64] |= 1ull << (bin % 64);
}

static void take_free(struct ldx_jit_blocks *b, struct space *s, uint32_t i) {
  uint32_t bin = bin_of(b->at[i].size), next = b->at[i].next, last = b->at[i].last;
  if (last)
    b->at[last].next = next;
  else
    s->bins[bin] = next;
  b->at[next].last = last;
  if (!s->bins[bin])
    s->filled[bin / 64] &= ~(1ull << (bin % 64));
}

/* The first bin from that one on which is not empty; 0: all are. */
static uint32_t filled_bin(const struct space *s, uint32_t bin) {
  for (uint32_t word = bin / 64; word < LDX_COUNT(s->filled); word++) {
    uint64_t bits = s->filled[word];
    if (word == bin / 64)
      bits &= ~0ull << (bin % 64);
    if (bits)
      return word * 64 + (uint32_t)__builtin_ctzll(bits);
  }
  return 0;
}

/* Units before a place that is aligned. */
static uint32_t padding(const struct block *f, uint32_t align) { return -f->at & (align - 1); }

static bool fits(const struct block *f, uint32_t size, uint32_t align) {
  uint64_t pad = padding(f, align);
  return pad + size <= f->size;
}

/* One of the latest of its own bin, or any of a bin in which every block is large enough. */
static uint32_t find_free(const struct ldx_jit_blocks *b, const struct space *s, uint32_t size, uint32_t align) {
  enum { LATEST = 16 };
  uint32_t bin = bin_of(size), tries = LATEST;
  for (uint32_t i = s->bins[bin]; i && tries; i = b->at[i].next, tries--)
    if (fits(&b->at[i], size, align))
      return i;
  bin = filled_bin(s, bin_of(size + align - 1) + 1);
  return bin ? s->bins[bin] : 0;
}

/* --- blocks ---------------------------------------------------------------------------------------------- */

/* What an allocation may need: one that was found or lies behind all, what is left before and behind it. */
static bool reserve(struct ldx_jit_blocks *b) {
  enum { NEEDED = 3 };
  if (b->count + NEEDED > b->room && !ldx_heap_grow(&ldx_self.heap, (void **)&b->at, &b->room, sizeof *b->at, 0))
    return false;
  return grow_buckets(b);
}

static uint32_t new_block(struct ldx_jit_blocks *b, uint32_t at, uint32_t size) {
  uint32_t i = b->spare;
  if (i)
    b->spare = b->at[i].next;
  else
    i = (uint32_t)b->count++;
  b->at[i] = (struct block){.at = at, .size = size};
  return i;
}

static void drop_block(struct ldx_jit_blocks *b, uint32_t i) {
  b->at[i].next = b->spare;
  b->spare = i;
}

/* i comes to stand behind `before`, which may be none. */
static void link_behind(struct ldx_jit_blocks *b, struct space *s, uint32_t before, uint32_t i) {
  uint32_t after = before ? b->at[before].after : 0;
  b->at[i].before = before;
  b->at[i].after = after;
  if (before)
    b->at[before].after = i;
  if (after)
    b->at[after].before = i;
  else
    s->top = i;
}

/* Cuts all from `size` on off a block, as a free one. */
static void cut(struct ldx_jit_blocks *b, struct space *s, uint32_t i, uint32_t size) {
  if (b->at[i].size == size)
    return;
  uint32_t rest = new_block(b, b->at[i].at + size, b->at[i].size - size);
  b->at[i].size = size;
  link_behind(b, s, i, rest);
  put_free(b, s, rest);
}

/* Cuts what lies before an aligned place off a free block, which is on no list. */
static uint32_t cut_padding(struct ldx_jit_blocks *b, struct space *s, uint32_t i, uint32_t pad) {
  if (!pad)
    return i;
  uint32_t rest = new_block(b, b->at[i].at + pad, b->at[i].size - pad);
  b->at[i].size = pad;
  link_behind(b, s, i, rest);
  put_free(b, s, i);
  return rest;
}

/* The last block, made larger when it is free, or a new one, of memory that nobody has had; on no list. Code is
 * filled with traps as it comes into use. */
static uint32_t extend(struct ldx_jit_object *j, enum ldx_jit_region_kind kind, uint32_t size, uint32_t align) {
  struct ldx_jit_region *r = &j->regions[kind];
  struct ldx_jit_blocks *b = j->blocks;
  struct space *s = space_of(b, kind);
  bool free_top = s->top && !b->at[s->top].used;
  uint32_t used = (uint32_t)(r->used / UNIT), at = free_top ? b->at[s->top].at : used;
  uint64_t end = (uint64_t)at + (-at & (align - 1)) + size;
  if (end * UNIT > r->size)
    return 0;
  if (free_top)
    take_free(b, s, s->top);
  else
    link_behind(b, s, s->top, new_block(b, at, 0));
  if (end <= used)
    return s->top;
  b->at[s->top].size = (uint32_t)end - at;
  if (kind == LDX_REGION_CODE)
    memset(ldx_jit_alias(j, r->at + r->used), LDX_TRAP, end * UNIT - r->used);
  r->used = end * UNIT;
  return s->top;
}

void *ldx_jit_block_new(struct ldx_jit_object *j, enum ldx_jit_region_kind kind, size_t size, size_t align,
                        bool inner) {
  struct ldx_jit_blocks *b = j->blocks;
  struct space *s = space_of(b, kind);
  if (size > j->regions[kind].size || !reserve(b))
    return NULL;
  uint32_t units = size ? (uint32_t)((size + UNIT - 1) / UNIT) : 1, step = align > UNIT ? (uint32_t)align / UNIT : 1;
  uint32_t i = find_free(b, s, units, step);
  if (i)
    take_free(b, s, i);
  else if (!(i = extend(j, kind, units, step)))
    return NULL;
  i = cut_padding(b, s, i, padding(&b->at[i], step));
  cut(b, s, i, units);
  b->at[i].used = true;
  b->at[i].inner = inner;
  b->at[i].last = kind;
  enter(b, bucket_of(b, kind, b->at[i].at), i);
  b->used++;
  return (void *)(j->regions[kind].at + (uintptr_t)b->at[i].at * UNIT);
}

/* The kind of the address's block; LDX_REGIONS: it lies in none. */
static enum ldx_jit_region_kind kind_at(const struct ldx_jit_object *j, uintptr_t at) {
  for (enum ldx_jit_region_kind k = LDX_REGION_RODATA; k < LDX_REGIONS; k++)
    if (at - j->regions[k].at < j->regions[k].used && at % UNIT == 0)
      return k;
  return LDX_REGIONS;
}

static uint32_t block_at(const struct ldx_jit_object *j, uintptr_t at, enum ldx_jit_region_kind *kind) {
  *kind = kind_at(j, at);
  return *kind == LDX_REGIONS ? 0 : find(j->blocks, *kind, (uint32_t)((at - j->regions[*kind].at) / UNIT));
}

size_t ldx_jit_block_size(const struct ldx_jit_object *j, uintptr_t at, bool inner) {
  enum ldx_jit_region_kind kind;
  uint32_t i = block_at(j, at, &kind);
  return i && j->blocks->at[i].inner == inner ? (size_t)j->blocks->at[i].size * UNIT : 0;
}

/* As the next one is to find it. Whole pages of large blocks go back to the kernel, but not those of code: they would
 * hold no traps. */
static void clear(const struct ldx_jit_object *j, enum ldx_jit_region_kind kind, uintptr_t at, size_t size) {
  uintptr_t low = ldx_align_up(at, LDX_PAGE), high = ldx_align_down(at + size, LDX_PAGE);
  if (kind == LDX_REGION_CODE)
    memset(ldx_jit_alias(j, at), LDX_TRAP, size);
  else if (size < LARGE || ldx_sys_failed(sys_madvise(ldx_jit_alias(j, low), high - low, MADV_REMOVE)))
    memset(ldx_jit_alias(j, at), 0, size);
  else {
    memset(ldx_jit_alias(j, at), 0, low - at);
    memset(ldx_jit_alias(j, high), 0, at + size - high);
  }
}

/* The block behind `i`, which is free as well, becomes part of it. */
static void join(struct ldx_jit_blocks *b, struct space *s, uint32_t i) {
  uint32_t next = b->at[i].after, after = b->at[next].after;
  b->at[i].size += b->at[next].size;
  b->at[i].after = after;
  if (after)
    b->at[after].before = i;
  else
    s->top = i;
  drop_block(b, next);
}

void ldx_jit_block_free(struct ldx_jit_object *j, uintptr_t at) {
  enum ldx_jit_region_kind kind;
  struct ldx_jit_blocks *b = j->blocks;
  uint32_t i = block_at(j, at, &kind), before = b->at[i].before, after = b->at[i].after;
  struct space *s = space_of(b, kind);
  clear(j, kind, at, (size_t)b->at[i].size * UNIT);
  leave(b, kind, i);
  if (after && !b->at[after].used) {
    take_free(b, s, after);
    join(b, s, i);
  }
  if (before && !b->at[before].used) {
    take_free(b, s, before);
    join(b, s, before);
    i = before;
  }
  put_free(b, s, i);
}
