/* The references of a plan: each is looked up as relocation would do it, and nothing is written. Resolvers of
 * indirect functions are not run. */
#include "arch/x86_64/reloc.h"

#include <string.h>

#include "loader/plan.h"
#include "loader/steer_bind.h"

struct walk {
  struct ldx_plan *plan;
  struct ldx_planned *from;
  ldx_plan_each *each;
  void *arg;
  bool lazy, incomplete;
  uint64_t last;
  uint32_t last_flags;
  struct ldx_plan_reference reference;
  struct ldx_binding found; /* without tools */
};

/* A reference that may be undefined until it is called is none that keeps the program from starting. Without all
 * libraries it is no wonder. */
static void note_undefined(struct walk *w, const struct ldx_diag *d) {
  w->reference.undefined = true;
  if (w->lazy || w->each || w->incomplete) /* with `each` it was noted before */
    return;
  if (!ldx_is_vanilla())
    ldx_print_error(d);
  ldx_journal_fault(d);
}

/* Linkers put references to one symbol in a row: they are looked up once, as in relocation. */
static void look_up(struct walk *w, uint64_t index, uint32_t flags) {
  struct ldx_object *o = w->from->object;
  struct ldx_plan_reference *r = &w->reference;
  struct ldx_diag d = {.heap = &ldx_self.heap};
  if (index == w->last && flags == w->last_flags)
    return;
  w->last = index;
  w->last_flags = flags;
  *r = (struct ldx_plan_reference){.from = w->from, .ref = elf_symbol(&o->dyn.sym, index)};
  if (!ldx_bind(o, index, flags, &d, &r->binding))
    note_undefined(w, &d);
  ldx_diag_clear(&d);
  r->name = r->ref ? elf_symbol_name(&o->dyn.sym, r->ref) : "";
  r->version = ldx_reference_version(o, index);
  r->author = r->binding.override ? "ldx" : NULL;
  w->found = r->binding;
}

static void drop_steps(struct ldx_decision *d) {
  for (struct ldx_step *s = d->first, *next; s; s = next) {
    next = s->next;
    ldx_delete(s);
  }
}

/* Tools are asked as they would be when the reference is bound. What a resolver would choose they are not. */
static void steer(struct walk *w, const Elf64_Rela *rel) {
  struct ldx_plan_reference *r = &w->reference;
  struct ldx_decision scratch = {0};
  if (!ldx_steers_binds())
    return;
  r->binding = w->found;
  r->author = r->binding.override ? "ldx" : NULL;
  r->why = NULL;
  ldx_self.journal.current = &scratch;
  ldx_steer_reference(w->plan->load, w->from->object, rel, &r->binding);
  ldx_self.journal.current = NULL;
  if (scratch.last && r->binding.override != w->found.override) {
    r->author = scratch.last->author;
    r->why = scratch.last->why;
  }
  drop_steps(&scratch);
}

const char *ldx_plan_wrapper(const struct ldx_plan *p, const struct ldx_plan_reference *r) {
  uintptr_t at = r->binding.override;
  if (!at || !strcmp(r->author, "ldx"))
    return NULL;
  for (uint32_t i = 0; i < p->count; i++) /* these cannot be found by address yet */
    if (ldx_object_holds(p->at[i].object, at))
      return p->at[i].path;
  const struct ldx_object *o = ldx_object_at(at);
  return o ? o->map.l_name : NULL;
}

static void count(struct walk *w, uint32_t place) {
  struct ldx_planned *x = w->from;
  w->lazy ? x->lazy++ : x->references++;
  if (place != UINT32_MAX)
    x->to[place]++;
  else if (w->reference.undefined)
    x->undefined++;
}

static bool is_name(const struct ldx_object *o, uint64_t index) {
  const Elf64_Sym *s = elf_symbol(&o->dyn.sym, index);
  return !s || ELF64_ST_BIND(s->st_info) != STB_LOCAL;
}

static void walk_table(struct walk *w, const struct elf_relas *t, uint64_t from) {
  for (uint64_t i = from; i < t->count; i++) {
    uint32_t type = ELF64_R_TYPE(t->at[i].r_info);
    uint64_t index = ELF64_R_SYM(t->at[i].r_info);
    if (!ldx_refers_to_symbol(type) || !index || !is_name(w->from->object, index))
      continue;
    look_up(w, index, ldx_lookup_flags(type));
    steer(w, &t->at[i]);
    w->reference.relocation = type;
    w->reference.offset = t->at[i].r_offset;
    w->reference.lazy = w->lazy;
    if (w->each)
      w->each(w->arg, &w->reference);
    else
      count(w, ldx_plan_place(w->plan, w->reference.binding.object));
  }
}

static void walk_object(struct ldx_plan *p, struct ldx_planned *x, struct walk w) {
  const struct ldx_object *o = x->object;
  w.from = x;
  if (o->relocated || o->kind == LDX_VDSO || o->kind == LDX_LOADER)
    return;
  if (!x->to && !(x->to = ldx_new(p->count * sizeof *x->to)))
    ldx_die_text("%s: cannot allocate memory", ldx_self.program_name);
  walk_table(&w, &o->dyn.rela, o->dyn.relative_count);
  w.lazy = p->load->lazy && !o->dyn.bind_now && o->dyn.pltgot;
  w.last = UINT64_MAX;
  walk_table(&w, &o->dyn.jmprel, 0);
}

void ldx_plan_bind(struct ldx_plan *p, ldx_plan_each *each, void *arg) {
  const struct walk w = {
      .plan = p, .each = each, .arg = arg, .incomplete = ldx_self.journal.faults, .last = UINT64_MAX};
  for (uint32_t i = p->count; i-- > 0;)
    walk_object(p, &p->at[i], w);
}
