#include "loader/tell_library.h"

#include "arch/x86_64/reloc.h"
#include "base/print.h"
#include "loader/guard.h"
#include "loader/journal.h"

/* Also who keeps no table of its own knows which library it is. */
void ldx_tell_object(enum ldx_event_type type, const struct ldx_object *o) {
  struct ldx_event e = ldx_event_about(type, o);
  if (o) {
    e.u.lib.name = ldx_keep_text(o->soname);
    e.u.lib.path = ldx_keep_text(ldx_display_name(o));
    e.u.lib.base = o->map.l_addr;
  }
  ldx_tell(&e);
}

void ldx_tell_namespace(enum ldx_event_type type, const struct ldx_namespace *ns) {
  struct ldx_event e = ldx_event_about(type, NULL);
  e.ns = ns->id;
  ldx_tell(&e);
}

/* ---- loads */

static const char *message(const struct ldx_diag *d) {
  char text[1024];
  const char *object = d->object ? d->object : "";
  ldx_format(text, sizeof text, "%s%s%s%s%s", object, *object ? ": " : "", d->text ? d->text : "out of memory",
             d->error ? ": " : "", d->error ? ldx_errno_text(d->error) : "");
  return ldx_keep_text(text);
}

void ldx_tell_load_begin(struct ldx_load *l, bool out) {
  if (!ldx_wants(LDX_EV_LOAD_BEGIN))
    return;
  ldx_tell_in_this_process();
  l->told = true;
  l->out = out;
  l->outer = ldx_self.told_load;
  ldx_self.told_load = l;
  if (ldx_self.hooks.subscribers && ldx_self.hooks.subscribers->count)
    l->guarded = ldx_guard_begin();
  struct ldx_event e = ldx_event_about(LDX_EV_LOAD_BEGIN, NULL);
  e.ns = l->ns->id;
  e.flags = out ? LDX_LOAD_OUT : 0;
  ldx_tell(&e);
}

void ldx_tell_load_end(struct ldx_load *l, bool ok) {
  if (!l->told)
    return;
  struct ldx_event e = ldx_event_about(LDX_EV_LOAD_END, ok && !l->out ? l->root : NULL);
  e.ns = l->ns->id;
  e.flags = l->out ? LDX_LOAD_OUT : 0;
  e.u.load.objects = ok ? l->fresh.count : 0;
  if (!ok) {
    e.u.load.status = -1;
    e.u.load.text = ldx_failed(l->diag) ? message(l->diag) : NULL;
  }
  ldx_tell(&e);
  ldx_self.told_load = l->outer;
  ldx_guard_end(l->guarded);
  ldx_tell_reclaim();
}

bool ldx_may_change(const struct ldx_namespace *ns, struct ldx_diag *d) {
  const struct ldx_load *l = ldx_self.told_load;
  while (l && l->ns != ns)
    l = l->outer;
  if (!l || !ldx_guard_is_inside(ldx_guard_here(), NULL))
    return true;
  return ldx_fail(d, LDX_DIAG_LOAD, 0, "", "a callback cannot change the namespace that is being changed");
}

/* ---- objects */

void ldx_tell_mapped(const struct ldx_object *o, const char *name) {
  struct ldx_event e = ldx_event_about(LDX_EV_MAPPED, o);
  e.other = o->real ? o->real->id : 0;
  e.u.lib.name = ldx_keep_text(name);
  e.u.lib.path = ldx_keep_text(ldx_display_name(o));
  e.u.lib.reason = o->reason;
  e.u.lib.base = o->map.l_addr;
  ldx_tell(&e);
}

void ldx_tell_start(struct ldx_load *l) {
  struct ldx_event e = ldx_event_about(LDX_EV_START, NULL);
  e.object = l->root->id;
  e.u.lib.name = e.u.lib.path = ldx_keep_text(ldx_self.program_path);
  ldx_tell(&e);
  ldx_tell_load_begin(l, false);
  for (uint32_t i = 0; i < l->fresh.count; i++)
    ldx_tell_mapped(l->fresh.at[i], ldx_display_name(l->fresh.at[i]));
}

