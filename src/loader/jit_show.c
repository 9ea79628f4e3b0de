/* Tells debuggers, tools and profilers what objects made at run time have become. */
#include "loader/jit_object.h"

#include "ldx/jit.h"

/* Debug information that was given as a file. */
struct shown_file {
  struct ldx_jit_entry told;
  struct shown_file *next;
};

struct ldx_jit_show {
  struct shown_file *files;
  struct ldx_symfile_run *framed; /* code that got frames, and waits for its batch */
  size_t framed_count, framed_room;
};

static bool hidden(const struct ldx_jit_object *j) { return j->flags & LDX_JIT_QUIET || !j->show; }

/* ---- the bridge: symbols, frames, lines */

/* Without the terminator. */
static char *frames(uintptr_t low, uintptr_t high, size_t *size) {
  enum { TERMINATOR = 4 };
  const struct ldx_object *o = ldx_object_at(low);
  *size = 0;
  char *copy = o && o->made ? ldx_jit_unwind_copy(o->made, low, high, size) : NULL;
  *size -= copy ? TERMINATOR : 0;
  return copy;
}

static struct ldx_jit_set *set(void) {
  struct ldx_jit_set *s = &ldx_self.shown;
  if (!s->heap)
    *s = (struct ldx_jit_set){.heap = &ldx_self.heap, .list = &ldx_self.jit, .frames = frames};
  return s;
}

/* The memory of a symbol: up to where the next block of memory may begin. False: it is not the object's. */
static bool run_of(const struct ldx_jit_object *j, uintptr_t at, size_t size, struct ldx_symfile_run *out) {
  enum { BLOCK = 16 };
  static const uint64_t flags[LDX_REGIONS] = {[LDX_REGION_CODE] = SHF_EXECINSTR, [LDX_REGION_DATA] = SHF_WRITE};
  for (int i = LDX_REGION_RODATA; i < LDX_REGIONS; i++) {
    const struct ldx_jit_region *r = &j->regions[i];
    if (at < r->at || at - r->at >= r->size)
      continue;
    size_t room = r->at + r->size - at;
    uintptr_t end = at + (!size ? 1 : size < room ? size : room);
    *out = (struct ldx_symfile_run){at, ldx_align_up(end, BLOCK), flags[i]};
    return true;
  }
  return false;
}

static size_t count_lines(const struct ldx_jit_lines *l) {
  size_t n = 0;
  for (; l; l = l->next)
    n++;
  return n;
}

static bool add_run(struct ldx_jit_news *n, const struct ldx_jit_object *j, uintptr_t at, size_t size) {
  bool found = run_of(j, at, size, &n->runs[n->run_count]);
  n->run_count += found;
  return found;
}

static void collect(struct ldx_jit_news *n, struct ldx_symfile_symbol *gone, const struct ldx_jit_object *j,
                    const struct ldx_jit_batch *b) {
  for (size_t i = 0; i < b->count; i++) {
    const struct ldx_jit_change *c = &b->changes[i];
    if (c->what != LDX_JIT_ADDED)
      gone[n->gone_count++] = (struct ldx_symfile_symbol){.name = c->name, .value = c->old};
    if (c->what == LDX_JIT_REMOVED)
      continue;
    if (add_run(n, j, c->value, c->size))
      n->symbols[n->count++] = (struct ldx_symfile_symbol){c->name, c->value, c->size, c->info};
  }
  for (const struct ldx_jit_lines *l = b->lines; l; l = l->next)
    add_run(n, j, l->code, l->size);
  for (size_t i = 0; i < j->show->framed_count; i++)
    add_run(n, j, j->show->framed[i].low, j->show->framed[i].high - j->show->framed[i].low);
}

/* Without memory for it: what is not told is not there for debuggers. */
static void show_symbols(struct ldx_jit_object *j, const struct ldx_jit_batch *b) {
  size_t runs = b->count + count_lines(b->lines) + j->show->framed_count;
  struct ldx_symfile_symbol *gone = ldx_new(b->count * sizeof *gone);
  struct ldx_jit_news n = {.gone = gone, .lines = b->lines};
  n.symbols = ldx_new(b->count * sizeof *n.symbols);
  n.runs = ldx_new(runs * sizeof *n.runs);
  if (gone && n.symbols && n.runs)
    collect(&n, gone, j, b);
  else
    ldx_jit_set_forget(set(), j->low, j->high);
  ldx_jit_set_change(set(), &n);
  ldx_delete(gone);
  ldx_delete(n.symbols);
  ldx_delete(n.runs);
}

void ldx_jit_show_frames(struct ldx_jit_object *j, uintptr_t low, uintptr_t high) {
  struct ldx_jit_show *s = j->show;
  if (hidden(j) || (s->framed_count == s->framed_room &&
                    !ldx_heap_grow(&ldx_self.heap, (void **)&s->framed, &s->framed_room, sizeof *s->framed, 16)))
    return;
  s->framed[s->framed_count++] = (struct ldx_symfile_run){low, high, 0};
}

