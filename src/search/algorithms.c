#include "search/algorithms.h"

#include <errno.h>
#include <string.h>

#include "base/print.h"
#include "base/text.h"
#include "search/guide.h"
#include "search/state.h"

char *ldx_folders_text(struct ldx_library_search *s, const struct ldx_search_dirs *l) {
  size_t room = 1;
  for (uint32_t i = 0; l && i < l->count; i++)
    room += l->at[i]->len + 1;
  char *text = ldx_heap_alloc(s->heap, room), *p = text;
  for (uint32_t i = 0; text && l && i < l->count; i++) {
    const struct ldx_dir *d = l->at[i];
    if (i)
      *p++ = ':';
    size_t n = d->len > 1 ? d->len - 1 : d->len; /* without the slash at the end */
    memcpy(p, d->path, n);
    p += n;
  }
  return text;
}

static enum verdict try_path(struct finding *f, const char *path) {
  if (!ldx_find_room(f, strlen(path) + 1))
    return FATAL;
  strcpy(f->path, path);
  return ldx_try_file(f);
}

/* An answer that does not hold any more costs one attempt. */
static enum verdict try_cached(struct finding *f, const struct ldx_search_cache *c, bool *nowhere) {
  enum verdict v = PASSED_OVER;
  char *path;
  int error = 0;
  for (uint32_t level = 0; v == PASSED_OVER && (path = c->find(f->request, &level, &error));) {
    f->cached = true;
    f->source = "launch cache";
    f->owner = NULL;
    v = try_path(f, path);
    f->out->path = f->path;
    if (v == OPENED && !c->holds(f->request, f->out)) {
      io_close(f->s->io, f->out->fd);
      v = PASSED_OVER;
    }
    ldx_heap_free(f->s->heap, path);
    f->cached = v == OPENED;
    if (v == PASSED_OVER)
      f->out->has_stat = f->steered = f->other_class = false;
  }
  if (v == PASSED_OVER && error) {
    f->error = error;
    f->cached = *nowhere = true;
  }
  return v;
}

enum verdict ldx_search_known(struct finding *f, bool *nowhere) {
  const struct ldx_guide *g = f->s->guide;
  const char *source = "cache";
  char *path = g && g->known ? g->known(f->request, &source, f->diag) : NULL;
  if (!path && g && g->cache && !ldx_failed(f->diag))
    return try_cached(f, g->cache, nowhere);
  if (!path)
    return g && ldx_failed(f->diag) ? FATAL : PASSED_OVER;
  f->source = source;
  f->owner = NULL;
  enum verdict v = try_path(f, path);
  ldx_heap_free(f->s->heap, path);
  return v;
}

/* STORE/NAME, in each store: a file, or a link into the store. */
static enum verdict search_store(struct finding *f) {
  enum verdict v = PASSED_OVER;
  f->source = "store";
  for (const char *p = f->s->store ? f->s->store : ""; *p && v == PASSED_OVER && !f->oom; p += *p == ':') {
    size_t n = ldx_until(p, ":"), room = n + strlen(f->request->name) + 2;
    if (!ldx_find_room(f, room))
      return FATAL;
    ldx_format(f->path, room, "%.*s/%s", (int)n, p, f->request->name);
    v = ldx_try_file(f);
    p += n;
  }
  return v;
}

static const struct ldx_hwcaps *hwcaps(void *arg) { return ldx_search_hwcaps(arg); }

/* A cache file in the format of ldconfig, which knows files by paths relative to its package. */
static enum verdict try_package(struct finding *f, const char *package, size_t n) {
  char file[4096];
  struct ldx_ldcache cache = {0};
  if (ldx_format(file, sizeof file, "%.*s/etc/ld.so.cache", (int)n, package) >= sizeof file)
    return PASSED_OVER;
  ldx_ldcache_load(&cache, file, f->s->io, NULL);
  if (ldx_search_cache(f->s))
    ldx_search_cache(f->s)->depends(file, 0);
  const char *path = ldx_ldcache_find(&cache, f->request->name, hwcaps, f->s);
  f->source = "package's ld.so.cache";
  enum verdict v = path ? try_path(f, path) : PASSED_OVER;
  ldx_ldcache_unload(&cache, f->s->io);
  return v;
}

/* The nearest package of the object that asks, then of who loaded that. A package is the folder above bin or lib. */
static enum verdict search_origin_cache(struct finding *f) {
  enum verdict v = PASSED_OVER;
  for (struct ldx_object *o = f->request->loader; o && v == PASSED_OVER; o = o->loader) {
    const char *origin = ldx_object_origin(f->s, o), *slash = origin ? strrchr(origin, '/') : NULL;
    if (slash && slash != origin)
      v = try_package(f, origin, (size_t)(slash - origin));
  }
  return v == PASSED_OVER ? ldx_search_usual(f) : v;
}

enum verdict ldx_search_algorithm(struct finding *f) {
  switch (f->s->algorithm) {
  case LDX_ALGORITHM_STORE:
    return search_store(f);
  case LDX_ALGORITHM_ORIGIN_CACHE:
    return search_origin_cache(f);
  case LDX_ALGORITHM_FROZEN:
    if (f->request->origin == LDX_FROM_TOOL)
      return ldx_search_usual(f);
    f->error = ENOENT;
    return PASSED_OVER;
  default:
    return ldx_search_usual(f);
  }
}

/* For tools' own algorithms. */
int ldx_search_try(ldx_search *search, const char *path) {
  struct finding *f = (struct finding *)search;
  if (f->done)
    return EALREADY;
  f->source = "tool";
  f->owner = NULL;
  f->error = 0;
  enum verdict v = try_path(f, path);
  f->done = v == OPENED;
  if (v == OPENED)
    return 0;
  ldx_diag_clear(f->diag); /* it is the tool's business what it tries */
  return f->error ? f->error : ENOEXEC;
}

struct telling {
  int (*each)(void *arg, const struct ldx_path_list *list);
  void *arg;
  int result;
};

static enum verdict tell(struct finding *f, const char *folders) {
  struct telling *t = f->tell_arg;
  const struct ldx_path_list list = {
      .size = sizeof list, .source = f->source, .owner = f->owner, .folders = folders ? folders : ""};
  if (!t->result && *list.folders)
    t->result = t->each(t->arg, &list);
  return PASSED_OVER;
}

int ldx_search_lists(ldx_search *search, int (*each)(void *arg, const struct ldx_path_list *list), void *arg) {
  const struct finding *f = (const struct finding *)search;
  struct telling t = {each, arg, 0};
  struct finding other = {.s = f->s, .request = f->request, .diag = f->diag, .tell = tell, .tell_arg = &t};
  ldx_search_usual(&other);
  return t.result;
}
