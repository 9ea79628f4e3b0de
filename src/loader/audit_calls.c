/* Auditors: bindings and calls. */
#include <string.h>

#include "arch/x86_64/reloc.h"
#include "base/sys.h"
#include "loader/audit_state.h"
#include "loader/dl.h"
#include "loader/tools.h"

static struct ldx_audit *audit(void) { return &ldx_self.audit; }

/* One binding, as the auditors are told of it. */
struct telling {
  struct ldx_object *from, *definer;
  const Elf64_Sym *sym;
  uintptr_t value; /* and what they make of it */
  uint32_t flags;
  uint32_t no_enter, no_exit;
};

/* dlsym is told to who watches either object; references to who watches both. */
static bool is_interested(const struct telling *t, uint32_t i) {
  bool from = t->from->audit && t->from->audit->at[i].flags & LA_FLG_BINDFROM;
  bool to = t->definer->audit && t->definer->audit->at[i].flags & LA_FLG_BINDTO;
  return t->flags & LA_SYMB_DLSYM ? from || to : from && to;
}

static void tell(struct telling *t) {
  const struct elf_symtab *s = ldx_definitions(t->definer);
  const char *name = elf_symbol_name(s, t->sym);
  Elf64_Sym sym = *t->sym;
  sym.st_value = t->value;
  ldx_enter_tools();
  for (uint32_t i = 0; i < audit()->count; i++) {
    const struct ldx_auditor *a = &audit()->at[i];
    bool interested = is_interested(t, i);
    if (interested && a->symbind) {
      uintptr_t value = a->symbind(&sym, (unsigned)(t->sym - s->sym), &ldx_audit_of(t->from)->at[i].cookie,
                                   &ldx_audit_of(t->definer)->at[i].cookie, &t->flags, name);
      if (value != sym.st_value)
        t->flags |= LA_SYMB_ALTVALUE;
      sym.st_value = value;
    }
    if (!interested || t->flags & LA_SYMB_NOPLTENTER)
      t->no_enter |= 1u << i;
    if (!interested || t->flags & LA_SYMB_NOPLTEXIT)
      t->no_exit |= 1u << i;
  }
  t->value = sym.st_value;
}

static bool is_of_tool(const struct ldx_object *o) { return o->ns && o->ns->of_tool; }

/* A thread-local variable has none before somebody's thread has. */
static bool has_address(const Elf64_Sym *s) { return s && s->st_name && ELF64_ST_TYPE(s->st_info) != STT_TLS; }

/* Nobody can watch calls that do not go through the stub. Of PLT slots auditors expect to be told so; some complain
 * of each such one, and so other references have a flag of their own. */
static uintptr_t by_relocation(struct ldx_object *from, struct ldx_object *definer, const Elf64_Sym *sym,
                               uint32_t type, uintptr_t value) {
  uint32_t flags = type == REL_PLT ? LA_SYMB_NOPLTENTER | LA_SYMB_NOPLTEXIT : LDX_SYMB_NO_PLT;
  struct telling t = {from, definer, sym, value, flags, 0, 0};
  tell(&t);
  return t.value;
}

static bool is_choice(const struct ldx_binding *b) {
  return ELF64_ST_TYPE(b->sym->st_info) == STT_GNU_IFUNC && b->sym->st_shndx != SHN_UNDEF && !b->override;
}

void ldx_audit_bound(struct ldx_object *from, uint32_t type, struct ldx_binding *b) {
  if (!audit()->symbinds || is_of_tool(from) || !has_address(b->sym) || is_choice(b) || type == REL_SIZE64 ||
      type == REL_SIZE32)
    return;
  uintptr_t value = ldx_binding_address(b), meant = by_relocation(from, b->object, b->sym, type, value);
  if (meant != value)
    b->override = meant;
}

/* A word that a resolver decides on. */
struct ldx_audit_word {
  struct ldx_object *from, *definer;
  const Elf64_Sym *sym;
  uintptr_t *where;
  int64_t addend;
  uint32_t type;
};

bool ldx_audit_defer(struct ldx_load *l, struct ldx_object *from, void *where, const struct ldx_binding *b,
                     const Elf64_Rela *rel) {
  struct ldx_audit_words *w = &l->audited;
  uint32_t type = ELF64_R_TYPE(rel->r_info);
  if (!audit()->symbinds || is_of_tool(from) || !b)
    return true;
  if (w->count == w->room && !ldx_heap_grow(&ldx_self.heap, (void **)&w->at, &w->room, sizeof *w->at, 64))
    return false;
  w->at[w->count++] =
      (struct ldx_audit_word){from, b->object, b->sym, where, type == REL_ABS ? rel->r_addend : 0, type};
  return true;
}

