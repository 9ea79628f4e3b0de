#include "search/digest.h"

#define XXH_INLINE_ALL
#define XXH_VECTOR 0 /* run-time code has no vector registers */
#define XXH_NO_INLINE_HINTS 1
#include LDX_XXHASH_HEADER

uint64_t ldx_sum(const void *bytes, size_t n, uint64_t seed) { return XXH3_64bits_withSeed(bytes, n, seed); }

void ldx_digest_add(struct ldx_digest *d, const void *bytes, size_t n) {
  XXH128_hash_t h = XXH3_128bits_withSeed(bytes, n, d->at[0]);
  d->at[0] = h.low64;
  d->at[1] = (d->at[1] << 23 | d->at[1] >> 41) ^ h.high64;
}

void ldx_digest_text(struct ldx_digest *d, const char *text) {
  size_t n = 0;
  while (text && text[n])
    n++;
  ldx_digest_add(d, text ? text : "\1", text ? n : 2);
}
