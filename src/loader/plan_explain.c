/* --explain: for each library why it is there, from where, what was tried, and who changed it; the order of tools;
 * and what differs from the vanilla plan, with its author. */
#include <string.h>

#include "base/text.h"
#include "loader/plan.h"

static const char *or_else(const char *text, const char *otherwise) { return text ? text : otherwise; }

static void because(struct ldx_out *out, const char *why) {
  if (why && *why)
    ldx_out(out, ": %s", why);
}

/* Attempts that failed are folded: their number, and the first. */
struct attempts {
  uint32_t count;
  const struct ldx_step *first;
};

static void flush(struct attempts *a, struct ldx_out *out) {
  if (a->count == 1)
    ldx_out(out, "  tried    %s: %s\n", a->first->to, ldx_errno_text(a->first->error));
  else if (a->count)
    ldx_out(out, "  tried    %u files, first %s: %s\n", a->count, a->first->to, ldx_errno_text(a->first->error));
  *a = (struct attempts){0};
}

static void explain_step(const struct ldx_step *s, struct ldx_out *out) {
  switch (s->kind) {
  case LDX_STEP_REWRITE:
    ldx_out(out, "  changed  %s %s to %s, by tool %s", s->what, s->from, s->to, s->author);
    because(out, s->why);
    break;
  case LDX_STEP_DENY:
    ldx_out(out, "  denied   %s %s, by tool %s", s->what, s->from, s->author);
    because(out, s->why);
    break;
  case LDX_STEP_CONFLICT:
    ldx_out(out, "  conflict tool %s wants the %s %s, but tool %s has changed it: %s", s->author, s->what, s->to,
            s->from, or_else(s->why, ""));
    break;
  case LDX_STEP_KNOWN:
    ldx_out(out, "  known    %s", or_else(s->why, "already"));
    break;
  case LDX_STEP_CACHE:
    ldx_out(out, "  cache    %s says %s", or_else(s->source, "?"), or_else(s->to, "nothing"));
    break;
  case LDX_STEP_IMAGE:
    ldx_out(out, "  image    from memory instead of %s, by tool %s", s->to, s->author);
    because(out, s->why);
    break;
  default:
    return;
  }
  ldx_out(out, "\n");
}

static void explain_steps(const struct ldx_decision *d, struct ldx_out *out) {
  struct attempts a = {0};
  for (const struct ldx_step *s = d->first; s; s = s->next) {
    if (s->kind == LDX_STEP_LIST)
      continue;
    if (s->kind == LDX_STEP_TRY && s->error) {
      a.first = a.count++ ? a.first : s;
      continue;
    }
    flush(&a, out);
    explain_step(s, out);
  }
  flush(&a, out);
}

static void also_asked(const struct ldx_planned *x, struct ldx_out *out) {
  uint32_t n = 0;
  for (const struct ldx_decision *d = ldx_self.journal.first; d; d = d->next) {
    if (d == x->decision || d->object != x->object->id || !d->from)
      continue;
    ldx_out(out, "%s%s", n++ ? ", " : "  also by  ", d->from);
    if (x->decision && strcmp(d->name, x->decision->name))
      ldx_out(out, " (as %s)", d->name);
  }
  if (n)
    ldx_out(out, "\n");
}

static void explain_object(const struct ldx_plan *p, uint32_t i, struct ldx_out *out) {
  const struct ldx_planned *x = &p->at[i];
  const struct ldx_decision *d = x->decision;
  ldx_out(out, "%s\n  file     %s\n", d ? d->name : ldx_plan_name(x), x->path);
  if (d && d->from)
    ldx_out(out, "  asked by %s (%s)\n", d->from, ldx_origin_text(d->origin));
  also_asked(x, out);
  ldx_out(out, "  found    %s\n", ldx_plan_source(x));
  if (d)
    explain_steps(d, out);
  ldx_out(out, "\n");
}

static void explain_missing(struct ldx_out *out, const char *pattern, size_t n) {
  for (const struct ldx_decision *d = ldx_self.journal.first; d; d = d->next) {
    if (!d->error || !d->startup || (pattern && !ldx_glob(pattern, n, d->name)))
      continue;
    ldx_out(out, "%s\n  missing  %s%s%s\n", d->name, d->error, d->code ? ": " : "",
            d->code ? ldx_errno_text(d->code) : "");
    if (d->from)
      ldx_out(out, "  asked by %s (%s)\n", d->from, ldx_origin_text(d->origin));
    explain_steps(d, out);
    ldx_out(out, "\n");
  }
}

static void explain_tools(struct ldx_out *out) {
  const struct ldx_tool_order *o = ldx_self.hooks.order;
  if (o && o->count)
    ldx_out(out, "tools, in order\n");
  for (uint32_t i = 0; o && i < o->count; i++)
    ldx_out(out, "  %u. %s (%s): %s%s\n", i + 1, o->at[i]->name,
            o->at[i]->path && *o->at[i]->path ? o->at[i]->path : "built in", or_else(o->at[i]->why_here, "the first"),
            o->at[i]->state == LDX_TOOL_READY ? "" : "; disabled");
  const struct ldx_decision *orders = ldx_self.journal.orders;
  for (const struct ldx_step *s = orders ? orders->first : NULL; s; s = s->next)
    explain_step(s, out);
  if (o && o->count)
    ldx_out(out, "\n");
}

/* ---- differences */

