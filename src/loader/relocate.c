/* Stages "relocate", "ifunc" and "protect" (psABI 4.4 "Relocation"; gABI DT_RELR). */
#include "arch/x86_64/reloc.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/print.h"
#include "base/sys.h"
#include "loader/audit.h"
#include "loader/jit_object.h"
#include "loader/reload.h"
#include "loader/steer_bind.h"
#include "loader/tell_library.h"

/* One object being relocated. The window is the segment the last target lay in: targets come in order. */
struct relocator {
  struct ldx_load *load;
  struct ldx_object *object;
  uintptr_t bias;
  uint64_t window, window_size;
  bool textrel;
  bool told;  /* somebody hears of bindings */
  bool noted; /* bindings to objects made at run time are */
  bool asked; /* tools have a say in them, or auditors */
  uint64_t last_index;
  uint32_t last_flags;
  struct ldx_binding last;
};

static bool fail(struct relocator *r, const char *what) {
  return ldx_fail(r->load->diag, LDX_DIAG_RELOC, 0, ldx_display_name(r->object), "%s", what);
}

static bool move_window(struct relocator *r, uint64_t off, uint64_t width) {
  const struct elf_image *im = &r->object->image;
  for (uint32_t i = 0; i < im->segment_count; i++) {
    const struct elf_segment *s = &im->segments[i];
    if (off < s->vaddr || off - s->vaddr >= s->memsz || width > s->memsz - (off - s->vaddr))
      continue;
    if (!(s->flags & PF_W) && !r->textrel)
      return fail(r, "relocation of a read-only segment");
    r->window = s->vaddr;
    r->window_size = s->memsz;
    return true;
  }
  return fail(r, "relocation outside the object's segments");
}

/* The place a relocation writes: width bytes inside a writable segment. */
static inline void *target(struct relocator *r, uint64_t off, uint64_t width) {
  uint64_t rel = off - r->window;
  if (__builtin_expect(rel >= r->window_size || r->window_size - rel < width, 0) && !move_window(r, off, width))
    return NULL;
  return (void *)(r->bias + off);
}

static bool apply_relr(struct relocator *r) {
  const struct elf_dynamic *d = &r->object->dyn;
  uint64_t next = 0;
  for (uint64_t i = 0; i < d->relr_count; i++) {
    uint64_t e = d->relr[i];
    if (!(e & 1)) {
      uint64_t *p = e % 8 ? NULL : target(r, e, 8);
      if (!p)
        return fail(r, "misaligned relative relocation");
      *p += r->bias;
      next = e + 8;
      continue;
    }
    uint64_t bits = e >> 1;
    if (bits) {
      uint64_t *p = next ? target(r, next, (64 - (uint64_t)__builtin_clzll(bits)) * 8) : NULL;
      if (!p)
        return fail(r, "invalid relative relocation");
      for (; bits; bits &= bits - 1)
        p[__builtin_ctzll(bits)] += r->bias;
    }
    next += 63 * 8;
  }
  return true;
}

static bool apply_relative(struct relocator *r, const Elf64_Rela *at, uint64_t count) {
  uintptr_t bias = r->bias;
  for (const Elf64_Rela *end = at + count; at < end; at++) {
    uint64_t *p = target(r, at->r_offset, 8);
    if (!p)
      return false;
    if (ELF64_R_TYPE(at->r_info) != REL_RELATIVE)
      return fail(r, "DT_RELACOUNT counts other relocations than relative ones");
    *p = bias + (uint64_t)at->r_addend;
  }
  return true;
}

uint32_t ldx_lookup_flags(uint32_t type) {
  switch (type) {
  case REL_PLT:
  case REL_DTPMOD:
  case REL_DTPOFF:
  case REL_TPOFF:
  case REL_TLSDESC:
    return LDX_SYM_PLT;
  case REL_COPY:
    return LDX_SYM_COPY;
  default:
    return 0;
  }
}

