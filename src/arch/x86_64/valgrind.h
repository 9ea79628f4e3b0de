/* Whether the program runs on valgrind's synthetic CPU, which keeps books of the libraries itself. */
#ifndef LDX_ARCH_X86_64_VALGRIND_H
#define LDX_ARCH_X86_64_VALGRIND_H

#include <stdbool.h>
#include <stdint.h>

/* A client request (valgrind.h): rotations of %rdi by 128 bits in all and a move of %rbx to itself, which change
 * nothing on a CPU. Valgrind takes them for a call: %rax points at the request's number and its arguments, %rdx
 * gets the answer. */
static inline bool ldx_on_valgrind(void) {
  const uint64_t running_on_valgrind[6] = {0x1001};
  uint64_t depth = 0;
  __asm__ volatile("rol $3, %%rdi\n\t"
                   "rol $13, %%rdi\n\t"
                   "rol $61, %%rdi\n\t"
                   "rol $51, %%rdi\n\t"
                   "xchg %%rbx, %%rbx"
                   : "+d"(depth)
                   : "a"(running_on_valgrind)
                   : "cc", "memory");
  return depth != 0;
}

#endif
