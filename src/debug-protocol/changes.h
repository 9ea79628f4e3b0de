/* The block _ldx_debug (include/ldx/debug.h): what changed, for debuggers that know it. */
#ifndef LDX_DEBUG_PROTOCOL_CHANGES_H
#define LDX_DEBUG_PROTOCOL_CHANGES_H

#include <ldx/debug.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/heap.h"

struct ldx_object;
struct ldx_namespace;

/* _ldx_debug by another name; start.c says where it lies. */
extern struct ldx_debug ldx_debug_block __attribute__((visibility("hidden")));

/* What one change is; texts are copied, and must stay until the announcement has been made. */
struct ldx_change {
  uint32_t kind; /* LDX_DEBUG_* */
  uint32_t symbol_type;
  const struct ldx_object *object;
  const char *name;
  uint64_t value, size, old;
};

/* A debugger's breakpoint. */
void _ldx_debug_changed(void);

/* Addresses of the base namespace's r_debug, and of the word that leads to the objects made at run time. What a
 * debugger has written already stays. (Here, because every start does this, and nothing else of changes.c.) */
static inline void ldx_changes_init(uintptr_t r_debug, uintptr_t made) {
  struct ldx_debug *d = &ldx_debug_block;
  d->version = LDX_DEBUG_VERSION;
  d->size = sizeof *d;
  d->change_size = sizeof(struct ldx_debug_change);
  d->brk = (uintptr_t)_ldx_debug_changed;
  d->first = d->next = 1;
  d->r_debug = r_debug;
  d->made = made;
  __builtin_memcpy(d->magic, "LDXD", sizeof d->magic);
}

/* One announcement: writes the changes, counts the generation, calls _ldx_debug_changed and passes the probe
 * ldx:symbols_changed. Of more changes of symbols than half the ring holds those of one object are told as one
 * LDX_DEBUG_OBJECT_CHANGED. Under the writer lock. The ring is made when it is first needed; without memory for it
 * the generation counts all the same. ns: of the objects; NULL: the base one. */
void ldx_changes_tell(struct ldx_heap *heap, const struct ldx_namespace *ns, const struct ldx_change *changes,
                      size_t count);
/* A debugger reads symbols by itself: the bridge for others is not wanted. */
static inline bool ldx_changes_no_bridge(void) {
  return __atomic_load_n(&ldx_debug_block.reader, __ATOMIC_RELAXED) & LDX_DEBUG_NO_BRIDGE;
}

#endif
