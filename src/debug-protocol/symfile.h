/* Small ELF files that describe code which has no file, for gdb's JIT interface: symbols, frames, line numbers. Pure:
 * facts in, bytes out. */
#ifndef LDX_DEBUG_PROTOCOL_SYMFILE_H
#define LDX_DEBUG_PROTOCOL_SYMFILE_H

#include <stddef.h>
#include <stdint.h>

#include "base/heap.h"

struct ldx_symfile_symbol {
  const char *name;
  uintptr_t value; /* address */
  uint64_t size;   /* 0: taken for 1 byte */
  unsigned char info;
};
struct ldx_symfile_line {
  uint32_t offset, line;
};
struct ldx_symfile_lines {
  uintptr_t code;
  size_t size, count;
  const char *file;
  const struct ldx_symfile_line *at;
};
struct ldx_symfile {
  const struct ldx_symfile_symbol *symbols; /* ascending by value */
  size_t count;
  const char *frames; /* .eh_frame with absolute pointers; NULL: none */
  size_t frames_size;
  const struct ldx_symfile_lines *const
      *lines; /* DWARF 4 (.debug_info, .debug_abbrev, .debug_line) is made of these */
  size_t lines_count;
};

/* A section for each piece of memory without holes that symbols cover (debuggers look up an address's section first);
 * no two sections overlap. NULL: no memory. The bytes are of the heap. */
char *ldx_symfile_make(struct ldx_heap *heap, const struct ldx_symfile *what, uint64_t *size);

#endif
