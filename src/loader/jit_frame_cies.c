/* CIEs of objects made at run time: those that say the same are one. */
#include <string.h>

#include "loader/jit_unwind.h"

static uint32_t hash_of(const char *bytes, uint32_t size) {
  uint32_t h = 2166136261u; /* FNV-1a */
  for (uint32_t i = 0; i < size; i++)
    h = (h ^ (uint8_t)bytes[i]) * 16777619u;
  return h;
}

static uint32_t key_of(const struct ldx_frame_cie *c, enum ldx_frame_cie_by by) {
  return by == LDX_CIE_BY_BYTES ? c->hash : c->place.offset / 16;
}

static struct ldx_frame_cie **bucket_of(const struct ldx_frame_cies *s, enum ldx_frame_cie_by by, uint32_t key) {
  return &s->buckets[by][key & (s->bucket_count - 1)];
}

static void link(struct ldx_frame_cies *s, enum ldx_frame_cie_by by, struct ldx_frame_cie *c) {
  struct ldx_frame_cie **list = bucket_of(s, by, key_of(c, by));
  c->next[by] = *list;
  *list = c;
}

static void unlink(struct ldx_frame_cies *s, enum ldx_frame_cie_by by, struct ldx_frame_cie *c) {
  struct ldx_frame_cie **p = bucket_of(s, by, key_of(c, by));
  while (*p != c)
    p = &(*p)->next[by];
  *p = c->next[by];
}

static bool grow(struct ldx_frame_cies *s) {
  struct ldx_frame_cies old = *s;
  uint32_t count = old.bucket_count ? 2 * old.bucket_count : 16;
  struct ldx_frame_cie **buckets = ldx_new(LDX_CIE_BYS * count * sizeof *buckets);
  if (!buckets)
    return false;
  s->bucket_count = count;
  for (enum ldx_frame_cie_by by = 0; by < LDX_CIE_BYS; by++) {
    s->buckets[by] = buckets + by * count;
    for (uint32_t i = 0; i < old.bucket_count; i++)
      for (struct ldx_frame_cie *c = old.buckets[by][i], *next; c; c = next) {
        next = c->next[by];
        link(s, by, c);
      }
  }
  ldx_delete(old.buckets[0]);
  return true;
}

struct ldx_frame_cie *ldx_cie_take(struct ldx_frame_cies *s, const char *bytes, uint32_t size) {
  uint32_t hash = hash_of(bytes, size);
  struct ldx_frame_cie *c = s->bucket_count ? *bucket_of(s, LDX_CIE_BY_BYTES, hash) : NULL;
  for (; c; c = c->next[LDX_CIE_BY_BYTES])
    if (c->hash == hash && c->size == size && !memcmp(c->bytes, bytes, size)) {
      c->count++;
      return c;
    }
  if (s->count >= s->bucket_count && !grow(s))
    return NULL;
  c = ldx_new(sizeof *c + size);
  if (!c)
    return NULL;
  *c = (struct ldx_frame_cie){.hash = hash, .size = size, .count = 1};
  memcpy(c->bytes, bytes, size);
  link(s, LDX_CIE_BY_BYTES, c);
  s->count++;
  return c;
}

void ldx_cie_written(struct ldx_frame_cies *s, struct ldx_frame_cie *c) {
  c->written = true;
  link(s, LDX_CIE_BY_PLACE, c);
}

struct ldx_frame_cie *ldx_cie_at(const struct ldx_frame_cies *s, uint32_t offset) {
  struct ldx_frame_cie *c = *bucket_of(s, LDX_CIE_BY_PLACE, offset / 16);
  while (c->place.offset != offset)
    c = c->next[LDX_CIE_BY_PLACE];
  return c;
}

void ldx_cie_release(struct ldx_frame_cies *s, struct ldx_frame_space *space, struct ldx_frame_cie *c) {
  if (--c->count)
    return;
  unlink(s, LDX_CIE_BY_BYTES, c);
  s->count--;
  if (c->written) {
    unlink(s, LDX_CIE_BY_PLACE, c);
    ldx_frame_retire(space, LDX_FRAME_CIE, c->place.offset, c->place.size, ldx_epoch_end());
  }
  ldx_delete(c);
}

void ldx_cies_free(struct ldx_frame_cies *s) {
  for (uint32_t i = 0; i < s->bucket_count; i++)
    for (struct ldx_frame_cie *c = s->buckets[LDX_CIE_BY_BYTES][i], *next; c; c = next) {
      next = c->next[LDX_CIE_BY_BYTES];
      ldx_delete(c->place.hole);
      ldx_delete(c);
    }
  ldx_delete(s->buckets[0]);
}
