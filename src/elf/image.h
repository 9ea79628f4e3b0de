/* The file header, program headers and the layout of an image (gABI ch. 4 and 5).
 *
 * elf_image describes one object: where its segments lie in the file and in memory, and the program
 * headers that matter. It owns nothing: `segments` is the caller's array, `phdrs` points into the image.
 * All addresses are link-time addresses (p_vaddr) unless named otherwise; `bias` is added to reach memory. */
#ifndef LDX_ELF_IMAGE_H
#define LDX_ELF_IMAGE_H

#include <stdbool.h>

#include "base/span.h"
#include "elf/defs.h"
#include "elf/error.h"

struct elf_segment {
  uint64_t vaddr, filesz, memsz, offset;
  uint32_t flags; /* PF_R | PF_W | PF_X */
};

enum { ELF_MAX_SEGMENTS = 64 };

struct elf_image {
  uintptr_t bias;               /* memory address - link-time address, once mapped */
  struct elf_segment *segments; /* PT_LOAD, ascending */
  uint32_t segment_count;
  uint32_t phnum;
  uint64_t start, end; /* page-aligned extent of all segments */
  uint64_t max_align;  /* largest p_align, at least a page */
  const Elf64_Phdr *dynamic, *tls, *relro, *interp, *eh_frame_hdr, *phdr, *property, *stack;
};

/* What stands in the padding of e_ident where the file is a copy that RTLD_RELOADABLE made. */
#define ELF_COPY_MARK "ldxcopy"

/* Checks the identification and the fixed fields of the header in `file` (its first bytes; at least the
 * ELF header itself). `type` (ET_EXEC, ET_DYN) is left to the caller beyond "one of those". */
enum elf_error elf_check_header(struct ldx_span file);

/* The program header table that `head` (the first bytes of the file) announces; NULL with *error = ELF_OK
 * when the table lies in the file (of `file_size` bytes) but beyond `head`. */
const Elf64_Phdr *elf_phdrs(struct ldx_span head, uint64_t file_size, enum elf_error *error);

/* Reads the layout out of `phnum` program headers. `file_size` of UINT64_MAX means: mapped by the kernel.
 * `segments` has room for `max_segments` entries and must outlive the image. */
enum elf_error elf_read_layout(const Elf64_Phdr *phdrs, uint32_t phnum, uint64_t file_size,
                               struct elf_segment *segments, uint32_t max_segments, struct elf_image *out);

/* Memory behind a link-time address, when `size` bytes from there lie inside the file-backed part of one
 * readable segment; else NULL. */
void *elf_at(const struct elf_image *im, uint64_t vaddr, uint64_t size);
/* The same for whole segments in memory (including zero-filled space), of which all bits of `flags` are set. */
void *elf_at_memory(const struct elf_image *im, uint64_t vaddr, uint64_t size, uint32_t flags);
/* How many bytes from vaddr on are file-backed in its segment (0: not in any that can be read). */
uint64_t elf_room(const struct elf_image *im, uint64_t vaddr);

#endif
