/* The LD_DEBUG lines that tell of objects and symbols, worded as the system loader words them: people and tools
 * read them. Callers ask ldx_tracing() first where making the arguments costs something. */
#ifndef LDX_LOADER_TRACE_H
#define LDX_LOADER_TRACE_H

#include "loader/load.h"

/* For symbol requests: the function that tells each object looked into, or NULL when nobody listens. */
void ldx_trace_tried(const struct ldx_sym_request *r, const struct ldx_object *o);
static inline ldx_sym_tried *ldx_symbol_trace(void) {
  return ldx_tracing(LDX_DEBUG_SYMBOLS) ? ldx_trace_tried : NULL;
}

/* What the reference of r->from was bound to. */
void ldx_trace_binding(const struct ldx_sym_request *r, bool protected);
/* `by` was bound to a symbol of `o` beyond its dependencies: `o` stays as long as `by`. */
void ldx_trace_dependency(const struct ldx_object *o, const struct ldx_object *by);
/* The same for `by` that never goes. */
void ldx_trace_pinned(const struct ldx_object *o, const struct ldx_object *by);
/* A lookup ("symbol lookup", say) that failed; `continued` when the loader goes on all the same. */
void ldx_trace_error(const struct ldx_diag *d, const char *what, bool continued);

/* A file is going to be mapped; it has been; what of an object's flags goes unheeded. */
void ldx_trace_map(const char *name, const struct ldx_namespace *ns);
void ldx_trace_mapped(const struct ldx_object *o);
void ldx_trace_flags(const struct ldx_object *o);

/* An object goes, or a load that brought it has failed. */
void ldx_trace_destroyed(const struct ldx_object *o);

/* The scope of an object from its slot `first` on. */
void ldx_trace_scope(const struct ldx_object *o, uint32_t first);
/* At start-up: every object's. */
void ldx_trace_scopes(const struct ldx_load *l);

/* _dl_debug_printf for the guest's libc: the text has its own line ends. */
void ldx_guest_debug_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
