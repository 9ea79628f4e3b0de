/* Writes ld.so.cache files for tests, right or wrong as the test wants them. */
#ifndef LDX_TESTS_SEARCH_CACHE_WRITER_H
#define LDX_TESTS_SEARCH_CACHE_WRITER_H

#include <stddef.h>
#include <stdint.h>

enum { CACHE_FLAGS = 0x0303 };
#define CACHE_NAMED(level, index) (1ull << 62 | (uint64_t)(level) << 32 | (index))

struct cache_entry {
  const char *name, *path;
  uint64_t hwcap;
  int32_t flags; /* 0: CACHE_FLAGS */
};

struct cache_bytes {
  uint8_t *at; /* exactly `size` bytes from malloc: reading on is seen by checkers */
  size_t size;
};

/* The new format. Entries are written in the order given (ldconfig sorts them downwards); hwcaps is a list of
 * names ended by NULL, or NULL. */
struct cache_bytes cache_new(const struct cache_entry *entries, uint32_t count, const char *const *hwcaps);
/* The old format; with `inner` (taken over) a file in the new format stands in the middle of it. */
struct cache_bytes cache_old(const struct cache_entry *entries, uint32_t count, struct cache_bytes inner);

void cache_poke(struct cache_bytes b, size_t offset, uint32_t value);
uint32_t cache_peek(struct cache_bytes b, size_t offset);

#endif
