/* Places of records in .eh_frame. Behind the last record is a terminator at every moment; records without code are
 * FDEs of no bytes. */
#include <string.h>

#include "loader/jit_unwind.h"

/* 16, 32, ... 256, then four to each power of two. */
static uint32_t rounded(uint32_t size) {
  uint32_t step = size <= 256 ? 16 : 1u << (31 - (unsigned)__builtin_clz(size - 1)) >> 2;
  return (uint32_t)ldx_align_up(size, step);
}

static uint32_t class_of(uint32_t size) {
  if (size <= 256)
    return size / 16;
  unsigned log = 31 - (unsigned)__builtin_clz(size - 1);
  return 17 + 4 * (log - 8) + (((size - 1) >> (log - 2)) & 3);
}

/* Of the latest holes of the list: the lowest for a CIE, any behind its CIE for an FDE. Some unwinders look for a CIE
 * only before its FDEs, as the format says. */
static struct ldx_frame_hole *take_hole(struct ldx_frame_hole **list, enum ldx_frame_kind kind, uint32_t behind) {
  enum { LATEST = 32 };
  struct ldx_frame_hole **best = NULL, *h;
  unsigned tries = LATEST;
  for (; *list && tries; list = &(*list)->next, tries--)
    if ((*list)->offset >= behind && (!best || (*list)->offset < (*best)->offset)) {
      best = list;
      if (kind == LDX_FRAME_FDE)
        break;
    }
  if (!best)
    return NULL;
  h = *best;
  *best = h->next;
  return h;
}

bool ldx_frame_reserve(struct ldx_frame_space *s, enum ldx_frame_kind kind, uint32_t size, uint32_t behind,
                       struct ldx_frame_place *out) {
  enum { LARGEST = 1 << 24, TERMINATOR = 4 };
  if (size > LARGEST)
    return false;
  size = rounded(size);
  struct ldx_frame_hole *h = take_hole(&s->free[kind][class_of(size)], kind, behind);
  if (h) {
    *out = (struct ldx_frame_place){h->offset, size, h};
    return true;
  }
  if (!ldx_range_ok(s->size, (uint64_t)s->reserved + size, 1, TERMINATOR))
    return false;
  *out = (struct ldx_frame_place){s->reserved, size, NULL};
  s->reserved += size;
  return true;
}

void ldx_frame_unreserve(struct ldx_frame_space *s, struct ldx_frame_place *p) {
  if (p->hole) {
    struct ldx_frame_hole **list = &s->free[p->hole->kind][class_of(p->size)];
    p->hole->next = *list;
    *list = p->hole;
  } else if (p->offset && p->offset < s->reserved) {
    s->reserved = p->offset; /* all that is reserved is given back at once */
  }
  *p = (struct ldx_frame_place){0};
}

/* Who walks over the records meanwhile sees an end, or a record without code, until the last word is written. */
void ldx_frame_write(struct ldx_jit_object *j, struct ldx_frame_space *s, struct ldx_frame_place *p,
                     const char *bytes, uint32_t size, uint32_t id) {
  char *at = ldx_jit_alias(j, j->regions[LDX_REGION_FRAMES].at + p->offset);
  const uint32_t length = p->size - 4;
  uint64_t code;
  memcpy(&code, bytes + ELF_FDE_SIZE, sizeof code);
  if (!p->hole)
    __atomic_store_n((uint32_t *)(at + p->size), 0, __ATOMIC_RELEASE);
  memset(at + size, 0, p->size - size); /* no operation */
  memcpy(at + ELF_FDE_SIZE + 8, bytes + ELF_FDE_SIZE + 8, size - ELF_FDE_SIZE - 8);
  memcpy(at + ELF_FDE_START, bytes + ELF_FDE_START, 8);
  __atomic_store_n((uint32_t *)(at + ELF_FDE_CIE), id, __ATOMIC_RELEASE);
  __atomic_store_n((uint64_t *)(at + ELF_FDE_SIZE), code, __ATOMIC_RELEASE);
  __atomic_store_n((uint32_t *)at, length, __ATOMIC_RELEASE);
  ldx_delete(p->hole);
  p->hole = NULL;
  if (s->top < p->offset + p->size) {
    s->top = p->offset + p->size;
    j->regions[LDX_REGION_FRAMES].used = s->top + 4;
  }
}

void ldx_frame_retire(struct ldx_frame_space *s, enum ldx_frame_kind kind, uint32_t offset, uint32_t size,
                      uint64_t epoch) {
  struct ldx_frame_hole *h = ldx_new(sizeof *h);
  if (!h)
    return; /* lost, never used too early */
  *h = (struct ldx_frame_hole){NULL, epoch, offset, size, kind};
  *s->retired_end = h;
  s->retired_end = &h->next;
}

void ldx_frame_settle(struct ldx_frame_space *s, uint64_t oldest_reader) {
  while (s->retired && s->retired->epoch <= oldest_reader) {
    struct ldx_frame_hole *h = s->retired, **list = &s->free[h->kind][class_of(h->size)];
    s->retired = h->next;
    h->next = *list;
    *list = h;
  }
  if (!s->retired)
    s->retired_end = &s->retired;
}

static void free_list(struct ldx_frame_hole *h) {
  while (h) {
    struct ldx_frame_hole *next = h->next;
    ldx_delete(h);
    h = next;
  }
}

void ldx_frame_space_free(struct ldx_frame_space *s) {
  free_list(s->retired);
  for (unsigned kind = 0; kind < LDX_FRAME_KINDS; kind++)
    for (unsigned i = 0; i < LDX_FRAME_CLASSES; i++)
      free_list(s->free[kind][i]);
}
