/* An image as the loader sees it after mapping, for programs of the host. What is not file-backed is guarded:
 * AddressSanitizer and Valgrind report any access to it. */
#ifndef LDX_TESTS_MAPPED_H
#define LDX_TESTS_MAPPED_H

#include "elf/dynamic.h"

struct mapped {
  const Elf64_Phdr *phdrs; /* points into the file */
  struct elf_segment segments[ELF_MAX_SEGMENTS];
  struct elf_image im;
  struct elf_dynamic d;
  uint8_t *memory; /* NULL: not mapped */
  size_t size;
};

/* Checks the header, reads the program headers and the layout; `file` must outlive `m`. */
enum elf_error mapped_layout(struct mapped *m, struct ldx_span file);
/* Copies the segments to their places; false when they reach over more than `max` bytes. */
bool mapped_load(struct mapped *m, struct ldx_span file, size_t max);
/* All of the above and the dynamic section. */
enum elf_error mapped_open(struct mapped *m, struct ldx_span file);
void mapped_close(struct mapped *m);

#endif
