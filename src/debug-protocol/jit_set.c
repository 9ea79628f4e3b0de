#include "debug-protocol/jit_set.h"

#include <string.h>

#include "base/sort.h"
#include "base/span.h"
#include "debug-protocol/jit_piece.h"

/* Symbols in a file, about. Larger files would be fewer: that saves debuggers nothing any more. And in a run, so that
 * it can be cut where it is. */
enum { LARGEST = 8192, LONGEST_RUN = 256 };

struct symbols {
  struct ldx_symfile_symbol *at;
  size_t count, room;
};
struct runs {
  struct ldx_symfile_run *at;
  size_t count, room;
};
struct bytes {
  char *at;
  size_t count, room;
};

/* A change. What it collects becomes new files. */
struct work {
  struct ldx_jit_set *set;
  struct ldx_jit_news *news;
  uintptr_t low, high; /* forgotten */
  struct symbols symbols;
  struct runs runs;
  size_t framed;               /* functions that taken frames tell of */
  struct ldx_jit_lines *lines; /* at its end the new ones */
  struct ldx_jit_piece *taken; /* to be freed: symbols have their names there */
  struct ldx_jit_piece *made;
};

static bool reserve(struct ldx_heap *h, void **at, size_t *room, size_t item, size_t needed) {
  while (*room < needed)
    if (!ldx_heap_grow(h, at, room, item, needed))
      return false;
  return true;
}

static bool has_memory(const struct ldx_jit_piece *p, uintptr_t low, uintptr_t high) {
  size_t i = ldx_piece_run(p, low);
  return low < high && i < p->run_count && p->runs[i].low < high;
}

/* ---- what goes */

static void forget_symbol(struct work *w, const struct ldx_symfile_symbol *s) {
  for (struct ldx_jit_piece *p = w->set->pieces; p; p = p->next) {
    Elf64_Sym *found = ldx_piece_find(p, s);
    if (!found)
      continue;
    ldx_piece_blank(p, found);
    p->changed = true;
    p->stale = p->stale || 2 * p->blank > p->view.count || ldx_piece_has_lines(p, s->value, s->value + 1);
    return;
  }
}

static void forget_range(const struct work *w, struct ldx_jit_piece *p) {
  const struct ldx_symfile_view *v = &p->view;
  for (size_t i = ldx_piece_symbol(p, w->low); i < v->count && v->symbols[i].st_value < w->high; i++)
    ldx_piece_blank(p, &v->symbols[i]);
}

/* What is told anew with the same name at the same place replaces what was told before. */
static void blank_replaced(const struct work *w, struct ldx_jit_piece *p) {
  for (size_t i = 0; i < w->news->count; i++) {
    Elf64_Sym *s = ldx_piece_find(p, &w->news->symbols[i]);
    if (s)
      ldx_piece_blank(p, s);
  }
}

/* Takes new memory away from who had it before. False: the piece has to be written anew. */
static bool give_way(const struct work *w, struct ldx_jit_piece *p) {
  const struct ldx_jit_news *n = w->news;
  if (n->run_count <= p->run_count) {
    for (size_t i = 0; i < n->run_count; i++)
      if (!ldx_piece_cut(p, n->runs[i].low, n->runs[i].high))
        return false;
    return true;
  }
  size_t i = 0;
  for (size_t k = 0; k < p->run_count; k++) {
    while (i < n->run_count && n->runs[i].high <= p->runs[k].low)
      i++;
    if (i < n->run_count && n->runs[i].low < p->runs[k].high)
      return false;
  }
  return true;
}

static bool may_stay(const struct work *w, struct ldx_jit_piece *p) {
  return !p->stale && !has_memory(p, w->low, w->high) && give_way(w, p) && p->run_count;
}

/* ---- pieces that are written anew */

