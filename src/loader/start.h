/* The C entry of ldx, called by _start. */
#ifndef LDX_LOADER_START_H
#define LDX_LOADER_START_H

#include <stdint.h>

/* What _start does last: jumps to `entry` with this stack and %rdx = fini (psABI 3.4.1). */
struct ldx_handoff {
  uintptr_t entry, stack, fini;
};

struct ldx_handoff *ldx_main(uintptr_t *stack);

#endif
