/* --plan and --tree: the plan for people. */
#include <string.h>

#include <ldx/steer.h>

#include "base/sys.h"
#include "base/text.h"
#include "loader/plan.h"

enum { FIRST_COLUMN = 26 };

/* The name that the library was asked for by. */
static const char *asked(const struct ldx_planned *x) { return x->decision ? x->decision->name : x->path; }

static const char *short_name(const struct ldx_planned *x) {
  return ldx_last_part(x->object->kind == LDX_PROGRAM ? ldx_plan_name(x) : asked(x));
}

static void print_object(const struct ldx_plan *p, uint32_t i, struct ldx_out *out) {
  const struct ldx_planned *x = &p->at[i];
  const struct ldx_object *o = x->object;
  ldx_out(out, "%3u  %-*s %s\n", i, FIRST_COLUMN, short_name(x), x->path);
  ldx_out(out, "     %s", ldx_plan_source(x));
  if (x->decision && x->decision->from)
    ldx_out(out, ", %s by %s", x->decision->origin == LDX_FROM_NEEDED ? "needed" : "asked for", x->decision->from);
  ldx_out(out, "\n     at 0x%lx-0x%lx", o->map_start, o->map_end);
  if (x->has_facts)
    ldx_out(out, ", %lu bytes", (uint64_t)x->facts.st_size);
  if (o->tls.modid)
    ldx_out(out, ", TLS module %lu (%lu bytes)", o->tls.modid, o->tls.memsz);
  if (x->references + x->lazy)
    ldx_out(out, ", %u references and %u lazy ones", x->references, x->lazy);
  ldx_out(out, "%s\n", x->undefined ? ", some of them undefined" : "");
}

static void print_place(const struct ldx_plan *p, struct ldx_out *out, const struct ldx_object *o) {
  uint32_t place = ldx_plan_place(p, o);
  if (place != UINT32_MAX)
    ldx_out(out, " %s", short_name(&p->at[place]));
}

static void print_orders(const struct ldx_plan *p, struct ldx_out *out) {
  const struct ldx_scope_list *s = p->load->root->searchlist.list;
  const struct ldx_object_list *init = &p->load->root->init_order;
  ldx_out(out, "search scope:");
  for (uint32_t i = 0; s && i < s->count; i++)
    print_place(p, out, s->at[i].object);
  ldx_out(out, "\nconstructors:");
  for (uint32_t i = init->count; i-- > 0;)
    print_place(p, out, init->at[i]);
  ldx_out(out, "\n");
}

static void print_tools(struct ldx_out *out) {
  const struct ldx_tool_order *o = ldx_self.hooks.order;
  for (uint32_t i = 0; o && i < o->count; i++)
    ldx_out(out, "tool %u: %s%s%s\n", i + 1, o->at[i]->name, o->at[i]->path && *o->at[i]->path ? ": " : "",
            o->at[i]->path ? o->at[i]->path : "");
}

static void print_missing(struct ldx_out *out) {
  for (const struct ldx_decision *d = ldx_self.journal.first; d; d = d->next)
    if (d->error && d->startup)
      ldx_out(out, "missing: %s, asked for by %s: %s%s%s\n", d->name, d->from ? d->from : "nobody", d->error,
              d->code ? ": " : "", d->code ? ldx_errno_text(d->code) : "");
}

void ldx_plan_print(const struct ldx_plan *p, struct ldx_out *out) {
  for (uint32_t i = 0; i < p->count; i++)
    print_object(p, i, out);
  print_missing(out);
  print_orders(p, out);
  print_tools(out);
  ldx_out(out, "%s\n", p->starts ? "the program would start" : "the program would not start");
}

/* ---- the tree */

struct tree {
  const struct ldx_plan *plan;
  struct ldx_out *out;
  bool colour;
  char *indent; /* one character a level: whether a line goes on there */
  size_t room;
};

