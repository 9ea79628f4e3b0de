#include "loader/named_tools.h"

#include <string.h>

#include "hooks/policy.h"
#include "loader/launch_cache.h"
#include "loader/steer.h"

/* Who names the tool, and what for. */
struct mention {
  const char *where, *what, *name;
  size_t function; /* in struct ldx_steering; 0: the tool may do it later */
};

static bool offers(const struct ldx_tool *t, size_t function) {
  const struct ldx_steering *s = __atomic_load_n(&t->steering, __ATOMIC_ACQUIRE);
  return !function || (s && function + sizeof(void *) <= s->size && *(void *const *)((const char *)s + function));
}

static void must_be_there(const struct mention *m) {
  const struct ldx_tool_order *o = __atomic_load_n(&ldx_self.hooks.order, __ATOMIC_ACQUIRE);
  const struct ldx_tool *found = NULL;
  for (uint32_t i = 0; o && i < o->count; i++) {
    const struct ldx_tool *t = o->at[i];
    if (t->object && t->state != LDX_TOOL_DISABLED &&
        (!strcmp(t->name, m->name) || (t->desc.name && !strcmp(t->desc.name, m->name))))
      found = t;
  }
  if (!found)
    ldx_die_text("%s: %s: there is no tool %s, which is to be the %s", ldx_self.program_name, m->where, m->name,
                 m->what);
  if (!offers(found, m->function))
    ldx_die_text("%s: %s: tool %s is no %s", ldx_self.program_name, m->where, m->name, m->what);
}

static void check_policy(const struct ldx_policy *p) {
  if (p->search.algorithm.is == LDX_SEARCH_TOOL)
    must_be_there(&(struct mention){.where = p->search.algorithm.where,
                                    .what = "search algorithm",
                                    .name = p->search.algorithm.text,
                                    .function = offsetof(struct ldx_steering, search)});
  for (uint32_t i = 0; i < p->io.count; i++)
    must_be_there(&(struct mention){.where = p->io.at[i].where, .what = "provider", .name = p->io.at[i].provider});
}

static void check_key(const struct ldx_launch_cache *c) {
  const struct ldx_policy *p = ldx_self.policy;
  bool policys = p && p->cache.key.text == c->key_tool;
  must_be_there(&(struct mention){.where = policys ? p->cache.key.where : "cache key",
                                  .what = "key of the launch cache",
                                  .name = c->key_tool,
                                  .function = offsetof(struct ldx_steering, key)});
}

void ldx_check_named_tools(void) {
  if (ldx_self.options.check) /* tools are not run */
    return;
  if (ldx_self.policy)
    check_policy(ldx_self.policy);
  if (ldx_self.cache && ldx_self.cache->key == LDX_KEYED_BY_TOOL)
    check_key(ldx_self.cache);
}
