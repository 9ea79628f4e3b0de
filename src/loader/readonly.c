/* Is memory read-only, by the headers of the object it belongs to? libc asks before it obeys a %n. */
#include "loader/guest.h"
#include "loader/load.h"

enum area { READ_ONLY, WRITABLE, NOT_FOUND };

static const Elf64_Phdr *segment_of(const struct ldx_object *o, uintptr_t at) {
  for (uint32_t i = 0; i < o->image.phnum; i++) {
    const Elf64_Phdr *p = &o->phdrs[i];
    uintptr_t start = o->map.l_addr + ldx_align_down(p->p_vaddr, LDX_PAGE);
    uintptr_t end = o->map.l_addr + ldx_align_up(p->p_vaddr + p->p_memsz, LDX_PAGE);
    if (p->p_type == PT_LOAD && at >= start && at < end)
      return p;
  }
  return NULL;
}

/* Where the sealed pages around `at` end; 0 when it is in none. */
static uintptr_t sealed_until(const struct ldx_object *o, uintptr_t at) {
  const Elf64_Phdr *r = o->image.relro;
  if (!r)
    return 0;
  uintptr_t start = o->map.l_addr + ldx_align_down(r->p_vaddr, LDX_PAGE);
  uintptr_t end = o->map.l_addr + ldx_align_down(r->p_vaddr + r->p_memsz, LDX_PAGE);
  return at >= start && at < end ? end : 0;
}

static enum area classify(const struct ldx_object *o, uintptr_t at, uintptr_t end) {
  while (at < end) {
    const Elf64_Phdr *p = segment_of(o, at);
    if (!p)
      return NOT_FOUND;
    uintptr_t next = o->map.l_addr + ldx_align_up(p->p_vaddr + p->p_memsz, LDX_PAGE);
    if (p->p_flags & PF_W)
      next = sealed_until(o, at);
    if (!next || !(p->p_flags & PF_R))
      return WRITABLE;
    at = next;
  }
  return READ_ONLY;
}

int ldx_guest_readonly_area(const void *start, size_t size) {
  struct ldx_reader reader = ldx_reader_enter();
  struct ldx_object *o = ldx_object_at((uintptr_t)start);
  enum area found = o ? classify(o, (uintptr_t)start, (uintptr_t)start + size) : NOT_FOUND;
  ldx_reader_leave(reader);
  return (int)found;
}
