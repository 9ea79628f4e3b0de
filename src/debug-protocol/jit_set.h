/* What debuggers are shown by gdb's JIT interface of code that comes and goes piece by piece: a log-structured set of
 * small files.
 *
 * Each change makes one file of what is new, and merges it with files of like size: there are few files, and each
 * symbol is written anew a number of times that grows with the logarithm of their count. A piece of memory belongs to
 * one file at a time, whatever a symbol's object may be: what debuggers look through does not grow with the number of
 * objects. */
#ifndef LDX_DEBUG_PROTOCOL_JIT_SET_H
#define LDX_DEBUG_PROTOCOL_JIT_SET_H

#include "debug-protocol/jit.h"
#include "debug-protocol/symfile.h"

struct ldx_jit_piece; /* a file of the set */

struct ldx_jit_set {
  struct ldx_heap *heap;
  struct ldx_jit_entry **list; /* that debuggers read */
  /* The frames of [low, high): .eh_frame with absolute pointers, without the terminator, of the heap; NULL: none. */
  char *(*frames)(uintptr_t low, uintptr_t high, size_t *size);
  struct ldx_jit_piece *pieces; /* NULL: none */
};

/* A change. Arrays are put in order. */
struct ldx_jit_news {
  /* Names and values only: these are not there any more. */
  const struct ldx_symfile_symbol *gone;
  size_t gone_count;
  /* New ones. */
  struct ldx_symfile_symbol *symbols;
  size_t count;
  /* Memory whose symbols, frames or lines are new. */
  struct ldx_symfile_run *runs;
  size_t run_count;
  struct ldx_jit_lines *lines; /* the set's from now on */
};

/* All under the writer lock. Without memory debuggers see less than there is, but nothing that is not. */
void ldx_jit_set_change(struct ldx_jit_set *s, struct ldx_jit_news *news);
/* Nothing in [low, high) is there any more. */
void ldx_jit_set_forget(struct ldx_jit_set *s, uintptr_t low, uintptr_t high);
/* The memory has no symbols any more, and may be used again. Its lines are gone, which debuggers learn with the next
 * change. */
void ldx_jit_set_freed(struct ldx_jit_set *s, uintptr_t low, uintptr_t high);

#endif
