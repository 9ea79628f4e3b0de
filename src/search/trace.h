/* What LD_DEBUG=libs tells of a search, in the words of the system loader. Costs nothing when nobody listens. */
#ifndef LDX_SEARCH_TRACE_H
#define LDX_SEARCH_TRACE_H

#include "search/library.h"

void ldx_trace(struct ldx_library_search *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* " search path=...": the folders of the list from `first` on that have the same source. */
struct ldx_search_dirs;
void ldx_trace_dirs(struct ldx_library_search *s, const struct ldx_search_dirs *l, uint32_t first);

#endif
