/* --check POLICY PROGRAM: the program's libraries are resolved with the policy, and each rule is counted. Nobody's
 * code is run, tools' neither.
 *
 * As JSON (--json): ldx "check", schema, version, program, starts, errors as in the plan's JSON; policy: the file;
 * rules [{section, where, about, matches}], in the order of the schema, with matches null for what only shows when
 * the program runs; warnings: how many rules have matched nothing. */
#include <string.h>

#include "hooks/policy.h"
#include "base/text.h"
#include "loader/plan.h"

enum { UNCOUNTED = -1 };

struct check {
  const struct ldx_plan *plan;
  struct ldx_out *out;
  bool json;
  uint32_t rules, warnings;
};

/* Reasons of the policy's steps end with the place of the rule: "rule FILE:1:2", "text (FILE:1:2)", or no more than
 * that. */
static bool is_reason(const char *why, const char *where) {
  size_t n = strlen(where), len = why ? strlen(why) : 0;
  if (len && why[len - 1] == ')')
    len--;
  if (!why || len < n || strncmp(why + len - n, where, n))
    return false;
  return len == n || why[len - n - 1] == ' ' || why[len - n - 1] == '(';
}

static uint32_t count_steps(const struct ldx_decision *d, const char *where) {
  uint32_t n = 0;
  for (const struct ldx_step *s = d ? d->first : NULL; s; s = s->next)
    n += s->author && !strcmp(s->author, "policy") && is_reason(s->why, where);
  return n;
}

static uint32_t count_all(const char *where) {
  uint32_t n = count_steps(ldx_self.journal.orders, where);
  for (const struct ldx_decision *d = ldx_self.journal.first; d; d = d->next)
    n += count_steps(d, where);
  return n;
}

static void tell(struct check *c, const char *section, const char *where, const char *about, int64_t matches) {
  c->rules++;
  c->warnings += matches == 0;
  if (c->json) {
    ldx_json_open(c->out, NULL, '{');
    ldx_json_text(c->out, "section", section);
    ldx_json_text(c->out, "where", where);
    ldx_json_text(c->out, "about", about);
    ldx_json_place(c->out, "matches", matches, matches != UNCOUNTED);
    ldx_json_close(c->out, '}');
    return;
  }
  ldx_out(c->out, "  %-10s %-24s %s: ", section, where, about);
  if (matches == UNCOUNTED)
    ldx_out(c->out, "shows when the program runs\n");
  else if (matches)
    ldx_out(c->out, "matched %ld time%s\n", (long)matches, matches == 1 ? "" : "s");
  else
    ldx_out(c->out, "matched nothing\n");
}

/* References that a rule has rebound. */
struct rebound {
  const char *where;
  uint32_t count;
};

static void count_reference(void *arg, const struct ldx_plan_reference *r) {
  struct rebound *b = arg;
  b->count += r->author && !strcmp(r->author, "policy") && is_reason(r->why, b->where);
}

static void tell_bindings(struct check *c, const struct ldx_policy *p) {
  for (uint32_t i = 0; i < p->bind.count; i++) {
    struct rebound b = {p->bind.at[i].where, 0};
    ldx_plan_bind((struct ldx_plan *)c->plan, count_reference, &b);
    tell(c, "bind", b.where, p->bind.at[i].sym, b.count);
  }
}

/* Libraries of the plan that a pattern names. */
static uint32_t count_named(const struct check *c, const char *glob) {
  uint32_t n = 0;
  for (uint32_t i = 1; i < c->plan->count; i++) {
    const struct ldx_object *o = c->plan->at[i].object;
    n += o->kind == LDX_LIBRARY &&
         ((o->soname && ldx_policy_match(glob, o->soname, NULL)) || ldx_policy_match(glob, o->map.l_name, NULL) ||
          ldx_policy_match(glob, ldx_last_part(o->map.l_name), NULL));
  }
  return n;
}

static uint32_t count_preloads(const char *name) {
  uint32_t n = 0;
  for (const struct ldx_decision *d = ldx_self.journal.first; d; d = d->next)
    n += d->origin == LDX_FROM_PRELOAD && d->object && !strcmp(d->name, name);
  return n;
}

static void tell_steering(struct check *c, const struct ldx_policy *p) {
  for (uint32_t i = 0; i < p->rewrite.count; i++)
    tell(c, "rewrite", p->rewrite.at[i].where, p->rewrite.at[i].when.match, count_all(p->rewrite.at[i].where));
  for (uint32_t i = 0; i < p->deny.count; i++)
    tell(c, "deny", p->deny.at[i].where, p->deny.at[i].match, count_all(p->deny.at[i].where));
  for (uint32_t i = 0; i < p->provide.count; i++)
    tell(c, "provide", p->provide.at[i].where, p->provide.at[i].name, count_all(p->provide.at[i].where));
}

static void tell_orders(struct check *c, const struct ldx_policy *p) {
  for (uint32_t i = 0; i < p->preload.count; i++)
    tell(c, "preload", p->preload.at[i].where, p->preload.at[i].text, count_preloads(p->preload.at[i].text));
  for (uint32_t i = 0; i < p->load_order.count; i++)
    tell(c, "load_order", p->load_order.at[i].where, p->load_order.at[i].text,
         count_named(c, p->load_order.at[i].text));
  for (uint32_t i = 0; i < p->init_order.count; i++) {
    const struct ldx_policy_pair *pair = &p->init_order.at[i];
    uint32_t first = count_named(c, pair->first), second = count_named(c, pair->second);
    tell(c, "init_order", pair->where, pair->first, first && second);
  }
}

static void tell_others(struct check *c, const struct ldx_policy *p) {
  for (uint32_t i = 0; i < p->tools.count; i++)
    tell(c, "tools", p->tools.at[i].where, p->tools.at[i].path, UNCOUNTED);
  for (uint32_t i = 0; i < p->io.count; i++)
    tell(c, "io", p->io.at[i].where, p->io.at[i].provider, UNCOUNTED);
  for (uint32_t i = 0; i < p->namespaces.count; i++)
    tell(c, "namespaces", p->namespaces.at[i].where, p->namespaces.at[i].name, UNCOUNTED);
  for (uint32_t i = 0; i < p->ifunc.count; i++)
    tell(c, "ifunc", p->ifunc.at[i].where, p->ifunc.at[i].sym, UNCOUNTED);
}

static void tell_rules(struct check *c) {
  const struct ldx_policy *p = ldx_self.policy;
  if (!p)
    return;
  tell_others(c, p);
  tell_steering(c, p);
  tell_orders(c, p);
  tell_bindings(c, p);
}

bool ldx_plan_check(struct ldx_plan *p, struct ldx_out *out, bool json) {
  struct check c = {.plan = p, .out = out, .json = json};
  if (json) {
    ldx_json_open(out, NULL, '{');
    ldx_plan_json_head(p, out, "check");
    ldx_json_text(out, "policy", ldx_self.options.check);
    ldx_json_open(out, "rules", '[');
    tell_rules(&c);
    ldx_json_close(out, ']');
    ldx_json_number(out, "warnings", c.warnings);
    ldx_json_close(out, '}');
    return !c.warnings;
  }
  ldx_out(out, "%s\n", ldx_self.options.check);
  tell_rules(&c);
  ldx_out(out, "%u rule%s, %u of them matched nothing; the program would %sstart\n", c.rules, c.rules == 1 ? "" : "s",
          c.warnings, p->starts ? "" : "not ");
  return !c.warnings;
}
