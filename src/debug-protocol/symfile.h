/* Small ELF files that describe code which has no file, for gdb's JIT interface: symbols, frames, line numbers (gABI
 * ch. 4; DWARF 4). Pure: facts in, bytes out. */
#ifndef LDX_DEBUG_PROTOCOL_SYMFILE_H
#define LDX_DEBUG_PROTOCOL_SYMFILE_H

#include <stddef.h>
#include <stdint.h>

#include "base/heap.h"
#include "elf/defs.h"

/* A piece of memory that the file is about. Debuggers look for the section of an address before they look for its
 * symbol: each run is a section, and no two runs of all the files that they are shown may overlap. */
struct ldx_symfile_run {
  uintptr_t low, high;
  uint64_t flags; /* SHF_EXECINSTR, SHF_WRITE or 0 */
};
struct ldx_symfile_symbol {
  const char *name;
  uintptr_t value; /* address; outside of all runs the symbol is left out: gdb crashes when it has no section */
  uint64_t size;
  unsigned char info;
};
/* Lines that were given for a piece of code; heap memory, one block. They make a compilation unit, with a subprogram
 * for each function in it. */
struct ldx_jit_lines {
  struct ldx_jit_lines *next;
  uintptr_t code;
  size_t size, count;
  const char *file;
  const void *at; /* struct ldx_jit_line of the public header */
};
struct ldx_symfile {
  const struct ldx_symfile_symbol *symbols; /* ascending by value */
  size_t count;
  const struct ldx_symfile_run *runs; /* ascending; with spare ones at most LDX_SYMFILE_RUNS */
  size_t run_count;
  size_t spare_runs;  /* section headers without a section, behind theirs */
  const char *frames; /* .eh_frame with absolute pointers, without the terminator */
  size_t frames_size;
  struct ldx_jit_lines *lines;
};

enum { LDX_SYMFILE_RUNS = 0xf000 };

/* NULL: no memory. The bytes are of the heap. */
char *ldx_symfile_make(struct ldx_heap *heap, const struct ldx_symfile *what, uint64_t *size);

/* What a file that was made says, in place. */
struct ldx_symfile_view {
  Elf64_Sym *symbols; /* in the order of values */
  size_t count;
  const char *strings;
  char *frames;
  Elf64_Shdr *sections; /* of runs, and spare ones */
  uint32_t first_section;
};
struct ldx_symfile_view ldx_symfile_read(const char *file);

#endif
