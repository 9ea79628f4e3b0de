#include "cache_writer.h"

#include <stdlib.h>
#include <string.h>

struct buffer {
  uint8_t *at;
  size_t size;
};

static size_t put(struct buffer *b, const void *bytes, size_t size) {
  size_t offset = b->size;
  b->at = realloc(b->at, b->size + size + 1);
  memcpy(b->at + offset, bytes, size);
  b->size += size;
  return offset;
}

static size_t put32(struct buffer *b, uint32_t v) { return put(b, &v, sizeof v); }
static uint32_t put_string(struct buffer *b, const char *s) { return (uint32_t)put(b, s, strlen(s) + 1); }

static void set32(struct buffer *b, size_t offset, uint32_t v) { memcpy(b->at + offset, &v, sizeof v); }

static void pad(struct buffer *b, size_t align) {
  while (b->size % align)
    put(b, "", 1);
}

static struct cache_bytes finish(struct buffer b) {
  struct cache_bytes out = {malloc(b.size), b.size};
  memcpy(out.at, b.at, b.size);
  free(b.at);
  return out;
}

static void put_extension(struct buffer *b, const char *const *names) {
  uint32_t offsets[16], count = 0;
  for (; names[count]; count++)
    offsets[count] = put_string(b, names[count]);
  pad(b, 4);
  set32(b, 32, (uint32_t)b->size);
  put32(b, 0xeaa42174);
  put32(b, 1);
  put32(b, 1); /* the section: glibc-hwcaps */
  put32(b, 0);
  put32(b, (uint32_t)b->size + 8);
  put32(b, count * 4);
  put(b, offsets, count * sizeof *offsets);
}

struct cache_bytes cache_new(const struct cache_entry *entries, uint32_t count, const char *const *hwcaps) {
  struct buffer b = {0};
  put(&b, "glibc-ld.so.cache1.1", 20);
  put32(&b, count);
  put32(&b, 0);
  put32(&b, 2); /* little-endian */
  put(&b, (uint8_t[16]){0}, 16);
  for (uint32_t i = 0; i < count; i++) {
    put32(&b, (uint32_t)(entries[i].flags ? entries[i].flags : CACHE_FLAGS));
    put(&b, (uint8_t[12]){0}, 12);
    put(&b, &entries[i].hwcap, 8);
  }
  size_t strings = b.size;
  for (uint32_t i = 0; i < count; i++) {
    set32(&b, 48 + i * 24 + 4, put_string(&b, entries[i].name));
    set32(&b, 48 + i * 24 + 8, put_string(&b, entries[i].path));
  }
  set32(&b, 24, (uint32_t)(b.size - strings));
  if (hwcaps)
    put_extension(&b, hwcaps);
  return finish(b);
}

struct cache_bytes cache_old(const struct cache_entry *entries, uint32_t count, struct cache_bytes inner) {
  struct buffer b = {0};
  put(&b, "ld.so-1.7.0", 12);
  put32(&b, count);
  for (uint32_t i = 0; i < count; i++) {
    put32(&b, (uint32_t)(entries[i].flags ? entries[i].flags : CACHE_FLAGS));
    put(&b, (uint8_t[8]){0}, 8);
  }
  if (inner.at) {
    pad(&b, 8);
    put(&b, inner.at, inner.size);
    free(inner.at);
    return finish(b);
  }
  size_t strings = b.size;
  for (uint32_t i = 0; i < count; i++) {
    set32(&b, 16 + i * 12 + 4, (uint32_t)(put_string(&b, entries[i].name) - strings));
    set32(&b, 16 + i * 12 + 8, (uint32_t)(put_string(&b, entries[i].path) - strings));
  }
  return finish(b);
}

void cache_poke(struct cache_bytes b, size_t offset, uint32_t value) { memcpy(b.at + offset, &value, 4); }

uint32_t cache_peek(struct cache_bytes b, size_t offset) {
  uint32_t v;
  memcpy(&v, b.at + offset, 4);
  return v;
}
