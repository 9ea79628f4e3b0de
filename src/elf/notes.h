/* Notes (gABI ch. 5 "Note Section") and GNU properties (x86-64 psABI, "Program Property"). */
#ifndef LDX_ELF_NOTES_H
#define LDX_ELF_NOTES_H

#include "elf/image.h"

struct elf_note {
  uint32_t type;
  const char *name;
  uint32_t name_size;
  struct ldx_span desc;
};

/* The next note of a PT_NOTE segment's bytes; *off starts at 0. False at the end or at damage. */
bool elf_next_note(struct ldx_span notes, uint64_t align, uint64_t *off, struct elf_note *out);

/* The build-id of an image (its PT_NOTE segments); size 0 when it has none. */
struct ldx_span elf_build_id(const struct elf_image *im, const Elf64_Phdr *phdrs, uint32_t phnum);

/* The value of a 4-byte GNU property, or 0. */
uint32_t elf_property(const struct elf_image *im, uint32_t type);

#endif