static void take_symbols(struct work *w, const struct ldx_jit_piece *p) {
  const struct ldx_symfile_view *v = &p->view;
  struct symbols *to = &w->symbols;
  if (!reserve(w->set->heap, (void **)&to->at, &to->room, sizeof *to->at, to->count + v->count))
    return;
  size_t left = to->count, end = to->count + v->count - p->blank;
  to->count = end;
  /* Both are in order; from the end on there is room. */
  for (size_t i = v->count; i--;) {
    const Elf64_Sym *s = &v->symbols[i];
    if (!s->st_name)
      continue;
    for (; left && to->at[left - 1].value > s->st_value; left--)
      to->at[--end] = to->at[left - 1];
    to->at[--end] = (struct ldx_symfile_symbol){v->strings + s->st_name, s->st_value, s->st_size, s->st_info};
  }
}

static void add_run(struct work *w, uintptr_t low, uintptr_t high, uint64_t flags) {
  struct runs *to = &w->runs;
  if (low < high && reserve(w->set->heap, (void **)&to->at, &to->room, sizeof *to->at, to->count + 1))
    to->at[to->count++] = (struct ldx_symfile_run){low, high, flags};
}

static void take_runs(struct work *w, const struct ldx_jit_piece *p) {
  for (size_t i = 0; i < p->run_count; i++) {
    const struct ldx_piece_run *r = &p->runs[i];
    if (!ldx_ranges_meet(r->low, r->high, w->low, w->high)) {
      add_run(w, r->low, r->high, r->flags);
      continue;
    }
    if (r->low < w->low)
      add_run(w, r->low, w->low, r->flags);
    if (r->high > w->high)
      add_run(w, w->high, r->high, r->flags);
  }
}

static void take_lines(struct work *w, struct ldx_jit_piece *p) {
  struct ldx_heap *h = w->set->heap;
  ldx_drop_lines(h, &p->lines, w->low, w->high);
  for (const struct ldx_jit_lines *l = w->news->lines; l && p->lines; l = l->next)
    ldx_drop_lines(h, &p->lines, l->code, l->code + l->size);
  struct ldx_jit_lines **end = &p->lines;
  while (*end)
    end = &(*end)->next;
  *end = w->lines;
  w->lines = p->lines;
  p->lines = NULL;
}

static void take(struct work *w, struct ldx_jit_piece *p) {
  forget_range(w, p);
  blank_replaced(w, p);
  take_symbols(w, p);
  take_runs(w, p);
  take_lines(w, p);
  w->framed += p->framed;
  p->next = w->taken;
  w->taken = p;
}

static void take_touched(struct work *w) {
  for (struct ldx_jit_piece **link = &w->set->pieces, *p; (p = *link);) {
    if (may_stay(w, p)) {
      link = &p->next;
      continue;
    }
    *link = p->next;
    take(w, p);
  }
}

static void take_news(struct work *w) {
  const struct ldx_jit_news *n = w->news;
  struct symbols *to = &w->symbols;
  for (size_t i = 0; i < n->run_count; i++)
    add_run(w, n->runs[i].low, n->runs[i].high, n->runs[i].flags);
  if (!reserve(w->set->heap, (void **)&to->at, &to->room, sizeof *to->at, to->count + n->count))
    return;
  size_t left = to->count, end = to->count + n->count;
  to->count = end;
  for (size_t i = n->count; i--;) {
    for (; left && to->at[left - 1].value > n->symbols[i].value; left--)
      to->at[--end] = to->at[left - 1];
    to->at[--end] = n->symbols[i];
  }
}

/* Pieces that are left weigh at least twice as much, each twice what the one before it does. */
static void take_alike(struct work *w) {
  for (struct ldx_jit_piece **link = &w->set->pieces, *p; (p = *link);) {
    size_t weight = ldx_most_of(w->symbols.count, w->runs.count, w->framed);
    if (ldx_piece_weight(p) >= 2 * weight || ldx_piece_weight(p) + weight > LARGEST) {
      link = &p->next;
      continue;
    }
    *link = p->next;
    take(w, p);
    link = &w->set->pieces;
  }
}

/* ---- runs */

