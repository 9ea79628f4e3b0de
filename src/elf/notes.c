#include "elf/notes.h"

#include <string.h>

bool elf_next_note(struct ldx_span notes, uint64_t align, uint64_t *off, struct elf_note *out) {
  const Elf64_Nhdr *n = ldx_span_at(notes, *off, 1, sizeof *n);
  if (!n)
    return false;
  if (align != 8)
    align = 4;
  uint64_t name = *off + sizeof *n, desc = ldx_align_up(name + n->n_namesz, align);
  if (!ldx_range_ok(notes.size, name, n->n_namesz, 1) || !ldx_range_ok(notes.size, desc, n->n_descsz, 1))
    return false;
  *out = (struct elf_note){n->n_type, (const char *)notes.base + name, n->n_namesz, {notes.base + desc, n->n_descsz}};
  *off = ldx_align_up(desc + n->n_descsz, align);
  return true;
}

static bool is_gnu(const struct elf_note *n) { return n->name_size == 4 && !memcmp(n->name, "GNU", 4); }

static struct ldx_span segment_bytes(const struct elf_image *im, const Elf64_Phdr *ph) {
  const void *p = ph->p_vaddr % 4 ? NULL : elf_at(im, ph->p_vaddr, ph->p_filesz);
  return (struct ldx_span){p, p ? ph->p_filesz : 0};
}

struct ldx_span elf_build_id(const struct elf_image *im, const Elf64_Phdr *phdrs, uint32_t phnum) {
  for (uint32_t i = 0; i < phnum; i++) {
    if (phdrs[i].p_type != PT_NOTE)
      continue;
    struct ldx_span s = segment_bytes(im, &phdrs[i]);
    struct elf_note n;
    for (uint64_t off = 0; elf_next_note(s, phdrs[i].p_align, &off, &n);)
      if (n.type == NT_GNU_BUILD_ID && is_gnu(&n))
        return n.desc;
  }
  return (struct ldx_span){0};
}

static uint32_t property_in(struct ldx_span desc, uint32_t type) {
  for (uint64_t off = 0; ldx_range_ok(desc.size, off, 1, 8);) {
    uint32_t head[2];
    memcpy(head, desc.base + off, 8);
    if (!ldx_range_ok(desc.size, off + 8, head[1], 1))
      return 0;
    if (head[0] == type && head[1] >= 4) {
      uint32_t v;
      memcpy(&v, desc.base + off + 8, 4);
      return v;
    }
    off = ldx_align_up(off + 8 + head[1], 8);
  }
  return 0;
}

uint32_t elf_property(const struct elf_image *im, uint32_t type) {
  if (!im->property)
    return 0;
  struct ldx_span s = segment_bytes(im, im->property);
  struct elf_note n;
  for (uint64_t off = 0; elf_next_note(s, 8, &off, &n);)
    if (n.type == NT_GNU_PROPERTY_TYPE_0 && is_gnu(&n))
      return property_in(n.desc, type);
  return 0;
}