static __attribute__((noinline)) void ask_tools(struct relocator *r, const Elf64_Rela *rel, uint32_t type) {
  if (ldx_steers_binds()) {
    ldx_steer_reference(r->load, r->object, rel, &r->last);
    r->last_index = UINT64_MAX; /* each reference is asked about */
  }
  if (ldx_audited())
    ldx_audit_bound(r->object, type, &r->last);
}

/* Linkers sort relocations by symbol: the same one comes several times in a row. */
static bool bind(struct relocator *r, const Elf64_Rela *rel, uint32_t type, const struct ldx_binding **out) {
  uint64_t index = ELF64_R_SYM(rel->r_info);
  uint32_t flags = ldx_lookup_flags(type);
  *out = &r->last;
  if (index == r->last_index && flags == r->last_flags) {
    if (ldx_tracing(LDX_DEBUG_STATISTICS))
      ldx_self.statistics.cached++;
    return true;
  }
  r->last_index = UINT64_MAX;
  if (!ldx_bind(r->object, index, flags, r->load->diag, &r->last))
    return false;
  r->last_index = index;
  r->last_flags = flags;
  if (__builtin_expect(r->asked, 0))
    ask_tools(r, rel, type);
  return true;
}

bool ldx_refers_to_symbol(uint32_t type) {
  return type != REL_NONE && type != REL_RELATIVE && type != REL_RELATIVE64 && type != REL_IRELATIVE &&
         ldx_reloc_width(type);
}

static bool defer(struct relocator *r, const Elf64_Rela *rel, struct ldx_object *definer, uintptr_t resolver,
                  const Elf64_Sym *sym) {
  struct ldx_fixups *f = &r->load->fixups;
  if (!ldx_object_has_code(definer, resolver))
    return fail(r, "resolver of an indirect function outside executable segments");
  if (f->count == f->room && !ldx_heap_grow(&ldx_self.heap, (void **)&f->at, &f->room, sizeof *f->at, 64))
    return ldx_fail(r->load->diag, LDX_DIAG_LOAD, ENOMEM, ldx_display_name(r->object), "cannot allocate memory");
  f->at[f->count++] = (struct ldx_fixup){rel, resolver, r->object, definer, sym};
  return true;
}

static bool is_ifunc(const struct ldx_binding *b) {
  return b->sym && ELF64_ST_TYPE(b->sym->st_info) == STT_GNU_IFUNC && b->sym->st_shndx != SHN_UNDEF && !b->override;
}

static bool need_static_tls(struct relocator *r, struct ldx_object *o) {
  if (o->tls.offset > 0)
    return true;
  if (!ldx_tls_make_static(&ldx_self.tls, o))
    return ldx_fail(r->load->diag, LDX_DIAG_RELOC, 0, ldx_display_name(r->object),
                    "cannot allocate memory in static TLS block");
  if (!o->pending && !ldx_self.starting) { /* others may use it from now on, whatever becomes of this load */
    ldx_tls_init_static(&ldx_self.tls, o);
    return true;
  }
  return ldx_list_add(&ldx_self.heap, &r->load->statics, o) ||
         ldx_fail(r->load->diag, LDX_DIAG_LOAD, ENOMEM, ldx_display_name(o), "cannot allocate memory");
}

/* A descriptor of static TLS costs its user a third less. */
static bool offer_static_tls(struct relocator *r, struct ldx_object *o) {
  if (!o->pending || ldx_self.starting || !ldx_tls_offer_static(&ldx_self.tls, o))
    return true;
  return ldx_list_add(&ldx_self.heap, &r->load->statics, o) ||
         ldx_fail(r->load->diag, LDX_DIAG_LOAD, ENOMEM, ldx_display_name(o), "cannot allocate memory");
}