static void join_runs(struct runs *r) {
  ldx_sort(r->at, r->count, sizeof *r->at, offsetof(struct ldx_symfile_run, low));
  size_t kept = 0;
  for (size_t i = 0; i < r->count; i++) {
    struct ldx_symfile_run *last = kept ? &r->at[kept - 1] : NULL;
    if (last && r->at[i].low <= last->high && r->at[i].flags == last->flags) {
      if (last->high < r->at[i].high)
        last->high = r->at[i].high;
    } else {
      r->at[kept++] = r->at[i];
    }
  }
  r->count = kept;
}

/* The first symbol from `s` on with which another run can begin; `end`: there is none. */
static const struct ldx_symfile_symbol *next_cut(const struct ldx_symfile_symbol *s,
                                                 const struct ldx_symfile_symbol *end) {
  uintptr_t covered = 0;
  for (size_t n = 0; s < end; s++, n++) {
    if (n >= LONGEST_RUN && s->value >= covered)
      break;
    covered = s->value + s->size > covered ? s->value + s->size : covered;
  }
  return s;
}

/* Without memory runs stay long. */
static void split_runs(struct work *w) {
  struct runs old = w->runs;
  w->runs = (struct runs){0};
  if (!reserve(w->set->heap, (void **)&w->runs.at, &w->runs.room, sizeof *w->runs.at,
               old.count + w->symbols.count / LONGEST_RUN)) {
    w->runs = old;
    return;
  }
  const struct ldx_symfile_symbol *s = w->symbols.at, *all = s + w->symbols.count;
  for (size_t i = 0; i < old.count; i++) {
    struct ldx_symfile_run r = old.at[i];
    const struct ldx_symfile_symbol *end = s;
    while (end < all && end->value < r.high)
      end++;
    while ((s = next_cut(s, end)) < end) {
      add_run(w, r.low, s->value, r.flags);
      r.low = s->value;
    }
    add_run(w, r.low, r.high, r.flags);
  }
  ldx_heap_free(w->set->heap, old.at);
}

/* ---- new pieces */

/* The runs' FDEs, and where those of each end. */
static void collect_frames(struct work *w, struct ldx_symfile *what, struct bytes *b, uint32_t *ends) {
  for (size_t i = 0; i < what->run_count; i++) {
    const struct ldx_symfile_run *r = &what->runs[i];
    size_t n = 0;
    char *frames = r->flags & SHF_EXECINSTR ? w->set->frames(r->low, r->high, &n) : NULL;
    if (n && reserve(w->set->heap, (void **)&b->at, &b->room, 1, b->count + n)) {
      memcpy(b->at + b->count, frames, n);
      b->count += n;
    }
    ldx_heap_free(w->set->heap, frames);
    ends[i] = (uint32_t)b->count;
  }
  what->frames = b->at;
  what->frames_size = b->count;
}

static void make_piece(struct work *w, struct ldx_symfile *what) {
  struct ldx_heap *h = w->set->heap;
  struct bytes frames = {NULL, 0, 0};
  uint32_t *ends = ldx_heap_alloc(h, what->run_count * sizeof *ends);
  struct ldx_jit_piece *p = NULL;
  if (ends) {
    collect_frames(w, what, &frames, ends);
    p = ldx_piece_make(h, what, ends);
  }
  ldx_heap_free(h, frames.at);
  ldx_heap_free(h, ends);
  if (p) {
    p->next = w->made;
    w->made = p;
  } else {
    ldx_drop_lines(h, &what->lines, 0, UINTPTR_MAX);
  }
}

static struct ldx_jit_lines *lines_below(struct work *w, uintptr_t end) {
  struct ldx_jit_lines *found = NULL;
  for (struct ldx_jit_lines **link = &w->lines, *l; (l = *link);) {
    if (l->code >= end) {
      link = &l->next;
      continue;
    }
    *link = l->next;
    l->next = found;
    found = l;
  }
  return found;
}

