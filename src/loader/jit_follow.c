/* Symbols that are bound anew: what others' relocations wrote for the old definition is written again, and jumps lead
 * to the new one. */
#include <errno.h>
#include <ldx/jit.h>
#include <sys/mman.h>

#include "arch/x86_64/jump.h"
#include "arch/x86_64/reloc.h"
#include "loader/jit_core.h"

/* A word of another object, as a relocation wrote it. It is on the list of the symbol that it was bound to, and of
 * its object. */
struct ldx_jit_ref {
  struct ldx_jit_ref *next, **link; /* link NULL: the symbol is gone */
  struct ldx_jit_ref *other;        /* next of the same object */
  struct ldx_jit_referrer *by;
  uint64_t *at, written, addend;
};
struct ldx_jit_referrer {
  struct ldx_jit_referrer *next;
  const struct ldx_object *object;
  struct ldx_jit_ref *refs;
};

/* --- words of other objects ------------------------------------------------------------------------------ */

static struct ldx_jit_referrer *referrer(struct ldx_jit_object *j, const struct ldx_object *o) {
  struct ldx_jit_referrer *r = j->symbols->referrers;
  while (r && r->object != o)
    r = r->next;
  if (r || !(r = ldx_new(sizeof *r)))
    return r;
  *r = (struct ldx_jit_referrer){j->symbols->referrers, o, NULL};
  return j->symbols->referrers = r;
}

static void put_on(struct ldx_jit_ref **list, struct ldx_jit_ref *f) {
  f->next = *list;
  f->link = list;
  if (f->next)
    f->next->link = &f->next;
  *list = f;
}

static void take_off(struct ldx_jit_ref *f) {
  if (!f->link)
    return;
  *f->link = f->next;
  if (f->next)
    f->next->link = f->link;
  f->link = NULL;
}

/* Words of 64 bits that hold an address, where data can be written. */
static bool can_follow(const struct ldx_object *from, const Elf64_Rela *rel) {
  uint32_t type = ELF64_R_TYPE(rel->r_info);
  return (type == REL_ABS || type == REL_GOT || type == REL_PLT) &&
         elf_at_memory(&from->image, rel->r_offset, sizeof(uint64_t), PF_W);
}

bool ldx_jit_note(struct ldx_object *from, const Elf64_Rela *rel, const struct ldx_binding *b, uintptr_t value) {
  struct ldx_jit_object *j = b->object->made;
  uint32_t slot = (uint32_t)(b->sym - ldx_jit_symbol(j, 0));
  if (b->override || !j->symbols->slots[slot].alive || !can_follow(from, rel))
    return true;
  struct ldx_jit_referrer *r = referrer(j, from);
  struct ldx_jit_ref *f = r ? ldx_new(sizeof *f) : NULL;
  if (!f)
    return false;
  uint64_t addend = ELF64_R_TYPE(rel->r_info) == REL_ABS ? (uint64_t)rel->r_addend : 0;
  *f = (struct ldx_jit_ref){.other = r->refs,
                            .by = r,
                            .at = (uint64_t *)(from->map.l_addr + rel->r_offset),
                            .written = value + addend,
                            .addend = addend};
  r->refs = f;
  put_on(&j->symbols->slots[slot].refs, f);
  return true;
}

void ldx_jit_refs_move(struct ldx_jit_object *j, uint32_t from, uint32_t to) {
  struct ldx_jit_slot *s = j->symbols->slots;
  s[to].refs = s[from].refs;
  s[from].refs = NULL;
  if (s[to].refs)
    s[to].refs->link = &s[to].refs;
}

void ldx_jit_refs_forget(struct ldx_jit_object *j, uint32_t slot) {
  while (j->symbols->slots[slot].refs)
    take_off(j->symbols->slots[slot].refs);
}

/* RELRO is opened as a whole, for the moment of a store. */
static bool seal(const struct ldx_object *o, bool open) {
  return !ldx_sys_failed(
      sys_mprotect((void *)o->relro_start, o->relro_end - o->relro_start, open ? PROT_READ | PROT_WRITE : PROT_READ));
}

/* Programs protect data of their own accord as well: the kernel tells, when it is to change nothing there. */
static bool can_write(uint64_t *at, uintptr_t *known) {
  enum { WAKE_OP_PRIVATE = 5 | 128, OR_NOTHING = 2 << 28 };
  uintptr_t page = ldx_align_down((uintptr_t)at, LDX_PAGE);
  uint32_t word = 0;
  if (page != *known && LDX_SYS(SYS_futex, &word, WAKE_OP_PRIVATE, 0, 0, at, OR_NOTHING) == -EFAULT)
    return false;
  *known = page;
  return true;
}

/* What the program has written there in the meantime is its own. known: a page that can be written. */
static void write_word(struct ldx_jit_ref *f, uint64_t value, uintptr_t *known) {
  const struct ldx_object *o = f->by->object;
  bool sealed = o->relocated && !o->pending && (uintptr_t)f->at + sizeof *f->at > o->relro_start &&
                (uintptr_t)f->at < o->relro_end;
  uint64_t expected = f->written;
  if (value == expected || (sealed && (__atomic_load_n(f->at, __ATOMIC_RELAXED) != expected || !seal(o, true))))
    return;
  if (!sealed && !can_write(f->at, known))
    return;
  __atomic_compare_exchange_n(f->at, &expected, value, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED);
  f->written = value;
  if (sealed)
    seal(o, false);
}

