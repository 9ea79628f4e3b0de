/* A file of the set that debuggers are shown (jit_set.h), and what can be changed in it where it is. A file that
 * changed is told again: its entry goes and comes. */
#ifndef LDX_DEBUG_PROTOCOL_JIT_PIECE_H
#define LDX_DEBUG_PROTOCOL_JIT_PIECE_H

#include "debug-protocol/jit.h"
#include "debug-protocol/symfile.h"

/* Memory that is this file's, and its section there. */
struct ldx_piece_run {
  uintptr_t low, high;
  uint64_t flags;              /* as in struct ldx_symfile_run */
  uint32_t section;            /* number of its header */
  uint32_t frames, frames_end; /* where in .eh_frame its FDEs are */
};

struct ldx_jit_piece {
  struct ldx_jit_entry told;
  struct ldx_jit_piece *next;
  struct ldx_jit_lines *lines; /* what the file's line tables were made of; size 0: not there any more */
  struct ldx_symfile_view view;
  struct ldx_piece_run *runs; /* ascending */
  size_t run_count, run_room;
  size_t blank;  /* symbols that are not there any more */
  size_t framed; /* about how many functions its frames tell of */
  bool changed;  /* to be told again */
  bool stale;    /* to be written anew with the next change */
};

static inline size_t ldx_most_of(size_t symbols, size_t runs, size_t framed) {
  size_t most = symbols > runs ? symbols : runs;
  return most > framed ? most : framed;
}
/* What it costs to make it anew. */
static inline size_t ldx_piece_weight(const struct ldx_jit_piece *p) {
  return ldx_most_of(p->view.count - p->blank, p->run_count, p->framed);
}
static inline bool ldx_ranges_meet(uintptr_t low, uintptr_t high, uintptr_t other_low, uintptr_t other_high) {
  return low < other_high && other_low < high;
}

/* What it is made of: frames tell of the runs, one run after the other, up to these offsets. Lines are the piece's
 * from now on. NULL: no memory. */
struct ldx_jit_piece *ldx_piece_make(struct ldx_heap *heap, const struct ldx_symfile *what,
                                     const uint32_t *frames_end);
void ldx_piece_free(struct ldx_heap *heap, struct ldx_jit_piece *p);

/* The first symbol that does not lie below; the first run that does not end below. */
size_t ldx_piece_symbol(const struct ldx_jit_piece *p, uintptr_t at);
size_t ldx_piece_run(const struct ldx_jit_piece *p, uintptr_t at);
/* The symbol of that name at that address; NULL: it has none. */
Elf64_Sym *ldx_piece_find(const struct ldx_jit_piece *p, const struct ldx_symfile_symbol *s);
bool ldx_piece_has_lines(const struct ldx_jit_piece *p, uintptr_t low, uintptr_t high);
/* Frees the line tables of [low, high), and those that are not there any more. */
void ldx_drop_lines(struct ldx_heap *heap, struct ldx_jit_lines **list, uintptr_t low, uintptr_t high);

/* A symbol is not there any more. */
void ldx_piece_blank(struct ldx_jit_piece *p, Elf64_Sym *s);
/* [low, high) belongs to others from now on. False: the piece has to be written anew, without it, because it has
 * symbols or lines there, or no room. */
bool ldx_piece_cut(struct ldx_jit_piece *p, uintptr_t low, uintptr_t high);

#endif
