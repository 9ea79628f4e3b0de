/* What the answer to a search depends on, beside the file system and the settings of the process. */
#ifndef LDX_SEARCH_SEARCH_CONTEXT_H
#define LDX_SEARCH_SEARCH_CONTEXT_H

#include "search/digest.h"
#include "search/library.h"

/* The name, and who asks: the folders that its RPATH, RUNPATH and those of its loaders name. Two requests of one
 * context have one answer. No system call, but where $ORIGIN must be known. */
struct ldx_digest ldx_search_context(struct ldx_library_search *s, const struct ldx_find_request *r);

/* The settings of the process that searches depend on, one a line (heap): "LD_LIBRARY_PATH=/opt/lib". */
char *ldx_search_settings(struct ldx_library_search *s, const char *more);

/* What the CPU can do, as far as the choice of folders depends on it, in words. NULL: searches did not depend on it
 * yet; with `ask` it is asked now (slow: CPUID). */
const char *ldx_search_cpu(struct ldx_library_search *s, bool ask, char *text, size_t size);

#endif