static void make_pieces(struct work *w) {
  join_runs(&w->runs);
  split_runs(w);
  const struct ldx_symfile_symbol *s = w->symbols.at, *symbols_end = s + w->symbols.count;
  const struct ldx_symfile_run *r = w->runs.at, *runs_end = r + w->runs.count;
  while (r < runs_end) {
    struct ldx_symfile what = {.symbols = s, .runs = r};
    while (r < runs_end && what.count < LARGEST && what.run_count < LARGEST) {
      for (; s < symbols_end && s->value < r->high; s++)
        what.count++;
      what.run_count++;
      r++;
    }
    what.lines = lines_below(w, r < runs_end ? r->low : UINTPTR_MAX);
    make_piece(w, &what);
  }
}

/* ---- telling */

static void show_made(struct work *w) {
  struct ldx_jit_piece *p = w->made;
  w->made = p->next;
  p->next = w->set->pieces;
  w->set->pieces = p;
  ldx_jit_add(w->set->list, &p->told);
}

/* What is there must be found whenever a file comes (ldx_jit_look_again). */
static void show(struct work *w) {
  while (w->made && w->made->next)
    show_made(w);
  for (struct ldx_jit_piece *p = w->taken; p; p = p->next)
    ldx_jit_remove(w->set->list, &p->told);
  bool come = w->made;
  if (come)
    show_made(w);
  for (struct ldx_jit_piece *p = w->set->pieces; p; p = p->next) {
    if (!p->changed)
      continue;
    ldx_jit_remove(w->set->list, &p->told);
    ldx_jit_add(w->set->list, &p->told);
    p->changed = false;
    come = true;
  }
  if (w->taken && !come)
    ldx_jit_look_again(w->set->list, w->set->heap);
}

/* ---- changes */

static void put_in_order(struct ldx_jit_news *n) {
  ldx_sort(n->symbols, n->count, sizeof *n->symbols, offsetof(struct ldx_symfile_symbol, value));
  struct runs runs = {n->runs, n->run_count, 0};
  join_runs(&runs);
  n->run_count = runs.count;
}

static void rewrite(struct work *w) {
  take_touched(w);
  take_news(w);
  if (w->symbols.count || w->runs.count)
    take_alike(w);
  make_pieces(w);
  show(w);
}

static void free_work(struct work *w) {
  struct ldx_heap *h = w->set->heap;
  for (struct ldx_jit_piece *p = w->taken, *next; p; p = next) {
    next = p->next;
    ldx_piece_free(h, p);
  }
  ldx_drop_lines(h, &w->lines, 0, UINTPTR_MAX);
  ldx_heap_free(h, w->symbols.at);
  ldx_heap_free(h, w->runs.at);
}

/* Debuggers that cannot be told keep what they have; those that come later are not misled. */
static void change(struct work *w) {
  bool told = ldx_jit_unseal();
  put_in_order(w->news);
  for (size_t i = 0; i < w->news->gone_count; i++)
    forget_symbol(w, &w->news->gone[i]);
  for (struct ldx_jit_piece *p = told ? NULL : w->set->pieces; p; p = p->next)
    forget_range(w, p);
  if (told) {
    rewrite(w);
    ldx_jit_seal();
  }
  free_work(w);
}

void ldx_jit_set_change(struct ldx_jit_set *s, struct ldx_jit_news *news) {
  struct work w = {.set = s, .news = news, .lines = news->lines};
  if (news->gone_count || news->run_count || news->count)
    change(&w);
  else
    free_work(&w);
}

void ldx_jit_set_forget(struct ldx_jit_set *s, uintptr_t low, uintptr_t high) {
  struct ldx_jit_news none = {0};
  struct work w = {.set = s, .news = &none, .low = low, .high = high};
  const struct ldx_jit_piece *p = s->pieces;
  while (p && !has_memory(p, low, high))
    p = p->next;
  if (p)
    change(&w);
}

void ldx_jit_set_freed(struct ldx_jit_set *s, uintptr_t low, uintptr_t high) {
  for (struct ldx_jit_piece *p = s->pieces; p; p = p->next)
    for (struct ldx_jit_lines *l = p->lines; l; l = l->next)
      if (ldx_ranges_meet(l->code, l->code + l->size, low, high)) {
        l->size = 0;
        p->stale = true;
      }
}
