/* The block _ldx_debug (include/ldx/debug.h): what changed, for debuggers that know it. */
#ifndef LDX_DEBUG_PROTOCOL_CHANGES_H
#define LDX_DEBUG_PROTOCOL_CHANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/heap.h"

struct ldx_object;
struct ldx_namespace;

/* What one change is; texts are copied. */
struct ldx_change {
  uint32_t kind; /* LDX_DEBUG_* */
  uint32_t symbol_type;
  const struct ldx_object *object;
  const char *name;
  uint64_t value, size, old;
};

/* One announcement: writes the changes, counts the generation, calls _ldx_debug_changed and passes the probe
 * ldx:symbols_changed. More changes than half the ring of one object are told as LDX_DEBUG_OBJECT_CHANGED. Under the
 * writer lock. The ring is made when it is first needed; without memory for it the generation counts all the same. */
void ldx_changes_tell(struct ldx_heap *heap, const struct ldx_namespace *ns, const struct ldx_change *changes,
                      size_t count);
/* A debugger reads symbols by itself: the bridge for others is not wanted. */
bool ldx_changes_no_bridge(void);

/* A debugger's breakpoint. */
void _ldx_debug_changed(void);

#endif
