#include "debug-protocol/jit_piece.h"

#include <string.h>

/* ---- making */

static size_t spare_of(size_t runs) { return runs / 2 + 16; }

static void note_runs(struct ldx_jit_piece *p, const struct ldx_symfile *what, const uint32_t *frames_end) {
  p->run_count = what->run_count;
  p->run_room = what->run_count + what->spare_runs;
  for (size_t i = 0; i < what->run_count; i++)
    p->runs[i] = (struct ldx_piece_run){.low = what->runs[i].low,
                                        .high = what->runs[i].high,
                                        .flags = what->runs[i].flags,
                                        .section = (uint32_t)i,
                                        .frames = i ? frames_end[i - 1] : 0,
                                        .frames_end = frames_end[i]};
}

enum { FRAME = 64 }; /* bytes that tell of one function, about */

struct ldx_jit_piece *ldx_piece_make(struct ldx_heap *heap, const struct ldx_symfile *what,
                                     const uint32_t *frames_end) {
  struct ldx_symfile with_room = *what;
  with_room.spare_runs = spare_of(what->run_count);
  struct ldx_jit_piece *p = ldx_heap_alloc(heap, sizeof *p);
  if (!p)
    return NULL;
  p->runs = ldx_heap_alloc(heap, (what->run_count + with_room.spare_runs) * sizeof *p->runs);
  p->told.file = p->runs ? ldx_symfile_make(heap, &with_room, &p->told.size) : NULL;
  if (!p->told.file) {
    ldx_piece_free(heap, p);
    return NULL;
  }
  p->lines = what->lines;
  p->framed = what->frames_size / FRAME;
  p->view = ldx_symfile_read(p->told.file);
  note_runs(p, &with_room, frames_end);
  return p;
}

void ldx_piece_free(struct ldx_heap *heap, struct ldx_jit_piece *p) {
  ldx_drop_lines(heap, &p->lines, 0, UINTPTR_MAX);
  ldx_heap_free(heap, (void *)p->told.file);
  ldx_heap_free(heap, p->runs);
  ldx_heap_free(heap, p);
}

/* ---- looking */