static bool tls_descriptor(struct relocator *r, const struct ldx_binding *b, const Elf64_Rela *rel) {
  uint64_t *p = target(r, rel->r_offset, 16);
  if (!p)
    return false;
  if (!b->sym) {
    p[0] = (uint64_t)ldx_tlsdesc_undefweak;
    p[1] = (uint64_t)rel->r_addend;
    return true;
  }
  if (!offer_static_tls(r, b->object))
    return false;
  if (b->object->tls.offset > 0) {
    p[0] = (uint64_t)ldx_tlsdesc_static;
    p[1] = b->sym->st_value + (uint64_t)rel->r_addend - (uint64_t)b->object->tls.offset;
    return true;
  }
  struct ldx_tlsdesc *t = ldx_new(sizeof *t + sizeof(void *));
  if (!t)
    return ldx_fail(r->load->diag, LDX_DIAG_LOAD, ENOMEM, ldx_display_name(r->object), "cannot allocate memory");
  *t = (struct ldx_tlsdesc){b->object->tls.modid, b->sym->st_value + (uint64_t)rel->r_addend,
                            ldx_self.tls.generation + 1};
  *(void **)(t + 1) = r->object->tls.descriptors;
  r->object->tls.descriptors = t;
  p[0] = (uint64_t)(ldx_self.musl.active ? ldx_tlsdesc_call : ldx_tlsdesc_dynamic);
  p[1] = (uint64_t)t;
  return true;
}

static bool apply_tls(struct relocator *r, const struct ldx_binding *b, const Elf64_Rela *rel, uint32_t type) {
  if (b->sym && !b->object->tls.modid)
    return fail(r, "TLS relocation against an object without TLS segment");
  if (type == REL_TLSDESC)
    return tls_descriptor(r, b, rel);
  if (!b->sym)
    return true;
  uint64_t value = b->sym->st_value + (uint64_t)rel->r_addend;
  uint64_t *p = target(r, rel->r_offset, 8);
  if (!p)
    return false;
  if (type == REL_DTPMOD)
    value = b->object->tls.modid;
  if (type == REL_TPOFF) {
    if (!need_static_tls(r, b->object))
      return false;
    value -= (uint64_t)b->object->tls.offset;
  }
  *p = value;
  return true;
}

void ldx_check_copy_size(const struct ldx_object *o, const Elf64_Sym *ref, const Elf64_Sym *def) {
  if (def->st_size > ref->st_size || (def->st_size < ref->st_size && ldx_self.options.list_warn))
    ldx_print(2, "%s: Symbol `%s' has different size in shared object, consider re-linking\n", ldx_self.program_name,
              elf_symbol_name(&o->dyn.sym, ref));
}

static bool defer_copy(struct relocator *r, void *to, const void *from, uint64_t size) {
  struct ldx_copies *c = &r->load->copies;
  if (c->count == c->room && !ldx_heap_grow(&ldx_self.heap, (void **)&c->at, &c->room, sizeof *c->at, 32))
    return ldx_fail(r->load->diag, LDX_DIAG_LOAD, ENOMEM, ldx_display_name(r->object), "cannot allocate memory");
  c->at[c->count++] = (struct ldx_copy){to, from, size};
  return true;
}

static bool apply_copy(struct relocator *r, const struct ldx_binding *b, const Elf64_Rela *rel) {
  const struct elf_symtab *t = &r->object->dyn.sym;
  const Elf64_Sym *ref = elf_symbol(t, ELF64_R_SYM(rel->r_info));
  if (!b->sym)
    return true;
  uint64_t size = b->sym->st_size < ref->st_size ? b->sym->st_size : ref->st_size;
  const void *from = elf_at_memory(&b->object->image, b->sym->st_value, size, PF_R);
  void *to = target(r, rel->r_offset, size ? size : 1);
  if (!to)
    return false;
  if (!from)
    return fail(r, "copy relocation from outside the defining object");
  ldx_check_copy_size(r->object, ref, b->sym);
  return defer_copy(r, to, from, size);
}

