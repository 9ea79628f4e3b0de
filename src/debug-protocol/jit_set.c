#include "debug-protocol/jit_set.h"

#include <string.h>

#include "base/sort.h"
#include "base/span.h"

/* Symbols in a file, about. Larger files would be fewer: that saves debuggers nothing any more, and a file is written
 * anew as a whole when its memory is used again. */
enum { LARGEST = 8192 };

struct ldx_jit_piece {
  struct ldx_jit_entry told;
  struct ldx_jit_piece *next;
  struct ldx_jit_lines *lines; /* what the file's line tables were made of; size 0: not there any more */
  size_t weight;               /* symbols, or runs if there are more */
  size_t blank;                /* symbols that are not there any more */
  bool changed;                /* debuggers have to read it again */
  bool stale;                  /* to be written anew with the next change */
};

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

static struct ldx_symfile_view view(const struct ldx_jit_piece *p) { return ldx_symfile_read(p->told.file); }

static bool meet(uintptr_t low, uintptr_t high, uintptr_t other_low, uintptr_t other_high) {
  return low < other_high && other_low < high;
}

/* ---- looking into a piece */

/* The first of its symbols that does not lie below. */
static size_t first_symbol(const struct ldx_symfile_view *v, uintptr_t at) {
  size_t low = 0, high = v->count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (v->symbols[middle].st_value < at)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

/* The first of its runs that does not end below. */
static size_t first_run(const struct ldx_symfile_view *v, uintptr_t at) {
  size_t low = 0, high = v->run_count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (v->runs[middle].sh_addr + v->runs[middle].sh_size <= at)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

static bool has_memory(const struct ldx_symfile_view *v, uintptr_t low, uintptr_t high) {
  size_t i = first_run(v, low);
  return low < high && i < v->run_count && v->runs[i].sh_addr < high;
}

static bool has_symbols(const struct ldx_symfile_view *v, uintptr_t low, uintptr_t high) {
  size_t i = first_symbol(v, low);
  return i < v->count && v->symbols[i].st_value < high;
}

static Elf64_Sym *find_symbol(const struct ldx_symfile_view *v, const struct ldx_symfile_symbol *s) {
  for (size_t i = first_symbol(v, s->value); i < v->count && v->symbols[i].st_value == s->value; i++)
    if (v->symbols[i].st_name && !strcmp(v->strings + v->symbols[i].st_name, s->name))
      return &v->symbols[i];
  return NULL;
}

static bool has_lines(const struct ldx_jit_piece *p, uintptr_t low, uintptr_t high) {
  for (const struct ldx_jit_lines *l = p->lines; l; l = l->next)
    if (meet(l->code, l->code + l->size, low, high))
      return true;
  return false;
}

/* ---- what goes */

/* A symbol without a name is none for debuggers. */
static void blank(struct ldx_jit_piece *p, Elf64_Sym *s) {
  if (s->st_name)
    p->blank++;
  s->st_name = 0;
}

static void forget_symbol(struct work *w, const struct ldx_symfile_symbol *s) {
  for (struct ldx_jit_piece *p = w->set->pieces; p; p = p->next) {
    struct ldx_symfile_view v = view(p);
    Elf64_Sym *found = find_symbol(&v, s);
    if (!found)
      continue;
    blank(p, found);
    p->changed = true;
    p->stale = p->stale || 2 * p->blank > v.count || has_lines(p, s->value, s->value + 1);
    return;
  }
}

static void forget_range(struct work *w, struct ldx_jit_piece *p) {
  struct ldx_symfile_view v = view(p);
  for (size_t i = first_symbol(&v, w->low); i < v.count && v.symbols[i].st_value < w->high; i++)
    blank(p, &v.symbols[i]);
}

static void drop_lines(struct ldx_heap *h, struct ldx_jit_lines **list, uintptr_t low, uintptr_t high) {
  while (*list) {
    struct ldx_jit_lines *l = *list;
    if (l->size && !meet(l->code, l->code + l->size, low, high)) {
      list = &l->next;
      continue;
    }
    *list = l->next;
    ldx_heap_free(h, l);
  }
}

/* ---- pieces that are written anew */

static bool touched_by_news(const struct ldx_symfile_view *v, const struct ldx_jit_news *n) {
  if (n->run_count <= v->run_count) {
    for (size_t i = 0; i < n->run_count; i++)
      if (has_memory(v, n->runs[i].low, n->runs[i].high))
        return true;
    return false;
  }
  size_t i = 0;
  for (size_t k = 0; k < v->run_count; k++) {
    const Elf64_Shdr *r = &v->runs[k];
    while (i < n->run_count && n->runs[i].high <= r->sh_addr)
      i++;
    if (i < n->run_count && n->runs[i].low < r->sh_addr + r->sh_size)
      return true;
  }
  return false;
}

static bool touched(const struct work *w, const struct ldx_jit_piece *p) {
  struct ldx_symfile_view v = view(p);
  return p->stale || has_memory(&v, w->low, w->high) || has_symbols(&v, w->low, w->high) ||
         touched_by_news(&v, w->news);
}

/* What is told anew with the same name at the same place replaces what was told before. */
static void blank_replaced(struct work *w, struct ldx_jit_piece *p) {
  struct ldx_symfile_view v = view(p);
  for (size_t i = 0; i < w->news->count; i++) {
    Elf64_Sym *s = find_symbol(&v, &w->news->symbols[i]);
    if (s)
      blank(p, s);
  }
}

static void take_symbols(struct work *w, const struct ldx_jit_piece *p) {
  struct ldx_symfile_view v = view(p);
  struct symbols *to = &w->symbols;
  if (!reserve(w->set->heap, (void **)&to->at, &to->room, sizeof *to->at, to->count + v.count))
    return;
  size_t left = to->count, end = to->count + v.count - p->blank;
  to->count = end;
  /* Both are in order; from the end on there is room. */
  for (size_t i = v.count; i--;) {
    const Elf64_Sym *s = &v.symbols[i];
    if (!s->st_name)
      continue;
    for (; left && to->at[left - 1].value > s->st_value; left--)
      to->at[--end] = to->at[left - 1];
    to->at[--end] = (struct ldx_symfile_symbol){v.strings + s->st_name, s->st_value, s->st_size, s->st_info};
  }
}

static void add_run(struct work *w, uintptr_t low, uintptr_t high, uint64_t flags) {
  struct runs *to = &w->runs;
  if (low < high && reserve(w->set->heap, (void **)&to->at, &to->room, sizeof *to->at, to->count + 1))
    to->at[to->count++] = (struct ldx_symfile_run){low, high, flags};
}

static void take_news(struct work *w) {
  const struct ldx_jit_news *n = w->news;
  struct symbols *to = &w->symbols;
  if (!reserve(w->set->heap, (void **)&to->at, &to->room, sizeof *to->at, to->count + n->count))
    return;
  size_t left = to->count, end = to->count + n->count;
  to->count = end;
  for (size_t i = n->count; i--;) {
    for (; left && to->at[left - 1].value > n->symbols[i].value; left--)
      to->at[--end] = to->at[left - 1];
    to->at[--end] = n->symbols[i];
  }
  for (size_t i = 0; i < n->run_count; i++)
    add_run(w, n->runs[i].low, n->runs[i].high, n->runs[i].flags);
}

static void take_runs(struct work *w, const struct ldx_jit_piece *p) {
  struct ldx_symfile_view v = view(p);
  for (size_t i = 0; i < v.run_count; i++) {
    uintptr_t low = v.runs[i].sh_addr, high = low + v.runs[i].sh_size;
    uint64_t flags = v.runs[i].sh_flags & ~(uint64_t)SHF_ALLOC;
    if (!meet(low, high, w->low, w->high)) {
      add_run(w, low, high, flags);
      continue;
    }
    if (low < w->low)
      add_run(w, low, w->low, flags);
    if (high > w->high)
      add_run(w, w->high, high, flags);
  }
}

static void take_lines(struct work *w, struct ldx_jit_piece *p) {
  struct ldx_heap *h = w->set->heap;
  drop_lines(h, &p->lines, w->low, w->high);
  for (const struct ldx_jit_lines *l = w->news->lines; l; l = l->next)
    drop_lines(h, &p->lines, l->code, l->code + l->size);
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
  p->next = w->taken;
  w->taken = p;
}

static void take_touched(struct work *w) {
  for (struct ldx_jit_piece **link = &w->set->pieces, *p; (p = *link);) {
    if (!touched(w, p)) {
      link = &p->next;
      continue;
    }
    *link = p->next;
    take(w, p);
  }
}

/* Pieces that are left weigh at least twice as much, each twice what the one before it does. */
static void take_alike(struct work *w) {
  for (struct ldx_jit_piece **link = &w->set->pieces, *p; (p = *link);) {
    size_t weight = w->symbols.count > w->runs.count ? w->symbols.count : w->runs.count;
    if (p->weight >= 2 * weight || p->weight + weight > LARGEST) {
      link = &p->next;
      continue;
    }
    *link = p->next;
    take(w, p);
    link = &w->set->pieces;
  }
}

/* ---- new pieces */

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

/* Symbols and runs that make one file, and where the next one begins. */
struct part {
  size_t symbols, runs;
  uintptr_t end;
};

/* No symbol may lie across the end. */
static struct part first_part(const struct ldx_symfile_symbol *s, size_t count, const struct ldx_symfile_run *r,
                              size_t run_count) {
  struct part part = {0, 0, run_count > LARGEST ? r[LARGEST].low : UINTPTR_MAX};
  uintptr_t covered = 0;
  while (part.symbols < count && s[part.symbols].value < part.end) {
    if (part.symbols >= LARGEST && s[part.symbols].value >= covered) {
      part.end = s[part.symbols].value;
      break;
    }
    uintptr_t end = s[part.symbols].value + s[part.symbols].size;
    covered = end > covered ? end : covered;
    part.symbols++;
  }
  while (part.runs < run_count && r[part.runs].low < part.end)
    part.runs++;
  return part;
}

static void collect_frames(struct work *w, struct bytes *b, const struct ldx_symfile_run *r) {
  size_t n = 0;
  char *frames = r->flags & SHF_EXECINSTR ? w->set->frames(r->low, r->high, &n) : NULL;
  if (n && reserve(w->set->heap, (void **)&b->at, &b->room, 1, b->count + n)) {
    memcpy(b->at + b->count, frames, n);
    b->count += n;
  }
  ldx_heap_free(w->set->heap, frames);
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

static void free_piece(struct ldx_heap *h, struct ldx_jit_piece *p) {
  drop_lines(h, &p->lines, 0, UINTPTR_MAX);
  ldx_heap_free(h, (void *)p->told.file);
  ldx_heap_free(h, p);
}

static void make_piece(struct work *w, struct ldx_symfile *what) {
  struct ldx_heap *h = w->set->heap;
  struct ldx_jit_piece *p = ldx_heap_alloc(h, sizeof *p);
  struct bytes frames = {NULL, 0, 0};
  for (size_t i = 0; i < what->run_count; i++)
    collect_frames(w, &frames, &what->runs[i]);
  what->frames = frames.at;
  what->frames_size = frames.count;
  if (p) {
    p->lines = (struct ldx_jit_lines *)what->lines;
    p->weight = what->count > what->run_count ? what->count : what->run_count;
    p->told.file = ldx_symfile_make(h, what, &p->told.size);
  }
  ldx_heap_free(h, frames.at);
  if (!p || !p->told.file) {
    if (p)
      free_piece(h, p);
    return;
  }
  p->next = w->made;
  w->made = p;
}

static void make_pieces(struct work *w) {
  join_runs(&w->runs);
  struct ldx_symfile_symbol *s = w->symbols.at, *symbols_end = s + w->symbols.count;
  struct ldx_symfile_run *r = w->runs.at, *runs_end = r + w->runs.count;
  while (s < symbols_end || r < runs_end) {
    struct part part = first_part(s, (size_t)(symbols_end - s), r, (size_t)(runs_end - r));
    struct ldx_symfile_run *last = part.runs ? &r[part.runs - 1] : NULL;
    uintptr_t rest = last && last->high > part.end ? last->high : 0;
    if (rest)
      last->high = part.end;
    struct ldx_symfile what = {
        .symbols = s, .count = part.symbols, .runs = r, .run_count = part.runs, .lines = lines_below(w, part.end)};
    make_piece(w, &what);
    s += part.symbols;
    r += part.runs;
    if (rest)
      *--r = (struct ldx_symfile_run){part.end, rest, last->flags};
  }
}

/* ---- changes */

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
    free_piece(h, p);
  }
  drop_lines(h, &w->lines, 0, UINTPTR_MAX);
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
  for (const struct ldx_jit_piece *p = s->pieces; p; p = p->next) {
    struct ldx_symfile_view v = view(p);
    if (has_memory(&v, low, high) || has_symbols(&v, low, high)) {
      change(&w);
      return;
    }
  }
}

void ldx_jit_set_freed(struct ldx_jit_set *s, uintptr_t low, uintptr_t high) {
  for (struct ldx_jit_piece *p = s->pieces; p; p = p->next)
    for (struct ldx_jit_lines *l = p->lines; l; l = l->next)
      if (meet(l->code, l->code + l->size, low, high)) {
        l->size = 0;
        p->stale = true;
      }
}
