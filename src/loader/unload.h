/* Taking objects out of the process. All under the writer lock. */
#ifndef LDX_LOADER_UNLOAD_H
#define LDX_LOADER_UNLOAD_H

#include "loader/context.h"

/* A handle whose closing will not be refused. */
bool ldx_is_open(const struct ldx_object *o);
/* Gives one handle back; unloads what is no longer used. */
bool ldx_close_object(struct ldx_object *o, struct ldx_diag *d);
/* Removes everything in the namespace that nothing uses. */
void ldx_collect(struct ldx_namespace *ns);

#endif
