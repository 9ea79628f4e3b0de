/* What the CPU can do, as far as the choice of library folders depends on it: the micro-architecture levels
 * of the x86-64 psABI, and the older platform names of the GNU system loader. A feature counts when the CPU
 * has it and the kernel saves its registers (XCR0). Costs several CPUID instructions, each of them slow in a
 * virtual machine: ask once and keep the answer. */
#ifndef LDX_ARCH_X86_64_ISA_H
#define LDX_ARCH_X86_64_ISA_H

#include <stdbool.h>

struct ldx_isa {
  unsigned level;       /* 1 baseline, 2 x86-64-v2, 3 x86-64-v3, 4 x86-64-v4 */
  const char *platform; /* "haswell", "xeon_phi"; NULL: the kernel's AT_PLATFORM stands */
  bool avx512_1;        /* the capability of that name */
};

struct ldx_isa ldx_isa_detect(void);
unsigned ldx_isa_level(void);

#endif
