/* What a signal handler sees of the interrupted code, and where it goes on. */
#ifndef LDX_ARCH_X86_64_SIGNAL_H
#define LDX_ARCH_X86_64_SIGNAL_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <ucontext.h>

#include "arch/x86_64/cpu.h"

/* What a handler returns to (sa_restorer). */
void ldx_signal_return(void);

/* rt_sigaction(2)'s own struct. */
struct ldx_signal_action {
  uintptr_t handler;
  uint64_t flags;
  uintptr_t restorer;
  uint64_t mask;
};
enum { LDX_SA_RESTORER = 0x04000000 };

static inline uintptr_t ldx_signal_pc(const ucontext_t *c) { return (uintptr_t)c->uc_mcontext.gregs[REG_RIP]; }

/* A page fault that was a write: bit 1 of the CPU's error code. */
static inline bool ldx_signal_was_write(const ucontext_t *c) { return c->uc_mcontext.gregs[REG_ERR] & 2; }

/* When the handler returns, ldx_catch_enter returns 1 once more, as by ldx_catch_throw. */
static inline void ldx_signal_throw(ucontext_t *c, const struct ldx_jump *j) {
  static const uint8_t order[] = {REG_RBX, REG_RBP, REG_R12, REG_R13, REG_R14, REG_R15, REG_RSP, REG_RIP};
  for (unsigned i = 0; i < sizeof order; i++)
    c->uc_mcontext.gregs[order[i]] = (greg_t)j->reg[i];
  c->uc_mcontext.gregs[REG_RAX] = 1;
  c->uc_mcontext.gregs[REG_EFL] &= ~(greg_t)0x400; /* strings go upwards (psABI 3.2.1) */
}

#endif