void ldx_audit_deferred(struct ldx_load *l) {
  for (size_t i = 0; i < l->audited.count; i++) {
    const struct ldx_audit_word *w = &l->audited.at[i];
    uintptr_t value = *w->where - (uintptr_t)w->addend;
    uintptr_t meant = by_relocation(w->from, w->definer, w->sym, w->type, value);
    if (meant != value)
      *w->where = meant + (uintptr_t)w->addend;
  }
  ldx_delete(l->audited.at);
  l->audited = (struct ldx_audit_words){0};
}

static uintptr_t tell_kept(uintptr_t t) {
  tell((struct telling *)t);
  return 0;
}

uintptr_t ldx_audit_bound_lazily(struct ldx_object *from, const struct ldx_binding *b, uintptr_t value) {
  if (!audit()->symbinds || is_of_tool(from) || !has_address(b->sym))
    return value;
  struct telling t = {.from = from, .definer = b->object, .sym = b->sym, .value = value};
  ldx_call_keeping_vectors(&ldx_self.cpu, tell_kept, (uintptr_t)&t);
  return t.value;
}

uintptr_t ldx_audit_symbol(struct ldx_object *from, const struct ldx_sym_request *r, uintptr_t value) {
  if (!audit()->symbinds || is_of_tool(from))
    return value;
  struct telling t = {from, r->object, r->sym, value, LA_SYMB_DLSYM, 0, 0};
  tell(&t);
  return t.value;
}

bool ldx_audit_watches(struct ldx_object *o) {
  struct ldx_audit_object *r = o->audit;
  bool any = false;
  for (uint32_t i = 0; r && i < audit()->count; i++)
    any = any || (audit()->at[i].pltenter && r->at[i].flags & LA_FLG_BINDFROM);
  if (!any || is_of_tool(o))
    return false;
  if (!r->calls && o->dyn.jmprel.count) {
    r->calls = ldx_new(o->dyn.jmprel.count * sizeof *r->calls);
    if (!r->calls)
      ldx_die_text("%s: cannot allocate memory", ldx_self.program_name);
    r->call_count = o->dyn.jmprel.count;
  }
  return true;
}

/* These come back to their caller's frame later, which a frame in between would spoil. */
static bool returns_twice(const char *name) {
  static const char *const names[] = {"setjmp", "_setjmp", "sigsetjmp", "__sigsetjmp", "vfork", "getcontext"};
  for (size_t i = 0; i < LDX_COUNT(names); i++)
    if (!strcmp(names[i], name))
      return true;
  return false;
}

/* Nobody wants to know of calls through this slot any more: from now on they cost what all others do. */
static void settle(struct ldx_object *o, uint64_t index, uintptr_t value) {
  uintptr_t *slot = (uintptr_t *)(o->map.l_addr + o->dyn.jmprel.at[index].r_offset);
  uintptr_t at = (uintptr_t)slot, page = ldx_align_down(at, LDX_PAGE);
  bool sealed = at + 8 > o->relro_start && at < o->relro_end && o->relocated;
  if (ldx_self.options.bind_not)
    return;
  ldx_rlock_enter(&ldx_self.lock);
  if (!sealed || !ldx_sys_failed(sys_mprotect((void *)page, LDX_PAGE, 3 /* PROT_READ | PROT_WRITE */)))
    __atomic_store_n(slot, value, __ATOMIC_RELEASE);
  if (sealed)
    sys_mprotect((void *)page, LDX_PAGE, 1 /* PROT_READ */);
  ldx_rlock_leave(&ldx_self.lock);
}

