#include "search/dirs.h"

#include <errno.h>
#include <string.h>

#include "base/span.h"
#include "base/sys.h"
#include "base/text.h"
#include "search/dst.h"
#include "search/state.h"

const char *const ldx_system_dirs[] = {"/lib/x86_64-linux-gnu/", "/usr/lib/x86_64-linux-gnu/", "/lib/", "/usr/lib/"};
const size_t ldx_system_dir_count = LDX_COUNT(ldx_system_dirs);

static const char system_path[] = "system search path";

static struct ldx_dir *known_dir(const struct ldx_search_state *st, const char *path, size_t len) {
  for (struct ldx_dir *d = st->dirs; d; d = d->next)
    if (d->len == len && !memcmp(d->path, path, len))
      return d;
  return NULL;
}

/* One block holds the folder, its status bytes and its texts. */
static struct ldx_dir *new_dir(struct ldx_library_search *s, const char *path, size_t len,
                               const struct ldx_dir_list *list) {
  struct ldx_search_state *st = s->state;
  size_t count = st->hwcaps.subfolder_count, where = list->where ? strlen(list->where) + 1 : 0;
  struct ldx_dir *d = ldx_heap_alloc(s->heap, sizeof *d + count + len + 1 + where);
  if (!d)
    return NULL;
  d->status = (uint8_t *)(d + 1);
  char *text = (char *)d->status + count;
  d->path = memcpy(text, path, len);
  d->len = (uint32_t)len;
  d->what = list->what;
  if (list->where)
    d->where = memcpy(text + len + 1, list->where, where);
  d->relative = len == 0 || path[0] != '/';
  if (d->relative)
    memset(d->status, LDX_DIR_EXISTS, count);
  memset(d->probe, LDX_PROBE_UNKNOWN, sizeof d->probe);
  d->next = st->dirs;
  st->dirs = d;
  return d;
}

static bool on_list(const struct ldx_search_dirs *l, const struct ldx_dir *d) {
  for (uint32_t i = 0; i < l->count; i++)
    if (l->at[i] == d)
      return true;
  return false;
}

/* Length of the path with exactly one slash at the end; there is room for one more character. */
static size_t one_slash(char *path) {
  size_t len = strlen(path);
  while (len > 1 && path[len - 1] == '/')
    len--;
  if (path[len - 1] != '/')
    path[len++] = '/';
  return len;
}

static bool add_dir(struct ldx_library_search *s, struct ldx_search_dirs *l, const char *path, size_t len,
                    const struct ldx_dir_list *list) {
  struct ldx_dir *d = known_dir(s->state, path, len);
  if (!d)
    d = new_dir(s, path, len, list);
  if (d && !on_list(l, d))
    l->at[l->count++] = d;
  return d;
}

/* One element as written; `room` is a heap copy of it with space for a slash. */
static bool add_element(struct ldx_library_search *s, struct ldx_search_dirs *l, const char *text, size_t n,
                        const struct ldx_dir_list *list) {
  if (n == 0)
    return add_dir(s, l, "", 0, list);
  char *copy = ldx_strndup(s->heap, text, n);
  char *path = copy ? ldx_expand_dst(s, list->object, copy) : NULL;
  ldx_heap_free(s->heap, copy);
  bool ok = path;
  if (path && *path) {
    copy = ldx_strndup(s->heap, path, strlen(path) + 1); /* room for the slash */
    ok = copy && add_dir(s, l, copy, one_slash(copy), list);
    ldx_heap_free(s->heap, copy);
  }
  ldx_heap_free(s->heap, path);
  return ok;
}

static struct ldx_search_dirs *new_list(struct ldx_library_search *s, size_t room) {
  return ldx_heap_alloc(s->heap, sizeof(struct ldx_search_dirs) + room * sizeof(struct ldx_dir *));
}

struct ldx_search_dirs *ldx_read_dirs(struct ldx_library_search *s, const struct ldx_dir_list *list) {
  size_t room = 1;
  for (const char *p = list->text; *(p += ldx_until(p, list->separators)); p++)
    room++;
  struct ldx_search_dirs *l = new_list(s, room);
  for (const char *p = list->text; l; p++) {
    size_t n = ldx_until(p, list->separators);
    if (!add_element(s, l, p, n, list)) {
      ldx_heap_free(s->heap, l);
      return NULL;
    }
    p += n;
    if (!*p)
      break;
  }
  return l;
}

static struct ldx_search_dirs *system_list(struct ldx_library_search *s) {
  const struct ldx_dir_list list = {.what = system_path};
  struct ldx_search_dirs *l = new_list(s, ldx_system_dir_count);
  for (size_t i = 0; l && i < ldx_system_dir_count; i++)
    if (!add_dir(s, l, ldx_system_dirs[i], strlen(ldx_system_dirs[i]), &list)) {
      ldx_heap_free(s->heap, l);
      return NULL;
    }
  return l;
}

