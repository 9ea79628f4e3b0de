/* Sums of bytes (XXH3): to notice damage, and to know things by. No proof against forgery. */
#ifndef LDX_SEARCH_DIGEST_H
#define LDX_SEARCH_DIGEST_H

#include <stddef.h>
#include <stdint.h>

struct ldx_digest {
  uint64_t at[2];
};

uint64_t ldx_sum(const void *bytes, size_t n, uint64_t seed);

/* Begins as {0}. Where pieces end counts: "ab" "c" is not "a" "bc". */
void ldx_digest_add(struct ldx_digest *d, const void *bytes, size_t n);
/* NULL is not "". */
void ldx_digest_text(struct ldx_digest *d, const char *text);

#endif