static __attribute__((noinline)) void bind_call(struct ldx_object *o, uint64_t index, struct ldx_audit_call *c) {
  struct ldx_binding b;
  struct ldx_reader reader = ldx_reader_enter();
  uintptr_t value = ldx_lazy_value(o, &o->dyn.jmprel.at[index], &b);
  ldx_reader_leave(reader);
  struct telling t = {.from = o, .definer = b.object, .sym = b.sym, .value = value};
  uint32_t wanted = 0;
  if (b.sym) {
    tell(&t);
    wanted = audit()->entering & ~t.no_enter;
    c->sym = *b.sym;
    const struct elf_symtab *defined = ldx_definitions(b.object);
    c->name = elf_symbol_name(defined, b.sym);
    c->index = (uint32_t)(b.sym - defined->sym);
    c->no_exit = returns_twice(c->name) ? UINT32_MAX : t.no_exit;
  }
  c->definer = b.object;
  c->flags = t.flags;
  c->sym.st_value = t.value;
  c->enter = wanted;
  __atomic_store_n(&c->value, t.value, __ATOMIC_RELEASE);
  if (!wanted)
    settle(o, index, t.value);
}

/* ldx's own functions that ask who calls them find their caller in the last argument's register. */
static uintptr_t tell_caller(uintptr_t target, struct ldx_call_regs *regs) {
  uintptr_t other = target == (uintptr_t)ldx_dlopen    ? (uintptr_t)ldx_dlopen_for
                    : target == (uintptr_t)ldx_dlmopen ? (uintptr_t)ldx_dlmopen_for
                    : target == (uintptr_t)ldx_dlsym   ? (uintptr_t)ldx_dlsym_for
                    : target == (uintptr_t)ldx_dlvsym  ? (uintptr_t)ldx_dlsym_for
                                                       : 0;
  if (!other)
    return target;
  if (target == (uintptr_t)ldx_dlsym)
    regs->rdx = 0;
  regs->rcx = *(uint64_t *)regs->rsp;
  return other;
}

static _Noreturn void bad_index(const struct ldx_object *o) {
  ldx_die_text("%s: %s: invalid index of a lazily bound function", ldx_self.program_name, ldx_display_name(o));
}

/* What an auditor wants from now on. */
static void note_wishes(struct ldx_object *o, uint64_t index, struct ldx_audit_call *c, uint32_t flags,
                        uint32_t bit) {
  if (flags & LA_SYMB_NOPLTEXIT)
    __atomic_fetch_or(&c->no_exit, bit, __ATOMIC_RELAXED);
  if (flags & LA_SYMB_NOPLTENTER && __atomic_and_fetch(&c->enter, ~bit, __ATOMIC_RELAXED) == 0)
    settle(o, index, c->value);
}

uintptr_t ldx_audit_enter(struct ldx_object *o, uint64_t index, struct ldx_call_regs *regs, long *framesize) {
  struct ldx_audit_object *r = o->audit;
  if (index >= r->call_count)
    bad_index(o);
  struct ldx_audit_call *c = &r->calls[index];
  if (__builtin_expect(!__atomic_load_n(&c->value, __ATOMIC_ACQUIRE), 0))
    bind_call(o, index, c);
  ldx_enter_tools();
  Elf64_Sym sym = c->sym;
  uint32_t flags = c->flags;
  long size = -1;
  for (uint32_t todo = c->enter; todo; todo &= todo - 1) {
    uint32_t i = (uint32_t)__builtin_ctz(todo);
    long wanted = -1;
    uintptr_t value = audit()->at[i].pltenter(&sym, c->index, &r->at[i].cookie, &c->definer->audit->at[i].cookie,
                                              regs, &flags, c->name, &wanted);
    if (value != sym.st_value)
      flags |= LA_SYMB_ALTVALUE;
    sym.st_value = value;
    if (__builtin_expect(flags & (LA_SYMB_NOPLTENTER | LA_SYMB_NOPLTEXIT), 0))
      note_wishes(o, index, c, flags, 1u << i);
    if (wanted > size && !(c->no_exit >> i & 1))
      size = wanted;
  }
  *framesize = size;
  return size < 0 ? sym.st_value : tell_caller(sym.st_value, regs);
}

void ldx_audit_leave(struct ldx_object *o, uint64_t index, const struct ldx_call_regs *regs,
                     struct ldx_call_result *result) {
  struct ldx_audit_object *r = o->audit;
  const struct ldx_audit_call *c = &r->calls[index];
  Elf64_Sym sym = c->sym;
  for (uint32_t todo = audit()->leaving & ~c->no_exit; todo; todo &= todo - 1) {
    uint32_t i = (uint32_t)__builtin_ctz(todo);
    audit()->at[i].pltexit(&sym, c->index, &r->at[i].cookie, &c->definer->audit->at[i].cookie, regs, result, c->name);
  }
}
