#include "arch/x86_64/cpu.h"

#include <cpuid.h>

#include "base/lock.h"
#include "base/sys.h"

#ifndef DT_RELR
#define DT_RELRSZ 35
#define DT_RELR 36
#endif

enum { ARCH_SET_FS = 0x1002, HWCAP2_FSGSBASE = 1 << 1 };

uintptr_t ldx_thread_pointer(void) {
  uintptr_t p;
  __asm__ volatile("mov %%fs:0, %0" : "=r"(p));
  return p;
}

void ldx_set_thread_pointer(const struct ldx_cpu *cpu, uintptr_t tp) {
  if (cpu->fsgsbase)
    __asm__ volatile("wrfsbase %0" ::"r"(tp) : "memory");
  else
    LDX_SYS(SYS_arch_prctl, ARCH_SET_FS, tp, 0, 0, 0, 0);
}

/* Late, because CPUID traps on virtual machines. The tile registers of AMX are left out: no function passes arguments
 * in them, and they would cost 8 KiB. */
static void measure(struct ldx_cpu *cpu) {
  unsigned a, b, c, d, low, high;
  uint64_t size = 576;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE)) {
    __atomic_store_n(&cpu->xsave_size, 512, __ATOMIC_RELEASE);
    return;
  }
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  cpu->xsave_mask = (low | (uint64_t)high << 32) & ~(3ull << 17);
  for (unsigned i = 2; i < 63; i++) {
    if (!(cpu->xsave_mask >> i & 1) || !__get_cpuid_count(0xd, i, &a, &b, &c, &d))
      continue;
    if (b + a > size)
      size = b + a;
  }
  __atomic_store_n(&cpu->xsave_size, size, __ATOMIC_RELEASE);
}

uintptr_t ldx_call_keeping_vectors(struct ldx_cpu *cpu, uintptr_t (*fn)(uintptr_t), uintptr_t arg) {
  if (!__atomic_load_n(&cpu->xsave_size, __ATOMIC_ACQUIRE))
    measure(cpu);
  return ldx_call_xsave(fn, cpu->xsave_mask, cpu->xsave_size, arg);
}

void ldx_cpu_init(struct ldx_cpu *cpu, uint64_t hwcap2) { cpu->fsgsbase = hwcap2 & HWCAP2_FSGSBASE; }

void ldx_relocate_self(uintptr_t *stack, uintptr_t base, const Elf64_Dyn *dynamic) {
  const Elf64_Rela *rela = NULL;
  const uint64_t *relr = NULL;
  uint64_t relasz = 0, relrsz = 0;
  for (const Elf64_Dyn *d = dynamic; d->d_tag; d++) {
    if (d->d_tag == DT_RELA)
      rela = (const Elf64_Rela *)(base + d->d_un.d_ptr);
    else if (d->d_tag == DT_RELASZ)
      relasz = d->d_un.d_val;
    else if (d->d_tag == DT_RELR)
      relr = (const uint64_t *)(base + d->d_un.d_ptr);
    else if (d->d_tag == DT_RELRSZ)
      relrsz = d->d_un.d_val;
  }
  for (uint64_t i = 0; rela && i < relasz / sizeof *rela; i++)
    if (ELF64_R_TYPE(rela[i].r_info) == R_X86_64_RELATIVE)
      *(uint64_t *)(base + rela[i].r_offset) = base + (uint64_t)rela[i].r_addend;
  uint64_t *where = NULL;
  for (uint64_t i = 0; relr && i < relrsz / 8; i++) {
    if (!(relr[i] & 1)) {
      where = (uint64_t *)(base + relr[i]);
      *where++ += base;
      continue;
    }
    for (uint64_t bits = where ? relr[i] >> 1 : 0; bits; bits &= bits - 1)
      where[__builtin_ctzll(bits)] += base;
    where = where ? where + 63 : NULL;
  }
}
