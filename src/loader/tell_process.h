/* Events of processes: libc's functions that make one, or become another program, are wrapped when a reference to
 * them is bound while somebody wants to know, or programs are to be followed (follow.h). */
#ifndef LDX_LOADER_TELL_PROCESS_H
#define LDX_LOADER_TELL_PROCESS_H

#include <stdint.h>

#include "loader/context.h"

/* Decides whether references that are bound from now on go to wrappers: of processes, and of allocations. */
void ldx_watch_bindings(void);

/* The wrapper of libc's function `name`, which lies at `real`; 0 when it has none. Only if wanted. */
uintptr_t ldx_process_wrapper(const char *name, uintptr_t real);

/* Called by libc's fork after everything else: in the parent, in the child. */
void ldx_tell_fork(void);
void ldx_tell_child(void);
/* Before the program's code runs: notes what goes on to programs that are to be followed, and tells, of one that is,
 * whose child the process is. */
void ldx_tell_followed(void);

/* For stubs.S: what vfork returns to each of both. */
long ldx_vforked(long result);

#endif
