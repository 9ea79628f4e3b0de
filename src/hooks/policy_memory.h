/* Memory of a policy: taken in pieces, given back as a whole. */
#ifndef LDX_HOOKS_POLICY_MEMORY_H
#define LDX_HOOKS_POLICY_MEMORY_H

#include "hooks/policy.h"

/* What all lists of a policy look like. */
struct policy_list {
  char *at;
  uint32_t count, room;
};

/* Zeroed; NULL: no memory. */
void *policy_alloc(struct ldx_policy *p, size_t size);
/* A new element of `item` bytes at the list's end; NULL: no memory. */
void *policy_append(struct ldx_policy *p, void *list, size_t item);

#endif