void ldx_tell_unloaded(const struct ldx_object *o) {
  struct ldx_event e = ldx_event_about(LDX_EV_UNLOADED, o);
  e.other = o->real ? o->real->id : 0;
  e.u.lib.name = ldx_keep_text(o->soname);
  e.u.lib.path = ldx_keep_text(ldx_display_name(o));
  e.u.lib.base = o->map.l_addr;
  ldx_tell(&e);
}

void ldx_tell_discarded(const struct ldx_load *l) {
  for (uint32_t i = l->fresh.count; l->told && i-- > 0;)
    ldx_tell_unloaded(l->fresh.at[i]);
}

static struct ldx_event event_of_name(enum ldx_event_type type, const struct ldx_load *l, const char *name,
                                      const struct ldx_object *asker) {
  struct ldx_event e = ldx_event_about(type, asker);
  e.ns = l->ns->id;
  e.u.lib.name = ldx_keep_text(name);
  return e;
}

void ldx_tell_search(const struct ldx_load *l, const char *name, const struct ldx_object *asker) {
  struct ldx_event e = event_of_name(LDX_EV_SEARCH, l, name, asker);
  ldx_tell(&e);
}

void ldx_tell_found(const struct ldx_load *l, const char *name, const struct ldx_object *asker,
                    const struct ldx_library_file *f) {
  struct ldx_event e = event_of_name(LDX_EV_FOUND, l, name, asker);
  e.u.lib.path = ldx_keep_text(f->path);
  e.u.lib.reason = ldx_reason_text(f);
  ldx_tell(&e);
}

/* ---- bindings */

static struct ldx_event event_of_bind(const struct ldx_object *o, const Elf64_Rela *rel,
                                      const struct ldx_binding *b) {
  struct ldx_event e = ldx_event_about(LDX_EV_BIND, o);
  uint64_t index = ELF64_R_SYM(rel->r_info);
  const Elf64_Sym *ref = elf_symbol(&o->dyn.sym, index);
  const struct ldx_version *v = ldx_reference_version(o, index);
  bool tls = b->sym && ELF64_ST_TYPE(b->sym->st_info) == STT_TLS;
  e.other = b->sym ? b->object->id : 0;
  e.addr = (const void *)(tls ? b->sym->st_value : ldx_binding_address(b));
  e.u.bind.symbol = ldx_keep_text_of(o, elf_symbol_name(&o->dyn.sym, ref));
  e.u.bind.version = v ? ldx_keep_text_of(o, v->name) : NULL;
  e.u.bind.slot = (void **)(o->map.l_addr + rel->r_offset);
  e.u.bind.relocation = ELF64_R_TYPE(rel->r_info);
  e.u.bind.was = (const void *)b->was;
  return e;
}

void ldx_tell_bound(const struct ldx_object *o, const Elf64_Rela *rel, const struct ldx_binding *b) {
  if (!ldx_refers_to_symbol(ELF64_R_TYPE(rel->r_info)) || !ELF64_R_SYM(rel->r_info))
    return;
  struct ldx_event e = event_of_bind(o, rel, b);
  ldx_tell(&e);
}

static void tell_table(const struct ldx_object *o, const struct elf_relas *t) {
  for (uint64_t i = 0; i < t->count; i++) {
    struct ldx_diag d = {.heap = &ldx_self.heap};
    struct ldx_binding b;
    uint32_t type = ELF64_R_TYPE(t->at[i].r_info);
    if (ldx_refers_to_symbol(type) &&
        ldx_bind((struct ldx_object *)o, ELF64_R_SYM(t->at[i].r_info), ldx_lookup_flags(type), &d, &b))
      ldx_tell_bound(o, &t->at[i], &b);
    ldx_diag_clear(&d);
  }
}

void ldx_tell_spare(const struct ldx_object *o) {
  ldx_tell_mapped(o, o->soname);
  if (!ldx_wants(LDX_EV_BIND))
    return;
  tell_table(o, &o->dyn.rela);
  tell_table(o, &o->dyn.jmprel);
}

