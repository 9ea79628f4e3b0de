/* The process's first stack (psABI 3.4.1): read it, and make it look as if the kernel had started the program. */
#ifndef LDX_LOADER_STACK_H
#define LDX_LOADER_STACK_H

#include "loader/context.h"

void ldx_read_stack(uintptr_t *stack, struct ldx_args *a);
/* Drops the first `n` arguments: the program's argv begins at argv[n]. */
void ldx_shift_arguments(struct ldx_args *a, int n);
void ldx_set_auxv(struct ldx_args *a, uint64_t type, uint64_t value);
/* Replaces argv[0], keeping the strings adjacent, as /proc/self/cmdline shows them. */
void ldx_set_argv0(struct ldx_args *a, const char *argv0);
/* Where the kernel put the heap of ldx, before anybody moves it. */
uintptr_t ldx_break(void);
/* Tells the kernel where the program's code and arguments are (/proc/self/cmdline, stat, auxv). Best effort. */
void ldx_tell_kernel(const struct ldx_args *a, const struct elf_image *im);
/* The value of an environment variable, or NULL. */
const char *ldx_getenv(const struct ldx_args *a, const char *name);
/* Removes variables from the environment in place: all that begin with name and end ("=": the one of that name). */
void ldx_unsetenv(struct ldx_args *a, const char *name, const char *end);

#endif
