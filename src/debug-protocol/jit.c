#include "debug-protocol/jit.h"

#include <string.h>

#include "base/span.h"
#include "base/sys.h"
#include "debug-protocol/symfile.h"

enum { JIT_VERSION = 1, JIT_NOTHING = 0, JIT_REGISTER = 1, JIT_UNREGISTER = 2 };

/* Debuggers look at it before ldx has run: the version must stand in the file. It is sealed but for moments. */
__attribute__((visibility("default"), used,
               section(".data.rel.ro"))) struct ldx_jit_descriptor __jit_debug_descriptor = {.version = JIT_VERSION};

static bool unseal(bool writable) {
  enum { READ = 1, WRITE = 2 };
  uintptr_t at = (uintptr_t)&__jit_debug_descriptor, page = ldx_align_down(at, LDX_PAGE);
  size_t size = ldx_align_up(at + sizeof __jit_debug_descriptor, LDX_PAGE) - page;
  return !ldx_sys_failed(sys_mprotect((void *)page, size, writable ? READ | WRITE : READ));
}

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

bool ldx_jit_unseal(void) { return unseal(true); }
void ldx_jit_seal(void) { unseal(false); }

/* A debugger may come at any moment, and then reads the list from `first` on. */
static void tell(struct ldx_jit_entry *e, struct ldx_jit_entry *first, uint32_t action) {
  struct ldx_jit_descriptor *d = &__jit_debug_descriptor;
  d->first = first;
  d->relevant = e;
  d->action = action;
  __jit_debug_register_code();
  d->action = JIT_NOTHING;
  d->relevant = NULL;
}

void ldx_jit_add(struct ldx_jit_entry **list, struct ldx_jit_entry *e) {
  e->prev = NULL;
  e->next = *list;
  if (e->next)
    e->next->prev = e;
  *list = e;
  tell(e, *list, JIT_REGISTER);
}

void ldx_jit_remove(struct ldx_jit_entry **list, struct ldx_jit_entry *e) {
  if (e->prev)
    e->prev->next = e->next;
  else
    *list = e->next;
  if (e->next)
    e->next->prev = e->prev;
  tell(e, *list, JIT_UNREGISTER);
}

void ldx_jit_look_again(struct ldx_jit_entry **list, struct ldx_heap *heap) {
  struct ldx_jit_entry nothing = {0};
  nothing.file = ldx_symfile_make(heap, &(struct ldx_symfile){0}, &nothing.size);
  if (!nothing.file)
    return;
  ldx_jit_add(list, &nothing);
  ldx_jit_remove(list, &nothing);
  ldx_heap_free(heap, (void *)nothing.file);
}

void ldx_jit_announce(struct ldx_jit_entry **list, struct ldx_jit_entry *e) {
  if (!ldx_jit_unseal())
    return;
  ldx_jit_add(list, e);
  ldx_jit_seal();
}

void ldx_jit_drop(struct ldx_jit_entry **list, struct ldx_heap *heap, struct ldx_jit_entry *e) {
  if (*list == e || e->prev) {
    if (!ldx_jit_unseal())
      return;
    ldx_jit_remove(list, e);
    ldx_jit_look_again(list, heap);
    ldx_jit_seal();
  }
  ldx_heap_free(heap, (void *)e->file);
  ldx_heap_free(heap, e);
}
