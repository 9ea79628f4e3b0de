/* Calls that are watched: entry of a PLT whose object is audited (rtld-audit(7); struct La_x86_64_regs and
 * La_x86_64_retval of <link.h>). */
#ifndef LDX_ARCH_X86_64_AUDIT_H
#define LDX_ARCH_X86_64_AUDIT_H

#include <stdint.h>

/* La_x86_64_regs: what a function is called with. */
struct ldx_call_regs {
  uint64_t rdx, r8, r9, rcx, rsi, rdi, rbp, rsp;
  uint64_t xmm[8][2];
  uint64_t vector[8][8];
  uint64_t unused[8];
};
/* La_x86_64_retval: what it returns. */
struct ldx_call_result {
  uint64_t rax, rdx;
  uint64_t xmm[2][2];
  uint64_t st[2][2];
  uint64_t vector[2][8];
  uint64_t unused[4];
};
_Static_assert(sizeof(struct ldx_call_regs) == 768 && sizeof(struct ldx_call_result) == 240, "layout of <link.h>");

/* In a GOT's third word instead of ldx_plt_stub. Which: as wide as this CPU's vectors are. */
typedef void ldx_audit_stub(void);
ldx_audit_stub *ldx_audit_choose_stub(void);

/* The stub calls these, which are loader/'s. The first returns the address to go on to; with *framesize >= 0 the call
 * comes back, and the second is told. The return address lies at regs->rsp. */
struct ldx_object;
uintptr_t ldx_audit_enter(struct ldx_object *o, uint64_t index, struct ldx_call_regs *regs, long *framesize);
void ldx_audit_leave(struct ldx_object *o, uint64_t index, const struct ldx_call_regs *regs,
                     struct ldx_call_result *result);

#endif