/* The 32-bit types: a value that does not fit is reported, and cut, as by the system loader. */
static bool store32(struct relocator *r, const Elf64_Rela *rel, uint32_t type, uint64_t v) {
  uint32_t *p = target(r, rel->r_offset, 4);
  if (!p)
    return false;
  *p = (uint32_t)v;
  bool overflow = type == REL_PC32 ? (int64_t)v != (int32_t)v : v > UINT32_MAX;
  if (overflow) {
    const struct elf_symtab *t = &r->object->dyn.sym;
    ldx_print(2, "%s: Symbol `%s' causes overflow in R_X86_64_%s relocation\n", ldx_self.program_name,
              elf_symbol_name(t, elf_symbol(t, ELF64_R_SYM(rel->r_info))), type == REL_PC32 ? "PC32" : "32");
  }
  return true;
}

static bool apply_value(struct relocator *r, const struct ldx_binding *b, const Elf64_Rela *rel, uint32_t type) {
  uint64_t addend = (uint64_t)rel->r_addend, value = ldx_binding_address(b) + addend;
  uint64_t size = (b->sym ? b->sym->st_size : 0) + addend;
  switch (type) {
  case REL_ABS32:
    return store32(r, rel, type, value);
  case REL_PC32:
    return store32(r, rel, type, value - (r->bias + rel->r_offset));
  case REL_SIZE32:
    return store32(r, rel, type, size);
  case REL_PC64:
    value -= r->bias + rel->r_offset;
    break;
  default:
    break;
  }
  uint64_t *p = target(r, rel->r_offset, 8);
  if (p)
    *p = type == REL_SIZE64 ? size : value;
  return p;
}

static bool unknown_type(struct relocator *r, uint32_t type) {
  return ldx_fail(r->load->diag, LDX_DIAG_LOAD, 0, ldx_display_name(r->object), "unexpected reloc type 0x%02x", type);
}

static bool apply(struct relocator *r, const Elf64_Rela *rel) {
  uint32_t type = ELF64_R_TYPE(rel->r_info);
  const struct ldx_binding *b;
  uint64_t *p;
  switch (type) {
  case REL_NONE:
    return true;
  case REL_RELATIVE:
  case REL_RELATIVE64:
    p = target(r, rel->r_offset, 8);
    if (p)
      *p = r->bias + (uint64_t)rel->r_addend;
    return p;
  case REL_IRELATIVE:
    p = target(r, rel->r_offset, 8);
    return p && defer(r, rel, r->object, r->bias + (uint64_t)rel->r_addend, NULL);
  }
  if (!ldx_reloc_width(type))
    return unknown_type(r, type);
  if (!bind(r, rel, type, &b))
    return false;
  if (type == REL_COPY)
    return apply_copy(r, b, rel);
  if (type == REL_DTPMOD || type == REL_DTPOFF || type == REL_TPOFF || type == REL_TLSDESC)
    return apply_tls(r, b, rel, type);
  if (is_ifunc(b) && ldx_reloc_width(type) == 8 && type != REL_SIZE64 && type != REL_PC64) {
    p = target(r, rel->r_offset, 8);
    return p && defer(r, rel, b->object, ldx_binding_address(b), b->sym) &&
           (!ldx_audited() || ldx_audit_defer(r->load, r->object, p, b, rel));
  }
  if (type == REL_GOT || type == REL_PLT) {
    p = target(r, rel->r_offset, 8);
    if (p)
      *p = ldx_binding_address(b); /* psABI: S, without addend */
    return p;
  }
  return apply_value(r, b, rel, type);
}

/* Symbols and their names lie scattered: have them fetched before their turn comes. */
static inline void look_ahead(const struct elf_symtab *s, const struct elf_relas *t, uint64_t i) {
  enum { SYMBOL = 16, NAME = 8 };
  if (i + SYMBOL >= t->count)
    return;
  ldx_prefetch(&s->sym[ELF64_R_SYM(t->at[i + SYMBOL].r_info)]);
  const Elf64_Sym *next = elf_symbol(s, ELF64_R_SYM(t->at[i + NAME].r_info));
  if (next)
    ldx_prefetch(s->str + next->st_name);
}