/* To people, not to files: on a terminal, unless they don't want it (no-color.org). */
static bool wants_colour(int fd) {
  enum { TCGETS_ = 0x5401 };
  char settings[64];
  if (ldx_sys_failed(LDX_SYS(SYS_ioctl, fd, TCGETS_, settings, 0, 0, 0)))
    return false;
  for (char **e = ldx_self.args.envp; *e; e++)
    if (!strncmp(*e, "NO_COLOR=", 9) && (*e)[9])
      return false;
  return true;
}

static void paint(const struct tree *t, const char *code) {
  if (t->colour)
    ldx_out(t->out, "\033[%sm", code);
}

static void print_name(const struct tree *t, const char *name, const char *code, const char *rest) {
  paint(t, code);
  ldx_out(t->out, "%s", name);
  paint(t, "0");
  ldx_out(t->out, "%s", rest);
}

static void draw_indent(const struct tree *t, size_t level, bool last) {
  for (size_t i = 1; i < level; i++)
    ldx_out(t->out, "%s", t->indent[i] ? "│  " : "   ");
  if (level)
    ldx_out(t->out, "%s", last ? "└─ " : "├─ ");
}

static void visit(struct tree *t, struct ldx_object *o, const char *name, size_t level, bool last);

static const char *missing_message(const struct ldx_object *by, const char *name) {
  for (const struct ldx_decision *d = ldx_self.journal.first; d; d = d->next)
    if (d->error && d->requester == by->id && !strcmp(d->name, name))
      return d->error;
  return NULL;
}

/* The object that a DT_NEEDED entry got: the decision tells. */
static struct ldx_object *needed_object(const struct tree *t, const struct ldx_object *by, const char *name) {
  for (const struct ldx_decision *d = ldx_self.journal.first; d; d = d->next)
    if (d->object && d->requester == by->id && !strcmp(d->name, name)) {
      uint32_t place = ldx_plan_place_of_id(t->plan, d->object);
      return place == UINT32_MAX ? NULL : t->plan->at[place].object;
    }
  return NULL;
}

/* Everything that the object asked for: its dependencies, the program's preloads too. */
static const struct ldx_decision *next_child(const struct ldx_decision *d, const struct ldx_object *o) {
  while (d && (d->requester != o->id || !d->startup || d->asks_only))
    d = d->next;
  return d;
}

static void visit_children(struct tree *t, struct ldx_object *o, size_t level) {
  const struct ldx_decision *d = next_child(ldx_self.journal.first, o), *next;
  if (level >= t->room && !ldx_heap_grow(&ldx_self.heap, (void **)&t->indent, &t->room, 1, 64))
    return;
  for (; d; d = next) {
    next = next_child(d->next, o);
    t->indent[level] = next != NULL;
    struct ldx_object *child = needed_object(t, o, d->name);
    if (child) {
      visit(t, child, d->name, level, !next);
      continue;
    }
    draw_indent(t, level, !next);
    const char *message = missing_message(o, d->name);
    print_name(t, d->name, "31", "");
    ldx_out(t->out, ": %s\n", message ? message : "not loaded");
  }
}

static void visit(struct tree *t, struct ldx_object *o, const char *name, size_t level, bool last) {
  const struct ldx_planned *x = &t->plan->at[ldx_plan_place(t->plan, o)];
  bool again = o->visit;
  o->visit = 1;
  draw_indent(t, level, last);
  print_name(t, name, again ? "2" : "1", "");
  if (strcmp(name, x->path))
    ldx_out(t->out, " => %s", x->path);
  ldx_out(t->out, "%s\n", again ? " (above)" : "");
  if (!again)
    visit_children(t, o, level + 1);
}

void ldx_plan_print_tree(const struct ldx_plan *p, struct ldx_out *out) {
  struct tree t = {.plan = p, .out = out, .colour = wants_colour(out->fd)};
  visit(&t, p->load->root, ldx_plan_name(&p->at[0]), 0, true);
  for (uint32_t i = 0; i < p->count; i++)
    p->at[i].object->visit = 0;
  ldx_delete(t.indent);
}
