/* Finds objects of a namespace without walking all of them: by a name, by the file, by the object's own address (a
 * handle may be anything). Under the writer lock.
 *
 * The table holds hashes only: what is found is a candidate, to be looked at. It is made when it is first asked, and
 * may be missing for lack of memory: then there is the list. */
#ifndef LDX_NAMESPACE_NAMES_H
#define LDX_NAMESPACE_NAMES_H

#include "namespace/object.h"

/* False: walk the list. */
bool ldx_names_ready(struct ldx_namespace *ns, struct ldx_heap *h);

uint32_t ldx_hash_name(const char *name);
uint32_t ldx_hash_file(dev_t dev, ino_t ino);
uint32_t ldx_hash_object(const struct ldx_object *o);

/* Candidates, one after the other; an object may come more than once. NULL at the end. */
struct ldx_names_walk {
  const struct ldx_names *table;
  uint32_t hash, at;
};
static inline struct ldx_names_walk ldx_names_walk(const struct ldx_namespace *ns, uint32_t hash) {
  return (struct ldx_names_walk){&ns->names, hash, hash & (ns->names.size - 1)};
}
struct ldx_object *ldx_names_next(struct ldx_names_walk *w);

/* Called by whoever changes the list or an object's names. */
void ldx_names_add(struct ldx_namespace *ns, struct ldx_heap *h, struct ldx_object *o);
void ldx_names_add_name(struct ldx_namespace *ns, struct ldx_heap *h, struct ldx_object *o, const char *name);
void ldx_names_remove(struct ldx_namespace *ns, struct ldx_heap *h, struct ldx_object *o);

#endif
