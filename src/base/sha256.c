#include "base/sha256.h"

#include <fcntl.h>
#include <string.h>

#include "base/sys.h"

/* The first 32 bits of the fractional parts of the cube roots of the first 64 primes (4.2.2). */
static const uint32_t constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t turn(uint32_t x, unsigned n) { return x >> n | x << (32 - n); }

static void compress(uint32_t state[8], const unsigned char *block) {
  uint32_t w[64], v[8];
  for (unsigned i = 0; i < 16; i++) {
    memcpy(&w[i], block + 4 * i, 4);
    w[i] = __builtin_bswap32(w[i]);
  }
  for (unsigned i = 16; i < 64; i++) {
    uint32_t a = turn(w[i - 15], 7) ^ turn(w[i - 15], 18) ^ w[i - 15] >> 3;
    uint32_t b = turn(w[i - 2], 17) ^ turn(w[i - 2], 19) ^ w[i - 2] >> 10;
    w[i] = w[i - 16] + a + w[i - 7] + b;
  }
  memcpy(v, state, sizeof v);
  for (unsigned i = 0; i < 64; i++) {
    uint32_t e = turn(v[4], 6) ^ turn(v[4], 11) ^ turn(v[4], 25), choice = (v[4] & v[5]) ^ (~v[4] & v[6]);
    uint32_t a = turn(v[0], 2) ^ turn(v[0], 13) ^ turn(v[0], 22);
    uint32_t majority = (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]);
    uint32_t t = v[7] + e + choice + constants[i] + w[i];
    memmove(v + 1, v, 7 * sizeof *v);
    v[4] += t;
    v[0] = t + a + majority;
  }
  for (unsigned i = 0; i < 8; i++)
    state[i] += v[i];
}

void ldx_sha256_begin(struct ldx_sha256 *s) {
  static const uint32_t start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  memcpy(s->state, start, sizeof start);
  s->total = 0;
}

void ldx_sha256_add(struct ldx_sha256 *s, const void *bytes, size_t n) {
  const unsigned char *p = bytes;
  while (n) {
    size_t used = s->total % sizeof s->block, part = sizeof s->block - used;
    part = part < n ? part : n;
    if (part == sizeof s->block) {
      compress(s->state, p);
    } else {
      memcpy(s->block + used, p, part);
      if (used + part == sizeof s->block)
        compress(s->state, s->block);
    }
    s->total += part;
    p += part;
    n -= part;
  }
}

void ldx_sha256_end(struct ldx_sha256 *s, unsigned char out[LDX_SHA256_SIZE]) {
  static const unsigned char padding[64] = {0x80};
  uint64_t bits = __builtin_bswap64(s->total * 8);
  size_t used = s->total % sizeof s->block;
  ldx_sha256_add(s, padding, used < 56 ? 56 - used : 120 - used);
  ldx_sha256_add(s, &bits, sizeof bits);
  for (unsigned i = 0; i < 8; i++) {
    uint32_t word = __builtin_bswap32(s->state[i]);
    memcpy(out + 4 * i, &word, 4);
  }
}

int ldx_sha256_file(const char *path, unsigned char out[LDX_SHA256_SIZE]) {
  struct ldx_sha256 s;
  unsigned char buf[16384];
  long fd = sys_open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), n;
  if (ldx_sys_failed(fd))
    return (int)-fd;
  ldx_sha256_begin(&s);
  while ((n = sys_read((int)fd, buf, sizeof buf)) > 0)
    ldx_sha256_add(&s, buf, (size_t)n);
  sys_close((int)fd);
  ldx_sha256_end(&s, out);
  return n < 0 ? (int)-n : 0;
}
