#include "loader/steer_bind.h"

#include "arch/x86_64/reloc.h"
#include "loader/guard.h"
#include "loader/journal.h"
#include "loader/steer.h"

static bool is_indirect(const struct ldx_binding *b) {
  return b->sym && !b->override && ELF64_ST_TYPE(b->sym->st_info) == STT_GNU_IFUNC && b->sym->st_shndx != SHN_UNDEF;
}

static bool has_address(uint32_t type) {
  return type != REL_DTPMOD && type != REL_DTPOFF && type != REL_TPOFF && type != REL_TLSDESC && type != REL_COPY &&
         type != REL_SIZE32 && type != REL_SIZE64;
}

/* One callback of a tool. */
struct asking {
  struct ldx_tool *tool;
  struct ldx_rebinding *b;
  struct ldx_answer answer;
  void *value;
  enum ldx_verdict verdict;
};

static void ask(void *arg) {
  struct asking *a = arg;
  const struct ldx_steering *s = __atomic_load_n(&a->tool->steering, __ATOMIC_ACQUIRE);
  if (s)
    a->verdict = s->bind(a->tool->steering_ctx, &a->b->request, &a->value, &a->answer);
}

static bool offers_bind(const struct ldx_tool *t) {
  const struct ldx_steering *s = t->state == LDX_TOOL_READY ? __atomic_load_n(&t->steering, __ATOMIC_ACQUIRE) : NULL;
  return s && offsetof(struct ldx_steering, bind) + sizeof s->bind <= s->size && s->bind;
}

static bool is_tools(const struct ldx_object *o) { return o->of_tool || (o->ns && o->ns->of_tool); }

/* Each tool sees what the one before made of it. What a tool itself refers to is not steered. */
static uintptr_t steer(struct ldx_rebinding *b) {
  const struct ldx_tool_order *tools = __atomic_load_n(&ldx_self.hooks.order, __ATOMIC_ACQUIRE);
  for (uint32_t i = 0; tools && !is_tools(b->from) && i < tools->count; i++) {
    struct asking a = {.tool = tools->at[i], .b = b, .value = b->request.value};
    if (!offers_bind(a.tool))
      continue;
    a.answer = (struct ldx_answer){.size = sizeof a.answer, .fd = -1};
    struct ldx_guarded *g = ldx_guard_begin();
    bool said = ldx_guard_call(g, a.tool, "its steering of a ", "binding", ask, &a);
    ldx_guard_end(g);
    if (said && a.verdict == LDX_CHANGED) {
      b->request.value = a.value;
      ldx_journal_step(&(struct ldx_step){
          .kind = LDX_STEP_REWRITE, .what = LDX_STEP_BINDING, .author = a.tool->name, .why = a.answer.why});
    }
    if (said && a.verdict == LDX_STOP)
      break;
  }
  return (uintptr_t)b->request.value;
}

static struct ldx_rebinding rebinding(const struct ldx_load *l, const struct ldx_object *from, const char *symbol,
                                      const struct ldx_version *version, const struct ldx_object *to,
                                      uintptr_t value) {
  return (struct ldx_rebinding){.request = {.size = sizeof(struct ldx_binding_request),
                                            .symbol = symbol,
                                            .version = version ? version->name : NULL,
                                            .from = from->id,
                                            .to = to ? to->id : 0,
                                            .from_path = ldx_path_of(from),
                                            .to_path = ldx_path_of(to),
                                            .value = (void *)value},
                                .from = from,
                                .to = to,
                                .load = l};
}

static struct ldx_rebinding of_reference(const struct ldx_load *l, const struct ldx_object *o, const Elf64_Rela *rel,
                                         const struct ldx_object *definer, uintptr_t value) {
  uint64_t index = ELF64_R_SYM(rel->r_info);
  const char *name = elf_symbol_name(&o->dyn.sym, elf_symbol(&o->dyn.sym, index));
  struct ldx_rebinding b = rebinding(l, o, name, ldx_reference_version(o, index), definer, value);
  b.request.relocation = ELF64_R_TYPE(rel->r_info);
  b.request.slot = (void **)(o->map.l_addr + rel->r_offset);
  return b;
}

void ldx_steer_reference(const struct ldx_load *l, const struct ldx_object *o, const Elf64_Rela *rel,
                         struct ldx_binding *b) {
  if (!has_address(ELF64_R_TYPE(rel->r_info)) || is_indirect(b))
    return;
  uintptr_t value = ldx_binding_address(b);
  struct ldx_rebinding r = of_reference(l, o, rel, b->object, value);
  uintptr_t meant = steer(&r);
  if (meant == value)
    return;
  b->override = meant;
  b->was = value;
}

bool ldx_steer_choice(const struct ldx_load *l, const struct ldx_fixup *f, uintptr_t *value) {
  const struct ldx_object *o = f->object;
  uint64_t index = ELF64_R_SYM(f->rel->r_info);
  const char *name = index ? elf_symbol_name(&o->dyn.sym, elf_symbol(&o->dyn.sym, index)) : NULL;
  if (ldx_chooses_variants() && !ldx_choose_variant(f->definer, name, f->resolver, value, l->diag))
    return false;
  if (!name || !ldx_steers_binds())
    return true;
  struct ldx_rebinding r = of_reference(l, o, f->rel, f->definer, *value);
  *value = steer(&r);
  return true;
}

/* A call that is bound: the program's vector registers hold its arguments. */
struct late {
  const struct ldx_object *object;
  const Elf64_Rela *rel;
  const struct ldx_binding *binding;
  uintptr_t value;
};

static uintptr_t steer_late(uintptr_t arg) {
  struct late *a = (struct late *)arg;
  struct ldx_diag d = {.heap = &ldx_self.heap};
  const struct ldx_binding *b = a->binding;
  const struct elf_symtab *t = &a->object->dyn.sym;
  const char *name = elf_symbol_name(t, elf_symbol(t, ELF64_R_SYM(a->rel->r_info)));
  if (is_indirect(b) && ldx_chooses_variants() &&
      !ldx_choose_variant(b->object, name, ldx_binding_address(b), &a->value, &d))
    ldx_die(&d);
  if (ldx_steers_binds()) {
    struct ldx_rebinding r = of_reference(NULL, a->object, a->rel, b->object, a->value);
    a->value = steer(&r);
  }
  return 0;
}

uintptr_t ldx_steer_lazily(const struct ldx_object *o, const Elf64_Rela *rel, const struct ldx_binding *b,
                           uintptr_t value) {
  struct late a = {o, rel, b, value};
  ldx_call_keeping_vectors(&ldx_self.cpu, steer_late, (uintptr_t)&a);
  return a.value;
}

uintptr_t ldx_steer_symbol(const struct ldx_object *from, const struct ldx_sym_request *r, uintptr_t value) {
  struct ldx_diag d = {.heap = &ldx_self.heap};
  unsigned type = ELF64_ST_TYPE(r->sym->st_info);
  if (type == STT_TLS)
    return value;
  if (type == STT_GNU_IFUNC && ldx_chooses_variants() &&
      !ldx_choose_variant(r->object, r->name.text, ldx_symbol_address(r->object, r->sym), &value, &d))
    ldx_die(&d);
  if (!ldx_steers_binds())
    return value;
  struct ldx_rebinding b = rebinding(NULL, from, r->name.text, r->version, r->object, value);
  return steer(&b);
}