size_t ldx_piece_symbol(const struct ldx_jit_piece *p, uintptr_t at) {
  size_t low = 0, high = p->view.count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (p->view.symbols[middle].st_value < at)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

size_t ldx_piece_run(const struct ldx_jit_piece *p, uintptr_t at) {
  size_t low = 0, high = p->run_count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (p->runs[middle].high <= at)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

Elf64_Sym *ldx_piece_find(const struct ldx_jit_piece *p, const struct ldx_symfile_symbol *s) {
  const struct ldx_symfile_view *v = &p->view;
  for (size_t i = ldx_piece_symbol(p, s->value); i < v->count && v->symbols[i].st_value == s->value; i++)
    if (v->symbols[i].st_name && !strcmp(v->strings + v->symbols[i].st_name, s->name))
      return &v->symbols[i];
  return NULL;
}

bool ldx_piece_has_lines(const struct ldx_jit_piece *p, uintptr_t low, uintptr_t high) {
  for (const struct ldx_jit_lines *l = p->lines; l; l = l->next)
    if (ldx_ranges_meet(l->code, l->code + l->size, low, high))
      return true;
  return false;
}

void ldx_drop_lines(struct ldx_heap *heap, struct ldx_jit_lines **list, uintptr_t low, uintptr_t high) {
  while (*list) {
    struct ldx_jit_lines *l = *list;
    if (l->size && !ldx_ranges_meet(l->code, l->code + l->size, low, high)) {
      list = &l->next;
      continue;
    }
    *list = l->next;
    ldx_heap_free(heap, l);
  }
}

/* ---- changing */

/* A symbol without a name is none for debuggers. */
void ldx_piece_blank(struct ldx_jit_piece *p, Elf64_Sym *s) {
  if (s->st_name)
    p->blank++;
  s->st_name = 0;
}

/* Whether the run has symbols that reach into the range. */
static bool has_symbols(const struct ldx_jit_piece *p, const struct ldx_piece_run *r, uintptr_t low, uintptr_t high) {
  for (size_t i = ldx_piece_symbol(p, r->low); i < p->view.count && p->view.symbols[i].st_value < high; i++) {
    const Elf64_Sym *s = &p->view.symbols[i];
    if (s->st_name && s->st_value + (s->st_size ? s->st_size : 1) > low)
      return true;
  }
  return false;
}

/* FDEs of the range are those of no code. False: one is of other code, too. The records are as ldx writes them: with
 * lengths of 4 bytes and addresses of 8 (LSB Core, "Exception Frames"). */
static bool cut_frames(struct ldx_jit_piece *p, const struct ldx_piece_run *r, uintptr_t low, uintptr_t high) {
  struct head {
    uint32_t length, cie;
  } head;
  struct code {
    uint64_t start, size;
  } code;
  char *frames = p->view.frames;
  for (uint32_t at = r->frames; at < r->frames_end; at += (uint32_t)sizeof head.length + head.length) {
    memcpy(&head, frames + at, sizeof head);
    if (!head.cie)
      continue;
    memcpy(&code, frames + at + sizeof head, sizeof code);
    if (!ldx_ranges_meet(code.start, code.start + code.size, low, high))
      continue;
    if (code.start < low || code.start + code.size > high)
      return false;
    code.size = 0;
    memcpy(frames + at + sizeof head, &code, sizeof code);
  }
  return true;
}

static void set_section(struct ldx_jit_piece *p, const struct ldx_piece_run *r) {
  Elf64_Shdr *s = &p->view.sections[r->section];
  s->sh_addr = r->low;
  s->sh_size = r->high - r->low;
}

static void remove_run(struct ldx_jit_piece *p, size_t i) {
  p->view.sections[p->runs[i].section].sh_type = SHT_NULL;
  p->view.sections[p->runs[i].section].sh_flags = 0;
  p->run_count--;
  memmove(&p->runs[i], &p->runs[i + 1], (p->run_count - i) * sizeof *p->runs);
}

/* A header that is not in use; -1: all are. */
static int64_t spare_section(const struct ldx_jit_piece *p) {
  for (size_t i = p->run_room; i--;)
    if (p->view.sections[i].sh_type == SHT_NULL)
      return (int64_t)i;
  return -1;
}

/* What lies behind `from` becomes a run of its own. */
static bool split_run(struct ldx_jit_piece *p, size_t i, uintptr_t from) {
  int64_t spare = spare_section(p);
  if (spare < 0)
    return false;
  memmove(&p->runs[i + 1], &p->runs[i], (p->run_count - i) * sizeof *p->runs);
  p->run_count++;
  struct ldx_piece_run *first = &p->runs[i], *second = &p->runs[i + 1];
  p->view.sections[spare] = p->view.sections[first->section];
  second->section = (uint32_t)spare;
  second->low = from;
  first->high = from;
  for (size_t k = ldx_piece_symbol(p, from); k < p->view.count && p->view.symbols[k].st_value < second->high; k++)
    p->view.symbols[k].st_shndx = (uint16_t)(p->view.first_section + second->section);
  set_section(p, second);
  return true;
}

/* Of run i. False as in ldx_piece_cut. */
static bool cut_run(struct ldx_jit_piece *p, size_t i, uintptr_t low, uintptr_t high) {
  struct ldx_piece_run *r = &p->runs[i];
  if (has_symbols(p, r, low, high) || !cut_frames(p, r, low, high))
    return false;
  if (low > r->low && high < r->high && !split_run(p, i, high))
    return false;
  if (low > r->low)
    r->high = low;
  else
    r->low = high;
  if (r->low >= r->high)
    remove_run(p, i);
  else
    set_section(p, r);
  return true;
}

bool ldx_piece_cut(struct ldx_jit_piece *p, uintptr_t low, uintptr_t high) {
  if (ldx_piece_has_lines(p, low, high))
    return false;
  for (size_t i = ldx_piece_run(p, low); i < p->run_count && p->runs[i].low < high;) {
    size_t before = p->run_count;
    p->changed = true;
    if (!cut_run(p, i, low, high))
      return false;
    i = p->run_count < before ? i : i + 1;
  }
  return true;
}
