/* Threads that no libc knows, and the way in for tools/ldx-ctl; see control.S. */
#ifndef LDX_ARCH_X86_64_CONTROL_H
#define LDX_ARCH_X86_64_CONTROL_H

#include <stddef.h>
#include <stdint.h>

long ldx_clone_thread(unsigned long flags, void **stack, void *tls);
_Noreturn void ldx_end_thread(void *stack, size_t size);
__attribute__((visibility("default"))) void ldx_control(void);
/* What ldx_control calls, on whatever thread was stopped: 0, or a negative errno value. */
long ldx_control_start(void);

#endif
