#include "loader/plan.h"

#include <string.h>

#include "base/print.h"
#include "elf/notes.h"
#include "loader/options.h"
#include "loader/record.h"

static const struct ldx_options *options(void) { return &ldx_self.options; }

bool ldx_plan_wanted(void) {
  const struct ldx_options *o = options();
  return o->mode == LDX_PLAN || o->record || o->frozen || o->sbom;
}

static const char *const forms[] = {"text", "json", "bindings"};

static void check_words(void) {
  const char *plan = options()->plan;
  bool known = !plan;
  for (size_t i = 0; i < LDX_COUNT(forms) && !known; i++)
    known = !strcmp(plan, forms[i]);
  if (!known)
    ldx_die_text("%s: no form of a plan; there are text, json and bindings", plan);
}

/* The policy that is checked is the only one, and it has no tools. */
static void choose_policy(struct ldx_options *o) {
  o->tools = o->tools_in_app = o->policies = (struct ldx_words){0};
  o->tools_env = o->tools_in_app_env = o->policy_env = o->audit_env = o->audit_option = NULL;
  ldx_add_word(&o->policies, "none");
  ldx_add_word(&o->policies, o->check);
}

void ldx_plan_begin(struct ldx_load *l) {
  check_words();
  ldx_journal_start();
  if (options()->check)
    choose_policy(&ldx_self.options);
  if (options()->explain)
    ldx_vanilla_begin(l);
}

bool ldx_plan_tolerates(struct ldx_load *l) {
  if (options()->mode != LDX_PLAN || !l->startup)
    return false;
  if (!ldx_is_vanilla())
    ldx_print_error(l->diag);
  ldx_journal_fault(l->diag);
  return true;
}

/* ---- taking it */

static const struct ldx_decision *decision_for(const struct ldx_object *o) {
  const struct ldx_decision *d = ldx_self.journal.first;
  while (d && (d->object != o->id || d->asks_only))
    d = d->next;
  return d;
}

const char *ldx_file_of(const struct ldx_object *o) {
  if (o->kind == LDX_PROGRAM)
    return ldx_self.exe_path ? ldx_self.exe_path : ldx_self.program_path;
  return o->map.l_name;
}

static void take_object(struct ldx_planned *x, struct ldx_object *o) {
  *x = (struct ldx_planned){.object = o, .path = ldx_file_of(o), .decision = decision_for(o)};
  if (o->faked)
    return;
  if (o->kind != LDX_VDSO)
    x->has_facts = !ldx_sys_failed(io_stat(&ldx_self.io, x->path, &x->facts));
  x->build_id = elf_build_id(&o->image, o->phdrs, o->image.phnum);
}

static uint32_t count_conflicts(void) {
  uint32_t n = 0;
  for (const struct ldx_decision *d = ldx_self.journal.first; d; d = d->next)
    for (const struct ldx_step *s = d->first; s; s = s->next)
      n += s->kind == LDX_STEP_CONFLICT;
  return n;
}

bool ldx_plan_take(struct ldx_load *l, struct ldx_plan *out) {
  *out = (struct ldx_plan){.load = l, .conflicts = count_conflicts()};
  out->at = ldx_new((l->fresh.count + 1) * sizeof *out->at);
  for (uint32_t i = 0; out->at && i < l->fresh.count; i++)
    if (!l->fresh.at[i]->faked)
      take_object(&out->at[out->count++], l->fresh.at[i]);
  return out->at;
}

uint32_t ldx_plan_place_of_id(const struct ldx_plan *p, uint64_t id) {
  for (uint32_t i = 0; id && i < p->count; i++)
    if (p->at[i].object->id == id)
      return i;
  return UINT32_MAX;
}

uint32_t ldx_plan_place(const struct ldx_plan *p, const struct ldx_object *o) {
  return o ? ldx_plan_place_of_id(p, o->id) : UINT32_MAX;
}

const char *ldx_plan_name(const struct ldx_planned *x) {
  return x->object->kind == LDX_PROGRAM ? ldx_self.program_name : x->path;
}

const char *ldx_plan_source(const struct ldx_planned *x) {
  switch (x->object->kind) {
  case LDX_PROGRAM:
    return "the program";
  case LDX_VDSO:
    return "from the kernel";
  case LDX_LOADER:
    return "ldx itself";
  default:
    return x->object->reason ? x->object->reason : "loaded for tools";
  }
}

const char *ldx_origin_text(uint32_t origin) {
  static const char *const texts[] = {"", "program", "needed", "dlopen", "preload", "tool", "audit"};
  return origin < LDX_COUNT(texts) ? texts[origin] : "";
}

/* ---- printing it */

/* False: there are warnings. */
static bool print(struct ldx_plan *p, struct ldx_out *out) {
  const struct ldx_options *o = options();
  if (o->check)
    return ldx_plan_check(p, out, o->json);
  if (o->explain && !strcmp(o->explain, "json"))
    ldx_plan_explain_json(p, out);
  else if (o->explain)
    ldx_plan_explain(p, out, o->explain);
  else if (o->tree)
    ldx_plan_print_tree(p, out);
  else if (!strcmp(o->plan, "text"))
    ldx_plan_print(p, out);
  else
    ldx_plan_print_json(p, out, !strcmp(o->plan, "bindings"));
  return true;
}

/* The message of a start that would fail was printed where the fault was found. */
static bool would_start(const struct ldx_plan *p) {
  if (p->conflicts && options()->strict)
    return false;
  return !ldx_self.journal.faults && !p->load->versions_missing;
}

static _Noreturn void print_and_end(struct ldx_load *l) {
  struct ldx_plan plan;
  struct ldx_out *out = ldx_new(sizeof *out);
  if (!out || !ldx_plan_take(l, &plan))
    ldx_die_text("%s: cannot allocate memory", ldx_self.program_name);
  out->fd = 1;
  ldx_plan_bind(&plan, NULL, NULL);
  plan.starts = would_start(&plan);
  if (ldx_is_vanilla())
    ldx_vanilla_tell(&plan);
  bool clean = print(&plan, out);
  ldx_out_flush(out);
  if (out->error)
    ldx_die_text("%s: cannot write the plan: %s", ldx_self.program_name, ldx_errno_text(out->error));
  if (!ldx_write_record() || !ldx_write_sbom())
    sys_exit(127);
  sys_exit(!plan.starts ? 127 : clean || !options()->strict ? 0 : 1);
}

bool ldx_plan_stage(struct ldx_load *l) {
  if (options()->mode == LDX_PLAN && !l->early)
    print_and_end(l);
  return true;
}
