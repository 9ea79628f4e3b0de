#include "arch/x86_64/audit.h"

#include <cpuid.h>

void ldx_audit_stub_sse(void);
void ldx_audit_stub_avx(void);
void ldx_audit_stub_avx512(void);

/* What the kernel keeps for each thread (XCR0): bits 1 and 2 for AVX, 5 to 7 for AVX-512 as well. */
ldx_audit_stub *ldx_audit_choose_stub(void) {
  enum { AVX = 0x6, AVX512 = 0xe6 };
  unsigned a, b, c, d, low, high;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE))
    return ldx_audit_stub_sse;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (low & AVX512) == AVX512 ? ldx_audit_stub_avx512
         : (low & AVX) == AVX     ? ldx_audit_stub_avx
                                  : ldx_audit_stub_sse;
}