/* What an indirect function's resolver chooses is noted when it has. */
static bool note(const struct relocator *r, const Elf64_Rela *rel) {
  const struct ldx_binding *b = &r->last;
  if (!ldx_refers_to_symbol(ELF64_R_TYPE(rel->r_info)) || !b->sym || !b->object->made || is_ifunc(b))
    return true;
  return ldx_jit_note(r->object, rel, b, ldx_binding_address(b)) ||
         ldx_fail(r->load->diag, LDX_DIAG_LOAD, ENOMEM, ldx_display_name(r->object), "cannot allocate memory");
}

static bool apply_and_tell(struct relocator *r, const Elf64_Rela *rel) {
  if (!apply(r, rel) || (r->noted && !note(r, rel)))
    return false;
  if (r->told)
    ldx_tell_bound(r->object, rel, &r->last);
  return true;
}

static bool apply_all_and_tell(struct relocator *r, const struct elf_relas *t, uint64_t from) {
  for (uint64_t i = from; i < t->count; i++)
    if (!apply_and_tell(r, &t->at[i]))
      return false;
  return true;
}

static bool apply_all(struct relocator *r, const struct elf_relas *t, uint64_t from) {
  const struct elf_symtab *s = &r->object->dyn.sym;
  if (r->told || r->noted)
    return apply_all_and_tell(r, t, from);
  for (uint64_t i = from; i < t->count; i++) {
    look_ahead(s, t, i);
    if (!apply(r, &t->at[i]))
      return false;
  }
  return true;
}

/* Lazy binding: slots keep pointing into the PLT, which comes to ldx_plt_stub with the object and the index. */
static bool prepare_lazy(struct relocator *r) {
  struct ldx_object *o = r->object;
  const struct elf_relas *t = &o->dyn.jmprel;
  bool watched = ldx_audited() && ldx_audit_watches(o);
  for (uint64_t i = 0; i < t->count; i++) {
    uint32_t type = ELF64_R_TYPE(t->at[i].r_info);
    if (type == REL_TLSDESC || type == REL_IRELATIVE) {
      if (!apply_and_tell(r, &t->at[i]))
        return false;
      continue;
    }
    if (type != REL_PLT)
      return ldx_fail(r->load->diag, LDX_DIAG_LOAD, 0, ldx_display_name(o), "unexpected PLT reloc type 0x%02x", type);
    uint64_t *p = target(r, t->at[i].r_offset, 8);
    if (!p)
      return false;
    bool sealed = (uintptr_t)p + 8 > o->relro_start && (uintptr_t)p < o->relro_end; /* could not be written later */
    bool now = watched ? !ldx_object_has_code(o, *p + r->bias) : sealed;
    if (now && !apply_and_tell(r, &t->at[i]))
      return false;
    if (!now)
      *p += r->bias;
  }
  o->dyn.pltgot[1] = (uint64_t)o;
  o->dyn.pltgot[2] = (uint64_t)(watched ? ldx_self.audit.stub : ldx_plt_stub);
  return true;
}

/* Text relocations: the pages are writable while, and only while, they are relocated. */
static bool unlock_text(struct relocator *r, bool unlock) {
  struct ldx_object *o = r->object;
  for (uint32_t i = 0; i < o->image.segment_count; i++) {
    const struct elf_segment *s = &o->image.segments[i];
    if (s->flags & PF_W)
      continue;
    uintptr_t start = ldx_align_down(o->map.l_addr + s->vaddr, LDX_PAGE);
    uintptr_t end = ldx_align_up(o->map.l_addr + s->vaddr + s->filesz, LDX_PAGE);
    int prot = (s->flags & PF_R ? PROT_READ : 0) | (unlock ? PROT_WRITE : s->flags & PF_X ? PROT_EXEC : 0);
    if (ldx_sys_failed(sys_mprotect((void *)start, end - start, prot)))
      return ldx_fail(r->load->diag, LDX_DIAG_RELOC, EACCES, ldx_display_name(o),
                      "cannot %s segment prot to prepare for reloc", unlock ? "make" : "restore");
  }
  return true;
}