static struct ldx_search_dirs *library_path_list(struct ldx_library_search *s) {
  const char *source = s->library_path_source ? s->library_path_source : "LD_LIBRARY_PATH";
  const struct ldx_dir_list list = {s->library_path, ":;", source, NULL, s->state->program};
  return ldx_read_dirs(s, &list);
}

static bool set_library_path(const struct ldx_library_search *s) { return s->library_path && *s->library_path; }

/* Everything that belongs to the process. False when out of memory. */
static bool set_up(struct ldx_library_search *s) {
  struct ldx_search_state *st = ldx_search_state(s);
  bool oom = false;
  if (!st || !ldx_search_hwcaps(s))
    return false;
  if (st->have_paths)
    return true;
  st->have_paths = true; /* the program's paths come back here */
  if (!st->system)
    st->system = system_list(s);
  if (st->program) {
    ldx_object_rpath(s, st->program, &oom);
    ldx_object_runpath(s, st->program, &oom);
  }
  if (set_library_path(s) && !st->library_path)
    oom |= !(st->library_path = library_path_list(s));
  st->have_paths = st->system && !oom;
  return st->have_paths;
}

struct ldx_search_dirs *ldx_library_path(struct ldx_library_search *s, bool *oom) {
  if (!set_library_path(s))
    return NULL;
  *oom |= !set_up(s);
  return *oom ? NULL : s->state->library_path;
}

struct ldx_search_dirs *ldx_default_path(struct ldx_library_search *s, bool *oom) {
  *oom |= !set_up(s);
  return *oom ? NULL : s->state->system;
}

/* True when the object's name is an element of --inhibit-rpath. */
static bool inhibited(const struct ldx_library_search *s, const char *name) {
  if (!s->inhibit_rpath || s->secure)
    return false;
  size_t len = strlen(name);
  const char *p = s->inhibit_rpath;
  do {
    size_t n = ldx_until(p, ":");
    if (n == len && !memcmp(p, name, n))
      return true;
    p += n;
    p += *p == ':';
  } while (*p);
  return false;
}

static struct ldx_search_dirs *read_object_dirs(struct ldx_library_search *s, struct ldx_object *o, int tag,
                                                const char *text) {
  const struct ldx_dir_list list = {text, ":", tag == DT_RPATH ? "RPATH" : "RUNPATH", o->map.l_name, o};
  if (*text == '\0' || inhibited(s, o->map.l_name))
    return new_list(s, 0);
  return ldx_read_dirs(s, &list);
}

static struct ldx_search_dirs *object_dirs(struct ldx_library_search *s, struct ldx_object *o, int tag,
                                           struct ldx_search_dirs **kept, bool *oom) {
  const char *text = *kept ? NULL : elf_dynamic_string(&o->dyn, tag);
  if (text)
    *oom |= !set_up(s);
  if (text && !*oom && !*kept) { /* setting up may have read it */
    struct ldx_search_dirs *l = read_object_dirs(s, o, tag, text);
    *oom |= !l;
    if (l)
      l->spent = l->count == 0;
    *kept = l;
  }
  return *kept && !(*kept)->spent ? *kept : NULL;
}

/* DT_RUNPATH displaces DT_RPATH in the same object. */
struct ldx_search_dirs *ldx_object_rpath(struct ldx_library_search *s, struct ldx_object *o, bool *oom) {
  return o->dyn.info[DT_RUNPATH] ? NULL : object_dirs(s, o, DT_RPATH, &o->rpath, oom);
}

struct ldx_search_dirs *ldx_object_runpath(struct ldx_library_search *s, struct ldx_object *o, bool *oom) {
  return object_dirs(s, o, DT_RUNPATH, &o->runpath, oom);
}

void ldx_search_forget(struct ldx_library_search *s, struct ldx_object *o) {
  ldx_heap_free(s->heap, o->rpath);
  ldx_heap_free(s->heap, o->runpath);
  o->rpath = o->runpath = NULL;
}

static int stat_dir(struct ldx_io *io, const struct ldx_dir *d, struct ldx_segment group) {
  char path[4096];
  if (d->len + group.len + 2 > sizeof path)
    return 0; /* let the real attempt fail */
  memcpy(path, d->path, d->len);
  memcpy(path + d->len, group.at, group.len);
  size_t n = d->len + group.len;
  if (n == 0)
    path[n++] = '.';
  else if (n > 1 && path[n - 1] == '/')
    n--;
  path[n] = '\0';
  struct stat st;
  long r = io_stat(io, path, &st);
  if (ldx_sys_failed(r))
    return (int)-r;
  return S_ISDIR(st.st_mode) ? 0 : ENOTDIR;
}

int ldx_probe_dir(const struct ldx_hwcaps *h, struct ldx_io *io, struct ldx_dir *d, uint32_t group) {
  if (group != 0) {
    int base = ldx_probe_dir(h, io, d, 0);
    if (base)
      return base;
  }
  if (d->probe[group] != LDX_PROBE_UNKNOWN)
    return d->probe[group];
  int error = stat_dir(io, d, h->groups[group]);
  d->probe[group] = (uint8_t)error;
  return error;
}
