/* SHA-256 (FIPS 180-4). */
#ifndef LDX_BASE_SHA256_H
#define LDX_BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

enum { LDX_SHA256_SIZE = 32 };

struct ldx_sha256 {
  uint32_t state[8];
  uint64_t total; /* bytes */
  unsigned char block[64];
};

void ldx_sha256_begin(struct ldx_sha256 *s);
void ldx_sha256_add(struct ldx_sha256 *s, const void *bytes, size_t n);
void ldx_sha256_end(struct ldx_sha256 *s, unsigned char out[LDX_SHA256_SIZE]);

/* Of a whole file: 0 or an errno value. */
int ldx_sha256_file(const char *path, unsigned char out[LDX_SHA256_SIZE]);

#endif