struct differing {
  struct ldx_out *out;
  uint32_t count;
};

static void put_author(struct ldx_out *out, const struct ldx_difference *d) {
  if (d->author) {
    ldx_out(out, "    by %s", d->author);
    because(out, d->why);
    ldx_out(out, "\n");
  }
  bool any = d->author;
  for (const struct ldx_step *s = d->decision ? d->decision->first : NULL; s; s = s->next)
    if (s->author && s->kind != LDX_STEP_CONFLICT) {
      ldx_out(out, "    by %s (%s)", s->author, or_else(s->what, "image"));
      because(out, s->why);
      ldx_out(out, "\n");
      any = true;
    }
  if (!any)
    ldx_out(out, "    follows from another difference\n");
}

static void put_difference(void *arg, const struct ldx_difference *d) {
  struct differing *x = arg;
  struct ldx_out *out = x->out;
  const char *now = or_else(d->now, "nothing"), *vanilla = or_else(d->vanilla, "nothing");
  if (!x->count++)
    ldx_out(out, "differences from the vanilla plan (without tools, policies and caches)\n");
  switch (d->kind) {
  case LDX_DIFF_FILE:
    ldx_out(out, "  %s for %s: %s, not %s\n", d->name, or_else(d->from, "nobody"), now, vanilla);
    break;
  case LDX_DIFF_MORE:
    ldx_out(out, "  %s for %s: %s, which is not asked for otherwise\n", d->name, or_else(d->from, "nobody"), now);
    break;
  case LDX_DIFF_LESS:
    ldx_out(out, "  %s for %s: %s is not loaded\n", d->name, or_else(d->from, "nobody"), vanilla);
    break;
  case LDX_DIFF_BINDING:
    ldx_out(out, "  symbol %s for %s: in %s, not %s\n", d->name, d->from, now, vanilla);
    break;
  default:
    ldx_out(out, "  order of %s: %s stands where %s would\n",
            d->kind == LDX_DIFF_SCOPE ? "the search scope" : "constructors", now, vanilla);
  }
  put_author(out, d);
}

static void explain_differences(const struct ldx_plan *p, struct ldx_out *out) {
  struct differing x = {out, 0};
  const char *why;
  if (!ldx_plan_compare(p, put_difference, &x, &why))
    ldx_out(out, "the vanilla plan is not known: %s\n", why);
  else if (!x.count)
    ldx_out(out, "the plan is the vanilla plan: tools, policies and caches change nothing\n");
}

static bool matches(const struct ldx_planned *x, const char *pattern, size_t n) {
  return ldx_glob(pattern, n, x->path) || ldx_glob(pattern, n, ldx_last_part(x->path)) ||
         (x->decision && ldx_glob(pattern, n, x->decision->name)) ||
         (x->object->soname && ldx_glob(pattern, n, x->object->soname));
}

void ldx_plan_explain(const struct ldx_plan *p, struct ldx_out *out, const char *pattern) {
  size_t n = strlen(pattern);
  for (uint32_t i = 0; i < p->count; i++)
    if (!n || matches(&p->at[i], pattern, n))
      explain_object(p, i, out);
  explain_missing(out, n ? pattern : NULL, n);
  explain_tools(out);
  explain_differences(p, out);
  if (!p->starts)
    ldx_out(out, "the program would not start\n");
}

/* ---- as JSON: ldx "explanation", schema, version, program, starts, errors, tools, requests as in the plan's JSON;
 * vanilla: whether there is a plan to compare with; differences [{kind, name, from, vanilla, now, authors [{author,
 * what, why}]}]. */

static void json_author(struct ldx_out *out, const char *author, const char *what, const char *why) {
  ldx_json_open(out, NULL, '{');
  ldx_json_text(out, "author", author);
  ldx_json_text(out, "what", what);
  ldx_json_text(out, "why", why);
  ldx_json_close(out, '}');
}

static void json_difference(void *arg, const struct ldx_difference *d) {
  struct ldx_out *out = arg;
  ldx_json_open(out, NULL, '{');
  ldx_json_text(out, "kind", ldx_difference_text(d->kind));
  ldx_json_text(out, "name", d->name);
  ldx_json_text(out, "from", d->from);
  ldx_json_text(out, "vanilla", d->vanilla);
  ldx_json_text(out, "now", d->now);
  ldx_json_open(out, "authors", '[');
  if (d->author)
    json_author(out, d->author, NULL, d->why);
  for (const struct ldx_step *s = d->decision ? d->decision->first : NULL; s; s = s->next)
    if (s->author && s->kind != LDX_STEP_CONFLICT)
      json_author(out, s->author, s->what, s->why);
  ldx_json_close(out, ']');
  ldx_json_close(out, '}');
}

void ldx_plan_explain_json(const struct ldx_plan *p, struct ldx_out *out) {
  const char *why;
  ldx_json_open(out, NULL, '{');
  ldx_plan_json_head(p, out, "explanation");
  ldx_plan_json_tools(out);
  ldx_json_open(out, "requests", '[');
  for (const struct ldx_decision *d = ldx_self.journal.first; d; d = d->next)
    ldx_plan_json_decision(p, out, d);
  ldx_json_close(out, ']');
  ldx_json_open(out, "differences", '[');
  bool known = ldx_plan_compare(p, json_difference, out, &why);
  ldx_json_close(out, ']');
  ldx_json_bool(out, "vanilla", known);
  ldx_json_close(out, '}');
}
