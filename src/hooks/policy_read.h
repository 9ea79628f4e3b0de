/* Reading one text into a policy: what the files of policy*.c share. */
#ifndef LDX_HOOKS_POLICY_READ_H
#define LDX_HOOKS_POLICY_READ_H

#include "hooks/policy_json.h"
#include "hooks/policy_memory.h"
#include "hooks/policy_schema.h"

struct policy_reading {
  struct ldx_policy *policy;
  const struct ldx_policy_reader *reader;
  struct json json;
  const char *file; /* for messages */
  uint32_t faults;
};

/* States a fault at a token; always false. */
bool policy_fault(struct policy_reading *g, uint32_t token, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The same without a place: `where` is the text in front. */
void policy_tell(const struct ldx_policy_reader *r, const char *where, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* "FILE:LINE:COLUMN" of a token, kept. */
const char *policy_where(struct policy_reading *g, uint32_t token);

/* Reads the token into *to, as the shape says. */
bool policy_read_object(struct policy_reading *g, enum policy_shape shape, uint32_t token, void *to);
/* The value of a key of an object, or 0. */
uint32_t policy_value_of(const struct policy_reading *g, uint32_t object, const char *key);
bool policy_read_paths(struct policy_reading *g, const char *key, uint32_t token, ldx_policy_texts *to);

/* policy_expand.c: the text with its variables replaced: itself, a kept text, or NULL: *unset says whether that is
 * for a variable without a value, else the fault was told. A template keeps $0 to $9 and $$. */
const char *policy_expand(struct policy_reading *g, uint32_t token, const char *text, bool template, bool *unset);

/* policy_order.c: whether the orders go round in a circle. */
bool policy_check_orders(const struct ldx_policy *p, const struct ldx_policy_reader *r);

#endif
