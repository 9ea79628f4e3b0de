/* Start-up's dealings with the guest libc. */
#ifndef LDX_LOADER_GUEST_H
#define LDX_LOADER_GUEST_H

#include <stdint.h>

/* Runs the program by its own interpreter instead; with --strict: refuses. */
_Noreturn void ldx_hand_over(const char *why);

/* A number from GLIBC_TUNABLES, or `otherwise`. */
uint64_t ldx_tunable_number(const char *name, uint64_t otherwise);

#endif
