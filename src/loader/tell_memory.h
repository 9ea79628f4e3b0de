/* Events of allocations: references to the program's allocation functions are bound to wrappers while somebody wants
 * to know. What was bound before stays as it is, and nothing is wrapped in a process where nobody asks. */
#ifndef LDX_LOADER_TELL_MEMORY_H
#define LDX_LOADER_TELL_MEMORY_H

#include "loader/tell.h"

static inline bool ldx_watches_memory(void) {
  const uint64_t events = LDX_EV_BIT(LDX_EV_ALLOC) | LDX_EV_BIT(LDX_EV_REALLOC) | LDX_EV_BIT(LDX_EV_FREE);
  return __builtin_expect((ldx_self.hooks.wanted & events) != 0, 0);
}

/* The wrapper for a reference (of `from`; NULL: a dlsym) to a function that lies at `real`; 0: it has none, or nobody
 * has asked for allocations so far. libc's own references have none: what it allocates for itself is not the
 * program's doing. */
uintptr_t ldx_memory_wrapper(const struct ldx_object *from, const struct ldx_object *definer, const Elf64_Sym *sym,
                             uintptr_t real);

#endif
