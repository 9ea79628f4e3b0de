/* What the loader needs of the CPU beyond relocation numbers: the thread pointer, the size of the vector
 * state, and the code behind stubs.S. */
#ifndef LDX_ARCH_X86_64_CPU_H
#define LDX_ARCH_X86_64_CPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <elf.h>

/* Code that the program's code reaches directly. */
void ldx_plt_stub(void);
void ldx_tlsdesc_static(void);
void ldx_tlsdesc_undefweak(void);
void ldx_tlsdesc_dynamic(void);
void ldx_tlsdesc_call(void); /* the same, for a DTV that is not at the usual place */
/* vfork, told of by ldx_vforked. */
int ldx_vfork(void) __attribute__((returns_twice));
void ldx_return_entry(void); /* a libc that starts itself enters the program here */
uintptr_t ldx_call_xsave(uintptr_t (*fn)(uintptr_t), uint64_t mask, uint64_t size, uintptr_t arg);

/* A saved place to return to: like setjmp without signal masks, vector state or thread pointer. */
struct ldx_jump {
  uint64_t reg[8];
};
int ldx_catch_enter(struct ldx_jump *j) __attribute__((returns_twice));
_Noreturn void ldx_catch_throw(struct ldx_jump *j);

/* Applies ldx's own RELATIVE and RELR relocations; runs before anything else. */
void ldx_relocate_self(uintptr_t *stack, uintptr_t base, const Elf64_Dyn *dynamic);

struct ldx_cpu {
  bool fsgsbase;
  uint64_t xsave_mask; /* 0: FXSAVE only */
  uint64_t xsave_size; /* 0: not measured yet */
};
/* Foreign code, from inside a call whose vector registers must live. */
uintptr_t ldx_call_keeping_vectors(struct ldx_cpu *cpu, uintptr_t (*fn)(uintptr_t), uintptr_t arg);
void ldx_cpu_init(struct ldx_cpu *cpu, uint64_t hwcap2);
void ldx_set_thread_pointer(const struct ldx_cpu *cpu, uintptr_t tp);

/* The word at %fs:8: the thread's DTV (TLS paper, variant II). */
static inline void *ldx_thread_dtv(void) {
  void *p;
  __asm__ volatile("mov %%fs:8, %0" : "=r"(p));
  return p;
}

/* A word of the calling thread's control block, without a call. */
static inline void *ldx_thread_word(int64_t at) {
  char *tp;
  __asm__ volatile("mov %%fs:0, %0" : "=r"(tp));
  return *(void **)(tp + at);
}

/* Fetches a cache line that will be read soon; never faults. (The compiler's builtin is empty without SSE.) */
static inline void ldx_prefetch(const void *p) { __asm__ volatile("prefetcht0 %0" ::"m"(*(const char *)p)); }

/* The CPU's clock. */
static inline uint64_t ldx_cycles(void) {
  uint32_t low, high;
  __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
  return (uint64_t)high << 32 | low;
}

/* Fixed layout of a thread control block that every libc on this CPU shares. */
enum { LDX_TCB_SELF = 0, LDX_TCB_DTV = 8, LDX_TCB_SELF2 = 16, LDX_TCB_GUARD = 0x28, LDX_TCB_POINTER_GUARD = 0x30 };

#endif
