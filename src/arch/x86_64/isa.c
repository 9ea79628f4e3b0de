#include "arch/x86_64/isa.h"

#include <cpuid.h>
#include <stdint.h>

/* One result register of one CPUID leaf each. */
struct leaves {
  uint32_t basic_c;    /* 1: ECX */
  uint32_t seven_b;    /* 7.0: EBX */
  uint32_t extended_c; /* 80000001: ECX */
  uint32_t state;      /* XCR0, low half; 0 when XGETBV is not enabled */
  bool intel, zhaoxin;
  unsigned family, model;
};

/* Leaf 1, ECX */
enum {
  SSE3 = 1 << 0,
  SSSE3 = 1 << 9,
  FMA = 1 << 12,
  CMPXCHG16B = 1 << 13,
  SSE4_1 = 1 << 19,
  SSE4_2 = 1 << 20,
  MOVBE = 1 << 22,
  POPCNT = 1 << 23,
  OSXSAVE = 1 << 27,
  AVX = 1 << 28,
  F16C = 1 << 29
};
/* Leaf 7, EBX */
enum {
  BMI1 = 1 << 3,
  AVX2 = 1 << 5,
  BMI2 = 1 << 8,
  AVX512F = 1 << 16,
  AVX512DQ = 1 << 17,
  AVX512PF = 1 << 26,
  AVX512ER = 1 << 27,
  AVX512CD = 1 << 28,
  AVX512BW = 1 << 30
};
#define AVX512VL (1u << 31)
/* Leaf 80000001, ECX */
enum { LAHF = 1 << 0, LZCNT = 1 << 5 };
/* XCR0 */
enum { STATE_AVX = 0x06, STATE_AVX512 = 0xe0 };

static bool has(uint32_t reg, uint32_t bits) { return (reg & bits) == bits; }

static uint32_t extended_state(void) {
  uint32_t low, high;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

static struct leaves read_leaves(void) {
  struct leaves l = {0};
  uint32_t a, b, c, d, highest;
  __cpuid(0, highest, b, c, d);
  l.intel = b == signature_INTEL_ebx && c == signature_INTEL_ecx && d == signature_INTEL_edx;
  l.zhaoxin = (b == signature_CENTAUR_ebx && c == signature_CENTAUR_ecx && d == signature_CENTAUR_edx) ||
              (b == 0x68532020 && c == 0x20206961 && d == 0x68676e61 /* "  Shanghai  " */);
  __cpuid(1, a, b, l.basic_c, d);
  l.family = (a >> 8) & 15;
  l.model = ((a >> 4) & 15) | ((a >> 12) & 0xf0);
  if (highest >= 7)
    __cpuid_count(7, 0, a, l.seven_b, c, d);
  __cpuid(0x80000000, highest, b, c, d);
  if (highest >= 0x80000001)
    __cpuid(0x80000001, a, b, l.extended_c, d);
  if (has(l.basic_c, OSXSAVE))
    l.state = extended_state();
  return l;
}

/* Takes away what the kernel does not save, and AVX where the CPU is known to be slow at it. */
static void keep_usable(struct leaves *l) {
  const uint32_t avx512 = AVX512F | AVX512DQ | AVX512PF | AVX512ER | AVX512CD | AVX512BW | AVX512VL;
  bool avx = has(l->state, STATE_AVX) && has(l->basic_c, AVX);
  if (!avx) {
    l->basic_c &= ~(uint32_t)(AVX | FMA | F16C);
    l->seven_b &= ~(uint32_t)AVX2;
  }
  if (!has(l->state, STATE_AVX | STATE_AVX512) || !has(l->seven_b, AVX512F))
    l->seven_b &= ~avx512;
  bool slow = l->zhaoxin && ((l->family == 6 && (l->model == 0x0f || l->model == 0x19)) ||
                             (l->family == 7 && (l->model == 0x1b || l->model == 0x3b)));
  if (slow) {
    l->basic_c &= ~(uint32_t)AVX;
    l->seven_b &= ~(uint32_t)AVX2;
  }
}

static unsigned level_of(const struct leaves *l) {
  if (!has(l->basic_c, CMPXCHG16B | POPCNT | SSE3 | SSSE3 | SSE4_1 | SSE4_2) || !has(l->extended_c, LAHF))
    return 1;
  if (!has(l->basic_c, AVX | F16C | FMA | MOVBE) || !has(l->seven_b, AVX2 | BMI1 | BMI2) ||
      !has(l->extended_c, LZCNT))
    return 2;
  return has(l->seven_b, AVX512F | AVX512BW | AVX512CD | AVX512DQ | AVX512VL) ? 4 : 3;
}

/* These names were only ever given to Intel's CPUs. */
static void old_names(const struct leaves *l, struct ldx_isa *out) {
  if (!l->intel)
    return;
  if (has(l->seven_b, AVX512CD | AVX512ER | AVX512PF))
    out->platform = "xeon_phi";
  else if (has(l->basic_c, FMA | MOVBE | POPCNT) && has(l->seven_b, AVX2 | BMI1 | BMI2) && has(l->extended_c, LZCNT))
    out->platform = "haswell";
  out->avx512_1 = has(l->seven_b, AVX512CD | AVX512BW | AVX512DQ | AVX512VL) && !has(l->seven_b, AVX512ER);
}

struct ldx_isa ldx_isa_detect(void) {
  struct leaves l = read_leaves();
  keep_usable(&l);
  struct ldx_isa out = {.level = level_of(&l)};
  old_names(&l, &out);
  return out;
}

unsigned ldx_isa_level(void) { return ldx_isa_detect().level; }