void ldx_jit_show_freed(struct ldx_jit_object *j, uintptr_t low, uintptr_t high) {
  if (!hidden(j))
    ldx_jit_set_freed(set(), low, high);
}

/* ---- the bridge: files */

static void show_files(struct ldx_jit_object *j, const struct ldx_jit_batch *b) {
  bool told = b->files && ldx_jit_unseal();
  for (struct ldx_jit_file *f = b->files, *next; f; f = next) {
    next = f->next;
    struct shown_file *s = told ? ldx_new(sizeof *s) : NULL;
    if (s) {
      *s = (struct shown_file){{.file = f->bytes, .size = f->size}, j->show->files};
      j->show->files = s;
      ldx_jit_add(&ldx_self.jit, &s->told);
    } else {
      ldx_delete(f->bytes);
    }
    ldx_delete(f);
  }
  if (told)
    ldx_jit_seal();
}

static void hide_files(struct ldx_jit_show *show) {
  if (!show->files || !ldx_jit_unseal())
    return; /* debuggers keep them, and so must the heap */
  for (struct shown_file *s = show->files, *next; s; s = next) {
    next = s->next;
    ldx_jit_remove(&ldx_self.jit, &s->told);
    ldx_delete((void *)s->told.file);
    ldx_delete(s);
  }
  ldx_jit_look_again(&ldx_self.jit, &ldx_self.heap);
  ldx_jit_seal();
}

static void free_unshown(const struct ldx_jit_batch *b) {
  for (struct ldx_jit_lines *l = b->lines, *next; l; l = next) {
    next = l->next;
    ldx_delete(l);
  }
  for (struct ldx_jit_file *f = b->files, *next; f; f = next) {
    next = f->next;
    ldx_delete(f->bytes);
    ldx_delete(f);
  }
}

static void show(struct ldx_jit_object *j, const struct ldx_jit_batch *b) {
  if (hidden(j)) {
    free_unshown(b);
  } else if (ldx_changes_no_bridge()) {
    /* What was shown before would be out of date from now on. */
    ldx_jit_set_forget(set(), 0, UINTPTR_MAX);
    free_unshown(b);
  } else {
    show_symbols(j, b);
    show_files(j, b);
  }
  if (j->show)
    j->show->framed_count = 0;
}

/* ---- symbols changed */

static struct ldx_change about(const struct ldx_jit_object *j, uint32_t kind) {
  return (struct ldx_change){.kind = kind, .object = j->object, .name = j->name};
}

static struct ldx_change change_of(const struct ldx_jit_object *j, const struct ldx_jit_change *c) {
  static const uint32_t kinds[] = {[LDX_JIT_ADDED] = LDX_DEBUG_SYMBOL_ADDED,
                                   [LDX_JIT_REMOVED] = LDX_DEBUG_SYMBOL_REMOVED,
                                   [LDX_JIT_MOVED] = LDX_DEBUG_SYMBOL_MOVED};
  return (struct ldx_change){.kind = kinds[c->what],
                             .symbol_type = ELF64_ST_TYPE(c->info),
                             .object = j->object,
                             .name = c->name,
                             .value = c->value,
                             .size = c->size,
                             .old = c->old};
}

static void tell_changes(const struct ldx_jit_object *j, const struct ldx_change *changes, size_t count) {
  ldx_changes_tell(&ldx_self.heap, j->object->ns, changes, count);
}

static void tell_change(const struct ldx_jit_object *j, uint32_t kind) {
  struct ldx_change c = about(j, kind);
  tell_changes(j, &c, 1);
}

static void tell_batch(const struct ldx_jit_object *j, const struct ldx_jit_batch *b) {
  struct ldx_change *changes = b->count ? ldx_new(b->count * sizeof *changes) : NULL;
  if (!changes) {
    tell_change(j, LDX_DEBUG_OBJECT_CHANGED);
    return;
  }
  for (size_t i = 0; i < b->count; i++)
    changes[i] = change_of(j, &b->changes[i]);
  tell_changes(j, changes, b->count);
  ldx_delete(changes);
}

/* ---- objects and batches */

void ldx_jit_show_new(struct ldx_jit_object *j) {
  j->show = ldx_new(sizeof *j->show);
  tell_change(j, LDX_DEBUG_OBJECT_ADDED);
}

void ldx_jit_show_batch(struct ldx_jit_object *j, const struct ldx_jit_batch *batch) {
  if (!batch->count && !batch->lines && !batch->files && (!j->show || !j->show->framed_count))
    return;
  ldx_jit_perf_batch(j, batch);
  show(j, batch);
  tell_batch(j, batch);
}

void ldx_jit_show_gone(struct ldx_jit_object *j) {
  if (!hidden(j)) {
    ldx_jit_set_forget(set(), j->low, j->high);
    hide_files(j->show);
  }
  tell_change(j, LDX_DEBUG_OBJECT_REMOVED);
  if (j->show)
    ldx_delete(j->show->framed);
  ldx_delete(j->show);
  j->show = NULL;
}