/* Readers of the dynamic section (tools, the guest's libc) expect addresses, not offsets, as the system loader leaves
 * them. */
void ldx_adjust_tags(Elf64_Dyn *const info[], uintptr_t bias) {
  static const uint8_t tags[] = {DT_PLTGOT, DT_HASH,   DT_STRTAB,     DT_SYMTAB,      DT_RELA,
                                 DT_REL,    DT_JMPREL, ELF_DT_VERSYM, ELF_DT_GNU_HASH};
  for (size_t i = 0; i < LDX_COUNT(tags); i++)
    if (info[tags[i]])
      info[tags[i]]->d_un.d_ptr += bias;
}

void ldx_adjust_dynamic(struct ldx_object *o) {
  if (o->ld_adjusted)
    return;
  o->ld_readonly = ldx_self.musl.active || ldx_copy_has_dynamic(o) || !o->image.dynamic ||
                   !(o->image.dynamic->p_flags & PF_W) ||
                   !elf_at_memory(&o->image, o->image.dynamic->p_vaddr, 16, PF_W);
  if (o->ld_readonly)
    return;
  o->ld_adjusted = true;
  ldx_adjust_tags(o->dyn.info, o->map.l_addr);
}

static bool lazy(const struct ldx_load *l, struct ldx_object *o) {
  return l->lazy && o->dyn.pltgot && (!o->dyn.bind_now || (ldx_audited() && ldx_audit_watches(o)));
}

static bool do_tables(struct relocator *r) {
  const struct elf_dynamic *d = &r->object->dyn;
  return apply_relr(r) && apply_relative(r, d->rela.at, d->relative_count) &&
         apply_all(r, &d->rela, d->relative_count) &&
         (lazy(r->load, r->object) ? prepare_lazy(r) : apply_all(r, &d->jmprel, 0));
}

bool ldx_relocate_object(struct ldx_load *l, struct ldx_object *o) {
  if (o->relocated || o->faked)
    return true;
  if (ldx_tracing(LDX_DEBUG_RELOC))
    ldx_debug("\nrelocation processing: %s%s", ldx_display_name(o), l->lazy && !o->dyn.bind_now ? " (lazy)" : "");
  struct relocator r = {
      .load = l, .object = o, .bias = o->map.l_addr, .textrel = o->dyn.textrel, .last_index = UINT64_MAX};
  r.told = ldx_wants(LDX_EV_BIND);
  r.noted = ldx_self.jits;
  r.asked = ldx_steers_binds() || ldx_audited();
  bool ok = !o->dyn.textrel || unlock_text(&r, true);
  ok = ok && do_tables(&r);
  if (o->dyn.textrel)
    ok = unlock_text(&r, false) && ok;
  if (!ok)
    return false;
  ldx_adjust_dynamic(o);
  o->relocated = true;
  if (ldx_wants(LDX_EV_RELOCATED))
    ldx_tell_object(LDX_EV_RELOCATED, o);
  return true;
}

uintptr_t ldx_resolve(const struct ldx_object *definer, uintptr_t resolver) {
  if (!ldx_object_has_code(definer, resolver))
    ldx_die_text("%s: %s: resolver of an indirect function outside executable segments", ldx_self.program_name,
                 ldx_display_name(definer));
  return ldx_call_keeping_vectors(&ldx_self.cpu, (uintptr_t(*)(uintptr_t))resolver, 0);
}

