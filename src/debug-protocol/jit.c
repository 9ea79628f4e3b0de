#include "debug-protocol/jit.h"

#include <string.h>

#include "base/span.h"
#include "elf/defs.h"

enum { JIT_VERSION = 1, JIT_NOTHING = 0, JIT_REGISTER = 1, JIT_UNREGISTER = 2 };

__attribute__((noinline, visibility("default"), used)) void __jit_debug_register_code(void) {
  __asm__ volatile("" ::: "memory");
}

static void move_symbols(char *file, uint64_t size, const Elf64_Shdr *s, uint64_t bias) {
  uint64_t count = s->sh_size / sizeof(Elf64_Sym);
  if (s->sh_offset % 8 || !ldx_range_ok(size, s->sh_offset, count, sizeof(Elf64_Sym)))
    return;
  Elf64_Sym *at = (Elf64_Sym *)(file + s->sh_offset);
  for (uint64_t i = 0; i < count; i++)
    if (at[i].st_shndx != SHN_UNDEF && at[i].st_shndx < SHN_LORESERVE && ELF64_ST_TYPE(at[i].st_info) != STT_TLS)
      at[i].st_value += bias;
}

/* Debug information has addresses everywhere: without them it would mislead. */
static void move_section(char *file, uint64_t size, Elf64_Shdr *s, uint64_t bias) {
  if (s->sh_type == SHT_SYMTAB || s->sh_type == SHT_DYNSYM)
    move_symbols(file, size, s, bias);
  if (s->sh_flags & SHF_ALLOC)
    s->sh_addr += bias;
  else if (s->sh_type == SHT_PROGBITS)
    s->sh_type = SHT_NULL;
}

static bool move_image(char *file, uint64_t size, uint64_t bias) {
  Elf64_Ehdr *eh = (Elf64_Ehdr *)file;
  if (size < sizeof *eh || !eh->e_shnum || eh->e_shentsize != sizeof(Elf64_Shdr) || eh->e_shoff % 8 ||
      !ldx_range_ok(size, eh->e_shoff, eh->e_shnum, sizeof(Elf64_Shdr)))
    return false;
  Elf64_Shdr *s = (Elf64_Shdr *)(file + eh->e_shoff);
  for (uint32_t i = 0; i < eh->e_shnum; i++)
    move_section(file, size, &s[i], bias);
  eh->e_phnum = 0; /* they speak of the old addresses */
  return true;
}

struct ldx_jit_entry *ldx_jit_prepare(struct ldx_heap *heap, char *file, uint64_t size, uint64_t bias) {
  struct ldx_jit_entry *e = move_image(file, size, bias) ? ldx_heap_alloc(heap, sizeof *e) : NULL;
  if (e)
    *e = (struct ldx_jit_entry){.file = file, .size = size};
  else
    ldx_heap_free(heap, file);
  return e;
}

static void tell(struct ldx_jit_descriptor *d, struct ldx_jit_entry *e, uint32_t action) {
  d->version = JIT_VERSION;
  d->action = action;
  d->relevant = e;
  __jit_debug_register_code();
  d->action = JIT_NOTHING;
  d->relevant = NULL;
}

void ldx_jit_announce(struct ldx_jit_descriptor *d, struct ldx_jit_entry *e) {
  e->next = d->first;
  if (e->next)
    e->next->prev = e;
  d->first = e;
  tell(d, e, JIT_REGISTER);
}

void ldx_jit_drop(struct ldx_jit_descriptor *d, struct ldx_heap *heap, struct ldx_jit_entry *e) {
  bool announced = d->first == e || e->prev;
  if (e->prev)
    e->prev->next = e->next;
  else if (d->first == e)
    d->first = e->next;
  if (e->next)
    e->next->prev = e->prev;
  if (announced)
    tell(d, e, JIT_UNREGISTER);
  ldx_heap_free(heap, (void *)e->file);
  ldx_heap_free(heap, e);
}