/* A resolver may close objects: those that are to be written stay as long as somebody reads. */
void ldx_jit_refs_write(struct ldx_jit_object *j, uint32_t slot) {
  const Elf64_Sym *s = ldx_jit_symbol(j, slot);
  if (!j->symbols->slots[slot].refs)
    return;
  struct ldx_reader reader = ldx_reader_enter();
  uintptr_t value = ldx_symbol_address(j->object, s), known = 0;
  if (ELF64_ST_TYPE(s->st_info) == STT_GNU_IFUNC)
    value = ldx_resolve(j->object, value);
  for (struct ldx_jit_ref *f = j->symbols->slots[slot].refs; f; f = f->next)
    write_word(f, value + f->addend, &known);
  ldx_reader_leave(reader);
}

static void free_referrer(struct ldx_jit_referrer *r) {
  for (struct ldx_jit_ref *f = r->refs, *other; f; f = other) {
    other = f->other;
    take_off(f);
    ldx_delete(f);
  }
  ldx_delete(r);
}

void ldx_jit_refs_free(struct ldx_jit_object *j) {
  for (struct ldx_jit_referrer *r = j->symbols->referrers, *next; r; r = next) {
    next = r->next;
    free_referrer(r);
  }
}

void ldx_jit_forget_referrer(const struct ldx_object *o) {
  for (struct ldx_jit_object *j = ldx_self.jits; j; j = j->next)
    for (struct ldx_jit_referrer **p = &j->symbols->referrers, *r; (r = *p); p = &r->next)
      if (r->object == o) {
        *p = r->next;
        free_referrer(r);
        break;
      }
}

/* --- jumps ----------------------------------------------------------------------------------------------- */

struct ldx_jit_jump *ldx_jit_jump_new(struct ldx_jit_object *j) {
  struct ldx_jit_jump *jump = ldx_new(sizeof *jump);
  void *code = jump ? ldx_jit_block_new(j, LDX_REGION_CODE, LDX_JUMP_SIZE, LDX_JUMP_SIZE, true) : NULL;
  void *word = code ? ldx_jit_block_new(j, LDX_REGION_RODATA, sizeof(uintptr_t), LDX_JUMP_SIZE, true) : NULL;
  if (!word) {
    if (code)
      ldx_jit_block_free(j, (uintptr_t)code);
    ldx_delete(jump);
    return NULL;
  }
  ldx_write_jump(ldx_jit_alias(j, (uintptr_t)code), (uintptr_t)code, (uintptr_t)word);
  ldx_jit_unwind_stage_simple(j, (uintptr_t)code, LDX_JUMP_SIZE, LDX_JIT_FRAME_LEAF);
  *jump = (struct ldx_jit_jump){.code = (uintptr_t)code, .word = (uintptr_t)word};
  return jump;
}

void ldx_jit_jump_free(struct ldx_jit_object *j, struct ldx_jit_jump *jump) {
  ldx_jit_unwind_drop(j, jump->code, jump->code + LDX_JUMP_SIZE);
  ldx_jit_block_free(j, jump->code);
  ldx_jit_block_free(j, jump->word);
  ldx_delete(jump);
}

void ldx_jit_jump_lead(struct ldx_jit_object *j, struct ldx_jit_jump *jump, uintptr_t target) {
  jump->target = target;
  __atomic_store_n((uintptr_t *)ldx_jit_alias(j, jump->word), target, __ATOMIC_RELEASE);
}

static struct ldx_jit_jump **idle_jumps(struct ldx_jit_object *j, uintptr_t target) {
  return &j->symbols->idle[target / LDX_PAGE % LDX_COUNT(j->symbols->idle)];
}

void ldx_jit_jump_idle(struct ldx_jit_object *j, struct ldx_jit_jump *jump) {
  struct ldx_jit_jump **list = idle_jumps(j, jump->target);
  jump->next = *list;
  *list = jump;
}

static void drop_from(struct ldx_jit_object *j, struct ldx_jit_jump **list, uintptr_t low, uintptr_t high) {
  while (*list) {
    struct ldx_jit_jump *jump = *list;
    if (jump->target - low >= high - low) {
      list = &jump->next;
      continue;
    }
    *list = jump->next;
    ldx_jit_jump_free(j, jump);
  }
}

void ldx_jit_jumps_drop(struct ldx_jit_object *j, uintptr_t low, uintptr_t high) {
  size_t lists = LDX_COUNT(j->symbols->idle);
  uintptr_t page = ldx_align_down(low, LDX_PAGE);
  for (size_t i = 0; i < lists && page < high; i++, page += LDX_PAGE)
    drop_from(j, idle_jumps(j, page), low, high);
}

void ldx_jit_jumps_free(struct ldx_jit_object *j) {
  for (size_t i = 0; i < LDX_COUNT(j->symbols->idle); i++)
    for (struct ldx_jit_jump *jump = j->symbols->idle[i], *next; jump; jump = next) {
      next = jump->next;
      ldx_delete(jump);
    }
  for (uint32_t i = 1; i < j->symbols->used; i++)
    ldx_delete(j->symbols->slots[i].jump);
}
