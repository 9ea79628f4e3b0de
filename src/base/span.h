/* Bounds-checked views of untrusted bytes. Every table of a file is reached through one of these. */
#ifndef LDX_BASE_SPAN_H
#define LDX_BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ldx_span {
  const uint8_t *base;
  size_t size; /* bytes */
};

/* True when `count` items of `item` bytes starting at `off` lie inside `size` bytes; immune to overflow. */
static inline bool ldx_range_ok(uint64_t size, uint64_t off, uint64_t count, uint64_t item) {
  return off <= size && (item == 0 || count <= (size - off) / item);
}

/* Pointer to `count` items of `item` bytes at `off`, or NULL when they are not all inside. */
static inline const void *ldx_span_at(struct ldx_span s, uint64_t off, uint64_t count, uint64_t item) {
  return ldx_range_ok(s.size, off, count, item) ? s.base + off : NULL;
}

static inline uint64_t ldx_align_up(uint64_t v, uint64_t align) { return (v + align - 1) & ~(align - 1); }
static inline uint64_t ldx_align_down(uint64_t v, uint64_t align) { return v & ~(align - 1); }
static inline bool ldx_is_pow2(uint64_t v) { return v && !(v & (v - 1)); }

#define LDX_PAGE 4096ul
#define LDX_COUNT(a) (sizeof(a) / sizeof((a)[0]))

#endif
