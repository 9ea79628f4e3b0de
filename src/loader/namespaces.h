/* Namespaces beyond the base one, and what they share with it. All under the writer lock. */
#ifndef LDX_LOADER_NAMESPACES_H
#define LDX_LOADER_NAMESPACES_H

#include "loader/load.h"

/* Flags of include/ldx/dlfcn.h. */
enum { LDX_RTLD_ISOLATE = 0x40, LDX_RTLD_SHARED = 0x80 };
/* DT_GNU_FLAGS_1 (binutils, ld -z unique) */
enum { LDX_DF_GNU_1_UNIQUE = 1 };

/* NULL: there is none. Lock-free. */
struct ldx_namespace *ldx_namespace_of_id(long id);
/* What the policy says of a new namespace: it is named by the file that dlmopen asks for. NULL: nothing. */
const struct ldx_policy_namespace *ldx_namespace_rule(const char *file);
/* NULL: out of memory. */
struct ldx_namespace *ldx_namespace_new(bool isolated);
/* Forgets a namespace in which nothing is left. */
void ldx_namespace_drop_empty(struct ldx_namespace *ns);

/* The proxy for what `name` (or the file) means in the base namespace, when the load shares it. NULL: it does not, or
 * see diag. */
struct ldx_object *ldx_share_named(struct ldx_load *l, const char *name);
struct ldx_object *ldx_share_file(struct ldx_load *l, const struct stat *st, const char *name);
/* Whether an object belongs into the base namespace when this load asks for it. */
bool ldx_is_shared(const struct ldx_load *l, const struct ldx_object *o);
/* Moves a newly mapped object there, loads it, and gives its proxy. */
struct ldx_object *ldx_share_mapped(struct ldx_load *l, struct ldx_object *o, const char *name);
/* A proxy that becomes a root is searched as the real object is. */
bool ldx_root_proxy(struct ldx_load *l);
/* False, and an error: what is loaded there itself cannot become a proxy. */
bool ldx_check_demotion(struct ldx_load *l, const struct ldx_object *o);
/* COMMIT: the real objects have come to stay. */
void ldx_keep_shared(struct ldx_load *l);

#endif
