/* Start-up's dealings with the guest libc. */
#ifndef LDX_LOADER_GUEST_H
#define LDX_LOADER_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ldx_object;
/* Runs the program by its own interpreter instead; with --strict: refuses. */
_Noreturn void ldx_hand_over(const char *why);
/* For a libc that ldx does not know: by that libc's own loader. */
_Noreturn void ldx_hand_over_libc(const struct ldx_object *libc, const struct ldx_object *ld);

/* 0: read-only; 1: not; 2: belongs to no object, or lies between its segments. */
int ldx_guest_readonly_area(const void *start, size_t size);

/* A number from GLIBC_TUNABLES, or `otherwise`. */
uint64_t ldx_tunable_number(const char *name, uint64_t otherwise);

#endif
