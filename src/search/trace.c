#include "search/trace.h"

#include <stdarg.h>
#include <string.h>

#include "base/print.h"
#include "search/state.h"

void ldx_trace(struct ldx_library_search *s, const char *fmt, ...) {
  char stack[512];
  va_list ap;
  if (!s->trace)
    return;
  va_start(ap, fmt);
  size_t n = ldx_vformat(stack, sizeof stack, fmt, ap);
  va_end(ap);
  char *line = n < sizeof stack ? stack : ldx_heap_alloc(s->heap, n + 1);
  if (line && line != stack) {
    va_start(ap, fmt);
    ldx_vformat(line, n + 1, fmt, ap);
    va_end(ap);
  }
  s->trace(s->trace_arg, line ? line : stack);
  if (line != stack)
    ldx_heap_free(s->heap, line);
}

/* A text that grows; measures when `at` is NULL. */
struct text {
  char *at;
  size_t len;
};

static void put(struct text *t, const char *s, size_t n) {
  if (t->at)
    memcpy(t->at + t->len, s, n);
  t->len += n;
}

/* The subfolder without the slash at its end; the root folder keeps its own. */
static void put_subfolder(struct text *t, const struct ldx_dir *d, const struct ldx_subfolder *sub, bool first) {
  if (!first)
    put(t, ":", 1);
  size_t whole = d->len + sub->len;
  size_t len = whole > 1 || (whole == 1 && d->path[0] != '/') ? whole - 1 : whole;
  put(t, d->path, len < d->len ? len : d->len);
  if (len > d->len)
    put(t, sub->text, len - d->len);
}

static void put_dirs(struct text *t, const struct ldx_hwcaps *h, const struct ldx_search_dirs *l, uint32_t first) {
  bool any = false;
  for (uint32_t i = first; i < l->count && l->at[i]->what == l->at[first]->what; i++)
    for (uint32_t k = 0; k < h->subfolder_count; k++)
      if (l->at[i]->status[k] != LDX_DIR_MISSING) {
        put_subfolder(t, l->at[i], &h->subfolders[k], !any);
        any = true;
      }
  put(t, "", 1);
}

void ldx_trace_dirs(struct ldx_library_search *s, const struct ldx_search_dirs *l, uint32_t first) {
  const struct ldx_hwcaps *h = &s->state->hwcaps;
  const struct ldx_dir *d = l->at[first];
  struct text t = {NULL, 0};
  if (!s->trace)
    return;
  put_dirs(&t, h, l, first);
  t.at = ldx_heap_alloc(s->heap, t.len);
  if (!t.at)
    return;
  t.len = 0;
  put_dirs(&t, h, l, first);
  if (!d->where)
    ldx_trace(s, " search path=%s\t\t(%s)", t.at, d->what);
  else
    ldx_trace(s, " search path=%s\t\t(%s from file %s)", t.at, d->what,
              *d->where         ? d->where
              : s->program_name ? s->program_name
                                : "<main program>");
  ldx_heap_free(s->heap, t.at);
}
