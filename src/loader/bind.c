/* From a reference to its binding, with the system loader's messages when there is none. */
#include <string.h>

#include "base/print.h"
#include "loader/tell_memory.h"
#include "loader/trace.h"

void ldx_symbol_not_found(struct ldx_object *from, const struct ldx_sym_request *r, struct ldx_diag *d) {
  const char *object = ldx_display_name(from);
  const struct ldx_version *v = r->version;
  ldx_fail(d, LDX_DIAG_SYMBOL, 0, object, "undefined symbol: %s%s%s", r->name.text, v ? ", version " : "",
           v ? v->name : "");
}

/* Under the lock: false when the definer is on its way out. */
static bool note_dependency(struct ldx_object *from, struct ldx_object *to) {
  if (to->closing && !from->closing)
    return false;
  from->last_dependency = to;
  bool stays = !from->dlopened && !from->pending; /* what stays by RTLD_NODELETE has dependencies like others */
  if (stays)
    ldx_trace_pinned(to, from);
  if (stays)
    to->nodelete = true;
  else if (!ldx_list_has(&from->reldeps, to) && ldx_list_add(&ldx_self.heap, &from->reldeps, to))
    ldx_trace_dependency(to, from);
  return true;
}

/* A library that was bound to by somebody who does not depend on it must not go while he lives. What one namespace
 * uses of another is shared, and stays. */
bool ldx_add_dependency(struct ldx_object *from, struct ldx_object *to) {
  bool to_may_go = (to->dlopened || to->pending) && !to->nodelete;
  if (from == to || !to_may_go || from->ns != to->ns || from->last_dependency == to || ldx_self.starting)
    return true;
  if (ldx_list_has(&from->needed, to) || ldx_list_has(&from->init_order, to))
    return true; /* these do not change */
  ldx_rlock_enter(&ldx_self.lock);
  bool ok = note_dependency(from, to);
  ldx_rlock_leave(&ldx_self.lock);
  return ok;
}

static unsigned visibility(const Elf64_Sym *s) { return s->st_other & 3; }

/* A protected symbol binds to its own object, unless somebody else's definition would have won for data. */
static void prefer_protected(struct ldx_object *o, struct ldx_sym_request *r) {
  if (r->object == o || !r->sym)
    return;
  if (!(r->flags & LDX_SYM_PLT)) {
    struct ldx_sym_request again = *r;
    again.flags |= LDX_SYM_PLT;
    if (!ldx_find_symbol(o->scope, &again) || again.object == o)
      return;
  }
  r->sym = r->ref;
  r->object = o;
}

/* A program built for old rules copies a protected variable, or has its own address for a protected function. */
static bool check_protected(struct ldx_object *o, const struct ldx_sym_request *r, struct ldx_diag *d) {
  if (visibility(r->sym) != STV_PROTECTED || r->object == o || o->indirect_access)
    return true;
  bool copy = r->flags & LDX_SYM_COPY;
  bool address = r->ref->st_shndx == SHN_UNDEF && r->ref->st_value && ELF64_ST_TYPE(r->ref->st_info) == STT_FUNC;
  const char *name = r->name.text, *where = ldx_display_name(r->object);
  if (copy)
    ldx_print(2, "warning: copy relocation against non-copyable protected symbol `%s' in `%s'\n", name, where);
  else if (address)
    ldx_print(2, "warning: direct reference to protected function `%s' in `%s' may break pointer equality\n", name,
              where);
  if (!(copy || address) || !r->object->indirect_access)
    return true;
  return ldx_fail(d, LDX_DIAG_LOAD, 0, name, "%s: error due to GNU_PROPERTY_1_NEEDED_INDIRECT_EXTERN_ACCESS", where);
}

/* Once more when another thread is taking the definer out. */
static bool look_up(struct ldx_object *o, struct ldx_sym_request *r, unsigned ref_visibility) {
  do {
    if (!ldx_find_symbol(o->scope, r))
      return false;
    if (ref_visibility == STV_PROTECTED)
      prefer_protected(o, r);
    if (r->pinned && !ldx_self.starting && ldx_tracing(LDX_DEBUG_BINDINGS))
      ldx_debug("marking %s [%ld] as NODELETE due to unique symbol", ldx_display_name(r->object), r->object->ns->id);
  } while (!ldx_add_dependency(o, r->object));
  return true;
}

bool ldx_bind(struct ldx_object *o, uint64_t symidx, uint32_t flags, struct ldx_diag *d, struct ldx_binding *out) {
  const Elf64_Sym *ref = elf_symbol(&o->dyn.sym, symidx);
  *out = (struct ldx_binding){ref, o, 0, 0};
  if (!ref)
    return ldx_fail(d, LDX_DIAG_RELOC, 0, ldx_display_name(o),
                    "relocation refers to symbol %lu, outside the symbol table", (unsigned long)symidx);
  unsigned v = visibility(ref);
  if (ELF64_ST_BIND(ref->st_info) == STB_LOCAL || v == STV_HIDDEN || v == STV_INTERNAL)
    return true;
  struct ldx_sym_request r = {.name = elf_name(elf_symbol_name(&o->dyn.sym, ref)),
                              .version = ldx_reference_version(o, symidx),
                              .from = o,
                              .ref = ref,
                              .tried = ldx_symbol_trace(),
                              .flags = flags | ldx_asker_flags(o)};
  if (ldx_tracing(LDX_DEBUG_STATISTICS))
    __atomic_fetch_add(&ldx_self.statistics.relocations, 1, __ATOMIC_RELAXED);
  if (!look_up(o, &r, v)) {
    out->sym = NULL;
    out->object = NULL;
    out->override = ldx_own_function(r.name.text);
    if (out->override)
      return true;
    if (ELF64_ST_BIND(ref->st_info) == STB_WEAK)
      return true;
    ldx_symbol_not_found(o, &r, d);
    ldx_trace_error(d, "symbol lookup", ldx_listing());
    return false;
  }
  if (!check_protected(o, &r, d))
    return false;
  ldx_trace_binding(&r, v == STV_PROTECTED);
  out->sym = r.sym;
  out->object = r.object;
  if (r.object->overridden)
    out->override = ldx_override(r.object, r.sym);
  if (ldx_self.watches.binds && !out->override)
    out->override = ldx_memory_wrapper(o, r.object, r.sym, ldx_symbol_address(r.object, r.sym));
  return true;
}