/* A word in a read-only segment (a text relocation): its pages are opened for the moment. */
static bool store(const struct ldx_object *o, void *where, uint64_t value) {
  uintptr_t off = (uintptr_t)where - o->map.l_addr, page = ldx_align_down((uintptr_t)where, LDX_PAGE);
  size_t size = ldx_align_up((uintptr_t)where + 8, LDX_PAGE) - page;
  if (elf_at_memory(&o->image, off, 8, PF_W)) {
    *(uint64_t *)where = value;
    return true;
  }
  int prot = PROT_READ | (elf_at_memory(&o->image, off, 8, PF_X) ? PROT_EXEC : 0);
  if (ldx_sys_failed(sys_mprotect((void *)page, size, PROT_READ | PROT_WRITE)))
    return false;
  *(uint64_t *)where = value;
  return !ldx_sys_failed(sys_mprotect((void *)page, size, prot));
}

static void *place_of(const struct ldx_fixup *f) { return (void *)(f->object->map.l_addr + f->rel->r_offset); }

/* The choice of a resolver, where tools have a say in it or hear of it. */
static bool settle_choice(struct ldx_load *l, const struct ldx_fixup *f, uintptr_t *chosen) {
  if ((ldx_steers_binds() || ldx_chooses_variants()) && !ldx_steer_choice(l, f, chosen))
    return false;
  if (ldx_wants(LDX_EV_IFUNC))
    ldx_tell_chosen(f->object, place_of(f), f->resolver, *chosen);
  return true;
}

/* What a resolver of an object made at run time has chosen changes with the symbol. */
static bool note_choice(const struct ldx_load *l, const struct ldx_fixup *f, uintptr_t chosen) {
  const struct ldx_binding b = {.sym = f->sym, .object = f->definer};
  return !f->sym || !f->definer->made || ldx_jit_note(f->object, f->rel, &b, chosen) ||
         ldx_fail(l->diag, LDX_DIAG_LOAD, ENOMEM, ldx_display_name(f->object), "cannot allocate memory");
}

/* A resolver's answer does not change during a load: the latest ones are remembered. */
bool ldx_run_fixups(struct ldx_load *l) {
  enum { MEMO = 64 };
  struct {
    uintptr_t resolver, value;
  } memo[MEMO] = {0};
  const bool watched = ldx_steers_binds() || ldx_chooses_variants() || ldx_wants(LDX_EV_IFUNC);
  for (size_t i = 0; i < l->fixups.count; i++) {
    const struct ldx_fixup *f = &l->fixups.at[i];
    size_t slot = (f->resolver >> 4) % MEMO;
    if (memo[slot].resolver != f->resolver) {
      memo[slot].value = ((uintptr_t(*)(void))f->resolver)();
      memo[slot].resolver = f->resolver;
    }
    uintptr_t chosen = memo[slot].value;
    if (watched && !settle_choice(l, f, &chosen))
      return false;
    int64_t addend = ELF64_R_TYPE(f->rel->r_info) == REL_ABS ? f->rel->r_addend : 0;
    uint64_t value = chosen + (uint64_t)addend;
    if (!f->object->dyn.textrel)
      *(uint64_t *)place_of(f) = value;
    else if (!store(f->object, place_of(f), value))
      return ldx_fail(l->diag, LDX_DIAG_RELOC, EACCES, ldx_display_name(f->object),
                      "cannot change memory protections");
    if (ldx_self.jits && !note_choice(l, f, chosen))
      return false;
  }
  if (ldx_audited())
    ldx_audit_deferred(l);
  return true;
}

bool ldx_run_copies(struct ldx_load *l) {
  for (size_t i = 0; i < l->copies.count; i++)
    memcpy(l->copies.at[i].to, l->copies.at[i].from, l->copies.at[i].size);
  return true;
}

bool ldx_protect_relro(struct ldx_object *o, struct ldx_diag *d) {
  if (o->relro_end <= o->relro_start)
    return true;
  long r = sys_mprotect((void *)o->relro_start, o->relro_end - o->relro_start, PROT_READ);
  return !ldx_sys_failed(r) || ldx_fail(d, LDX_DIAG_LOAD, (int)-r, ldx_display_name(o),
                                        "cannot apply additional memory protection after relocation");
}