/* The name of an indirect function by its resolver; NULL: it has none outside its object. */
static const char *name_at(const struct ldx_object *o, uintptr_t resolver) {
  const struct elf_symtab *t = ldx_definitions(o);
  uint32_t count = elf_symbol_count(t);
  for (uint32_t i = 1; i < count; i++) {
    const Elf64_Sym *s = &t->sym[i];
    if (ELF64_ST_TYPE(s->st_info) == STT_GNU_IFUNC && s->st_shndx != SHN_UNDEF && s->st_name < t->strsz &&
        ldx_symbol_address(o, s) == resolver)
      return ldx_keep_text_of(o, elf_symbol_name(t, s));
  }
  return NULL;
}

/* The object that has the code at the address: it may belong to a load that is not committed. */
static const struct ldx_object *holder(uintptr_t addr) {
  const struct ldx_object *o = ldx_object_at(addr);
  for (const struct ldx_load *l = ldx_self.told_load; l && !o; l = l->outer)
    for (uint32_t i = 0; i < l->fresh.count && !o; i++)
      if (ldx_object_holds(l->fresh.at[i], addr))
        o = l->fresh.at[i];
  return o;
}

static struct ldx_event event_of_choice(const struct ldx_object *o, void *slot, uintptr_t resolver, uintptr_t value) {
  struct ldx_event e = ldx_event_about(LDX_EV_IFUNC, o);
  const struct ldx_object *definer = holder(resolver);
  e.other = definer ? definer->id : 0;
  e.addr = (const void *)value;
  e.u.bind.symbol = definer ? name_at(definer, resolver) : NULL;
  e.u.bind.slot = slot;
  e.u.bind.was = (const void *)resolver;
  return e;
}

void ldx_tell_chosen(const struct ldx_object *o, void *slot, uintptr_t resolver, uintptr_t value) {
  struct ldx_event e = event_of_choice(o, slot, resolver, value);
  ldx_tell(&e);
}

void ldx_tell_bound_lazily(const struct ldx_object *o, const Elf64_Rela *rel, const struct ldx_binding *b,
                           uintptr_t value) {
  struct ldx_event e = event_of_bind(o, rel, b);
  uintptr_t address = ldx_binding_address(b);
  e.u.bind.lazy = 1;
  if (ldx_wants(LDX_EV_BIND))
    ldx_tell_keeping_vectors(&e);
  if (address == value || !ldx_wants(LDX_EV_IFUNC))
    return;
  e = event_of_choice(o, e.u.bind.slot, address, value);
  e.u.bind.lazy = 1;
  ldx_tell_keeping_vectors(&e);
}

/* ---- the dl functions */

void ldx_tell_dlopen(const char *name, int mode, const void *caller, const struct ldx_object *asker) {
  struct ldx_event e = ldx_event_about(LDX_EV_DLOPEN, asker);
  e.addr = caller;
  e.u.call.name = ldx_keep_text(name);
  e.u.call.mode = mode;
  ldx_tell(&e);
}

void ldx_tell_dlopened(const char *name, int mode, const struct ldx_object *asker, const struct ldx_object *o,
                       const struct ldx_diag *d) {
  struct ldx_event e = ldx_event_about(LDX_EV_DLOPENED, o);
  e.other = asker ? asker->id : 0;
  e.u.call.name = ldx_keep_text(name);
  e.u.call.mode = mode;
  e.u.call.error = !o && ldx_failed(d) ? message(d) : NULL;
  ldx_tell(&e);
}

void ldx_tell_dlsym(const struct ldx_object *asker, const struct ldx_sym_request *r, const void *value) {
  struct ldx_event e = ldx_event_about(LDX_EV_DLSYM, asker);
  e.other = r->object ? r->object->id : 0;
  e.addr = value;
  e.u.bind.symbol = ldx_keep_text(r->name.text);
  e.u.bind.version = r->version ? ldx_keep_text(r->version->name) : NULL;
  ldx_tell(&e);
}
