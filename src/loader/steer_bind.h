/* Steering of bindings (include/ldx/steer.h, "bind"), and the policy's choice of an indirect function's variant.
 * Callers ask ldx_steers_binds() first: without tools that is one load and one test. */
#ifndef LDX_LOADER_STEER_BIND_H
#define LDX_LOADER_STEER_BIND_H

#include <ldx/steer.h>

#include "loader/load.h"

/* What a "bind" function gets; the policy, which is built in, sees all of it. */
struct ldx_rebinding {
  struct ldx_binding_request request; /* first: the address that tools get */
  const struct ldx_object *from, *to;
  const struct ldx_load *load; /* under way; NULL: a call bound lazily, or dlsym */
};

static inline bool ldx_steers_binds(void) { return __builtin_expect(ldx_self.hooks.steers_binds, 0); }
static inline bool ldx_chooses_variants(void) {
  return __builtin_expect(ldx_self.policy && ldx_self.policy->ifunc.count, 0);
}

/* A reference that was just looked up: what tools want instead goes to the binding's override. Thread-local symbols
 * and copies have no address to steer; an indirect function gets its turn when its resolver has chosen. */
void ldx_steer_reference(const struct ldx_load *l, const struct ldx_object *o, const Elf64_Rela *rel,
                         struct ldx_binding *b);
/* A resolver has chosen: *value is what the word gets instead. False with the message in the load's diag. */
bool ldx_steer_choice(const struct ldx_load *l, const struct ldx_fixup *f, uintptr_t *value);
/* The same for a call that is bound lazily; vector registers are kept. */
uintptr_t ldx_steer_lazily(const struct ldx_object *o, const Elf64_Rela *rel, const struct ldx_binding *b,
                           uintptr_t value);
/* dlsym. */
uintptr_t ldx_steer_symbol(const struct ldx_object *from, const struct ldx_sym_request *r, uintptr_t value);

/* "ifunc" of the policy: the variant that it names for the function, or *value as it is. `name` NULL: the one that is
 * known by the resolver. False: there is no such variant. */
bool ldx_choose_variant(const struct ldx_object *definer, const char *name, uintptr_t resolver, uintptr_t *value,
                        struct ldx_diag *d);

#endif
