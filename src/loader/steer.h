/* The pipeline of tools that steer a load (include/ldx/steer.h): each step asks them in tool order. What references
 * are bound to: steer_bind.h. */
#ifndef LDX_LOADER_STEER_H
#define LDX_LOADER_STEER_H

#include <ldx/steer.h>

#include "loader/load.h"

/* What kind of request the load makes at the moment: enum ldx_origin. */
uint32_t ldx_origin_of(const struct ldx_load *l);

/* The name to be loaded: `name` itself, or another one that *made holds (heap). NULL: denied, see the load's diag. */
const char *ldx_steer_name(struct ldx_load *l, const char *name, const struct ldx_object *loader, char **made);

/* What tools and the journal call an object: its path, or the name of what has none. NULL for NULL. */
const char *ldx_path_of(const struct ldx_object *o);

/* From now on searches are guided (search/guide.h): tools steer, or a journal is kept. To be called again when
 * that changes. */
void ldx_guide_searches(void);
/* The same when a tool has found its place, under the writer lock. */
void ldx_guide_for(const struct ldx_tool *t);

/* Orders the objects of a load: its search scope, or its constructors. False: see the load's diag. */
bool ldx_steer_scope(struct ldx_load *l, struct ldx_object **at, uint32_t count);
bool ldx_steer_init(struct ldx_load *l, struct ldx_object **at, uint32_t count);

#endif
