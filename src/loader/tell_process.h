/* Events of processes: libc's functions that make one, or become another program, are wrapped when a reference to
 * them is bound while somebody wants to know, or programs are to be followed (follow.h). */
#ifndef LDX_LOADER_TELL_PROCESS_H
#define LDX_LOADER_TELL_PROCESS_H

#include <stdint.h>

#include "loader/context.h"

/* Events that the wrappers tell. */
#define LDX_PROCESS_EVENTS                                                                                           \
  (LDX_EV_BIT(LDX_EV_FORK) | LDX_EV_BIT(LDX_EV_VFORK) | LDX_EV_BIT(LDX_EV_CLONE) | LDX_EV_BIT(LDX_EV_SPAWN) |        \
   LDX_EV_BIT(LDX_EV_CHILD) | LDX_EV_BIT(LDX_EV_EXEC))

/* Tools of the program's namespace say what they want when references are bound already. */
static inline bool ldx_process_wanted(void) {
  return (ldx_self.hooks.wanted & LDX_PROCESS_EVENTS) || ldx_self.options.follow || ldx_self.in_app;
}
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
