#include "search/library.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/print.h"
#include "base/sys.h"
#include "base/text.h"
#include "search/algorithms.h"
#include "search/dst.h"
#include "search/guide.h"
#include "search/musl.h"
#include "search/state.h"
#include "search/trace.h"

#include "search/finding.h"

struct ldx_search_state *ldx_search_state(struct ldx_library_search *s) {
  if (!s->state)
    s->state = ldx_heap_alloc(s->heap, sizeof *s->state);
  return s->state;
}

struct ldx_hwcaps_input ldx_hwcaps_input(const struct ldx_library_search *s) {
  return (struct ldx_hwcaps_input){
      .isa = s->isa ? *s->isa : ldx_isa_detect(),
      .at_platform = s->platform,
      .prepend = s->hwcaps_prepend,
      .mask = s->hwcaps_mask,
      .legacy_mask = s->hwcap_mask_set ? s->hwcap_mask : LDX_HWCAP_IMPORTANT,
  };
}

const struct ldx_hwcaps *ldx_search_hwcaps(struct ldx_library_search *s) {
  struct ldx_search_state *st = ldx_search_state(s);
  if (!st)
    return NULL;
  if (!st->have_hwcaps) {
    struct ldx_hwcaps_input in = ldx_hwcaps_input(s);
    st->have_hwcaps = ldx_hwcaps_init(&st->hwcaps, s->heap, &in);
  }
  return st->have_hwcaps ? &st->hwcaps : NULL;
}

static const struct ldx_hwcaps *hwcaps_for_cache(void *arg) { return ldx_search_hwcaps(arg); }

bool ldx_find_room(struct finding *f, size_t size) {
  if (size <= f->room)
    return true;
  ldx_heap_free(f->s->heap, f->path);
  f->path = ldx_heap_alloc(f->s->heap, size);
  f->room = f->path ? size : 0;
  f->oom |= !f->path;
  return f->path;
}

static enum verdict fatal(struct finding *f, int fd, int error, const char *text) {
  io_close(f->s->io, fd);
  ldx_fail(f->diag, LDX_DIAG_LOAD, error, f->path, "%s", text);
  return FATAL;
}

static enum verdict pass_over(struct finding *f, int fd) {
  io_close(f->s->io, fd);
  f->error = ENOENT;
  return PASSED_OVER;
}

/* Reads the first bytes; 0 or an errno value. */
static int read_head(struct ldx_io *io, struct ldx_library_file *out) {
  out->head_size = 0;
  while (out->head_size < sizeof(Elf64_Ehdr)) {
    long n = io_read(io, out->fd, out->head + out->head_size, sizeof out->head - out->head_size);
    if (ldx_sys_failed(n))
      return (int)-n;
    if (n == 0)
      break;
    out->head_size += (size_t)n;
  }
  return 0;
}

/* Looks at the header of what was opened: a file for other machines is passed over, a broken one is an error. */
static enum verdict check_file(struct finding *f) {
  struct ldx_library_file *out = f->out;
  int error = read_head(f->s->io, out);
  if (error)
    return fatal(f, out->fd, error, "cannot read file data");
  if (out->head_size < sizeof(Elf64_Ehdr))
    return fatal(f, out->fd, 0, elf_error_text(ELF_TOO_SHORT));
  enum elf_error e = elf_check_header((struct ldx_span){out->head, out->head_size});
  if (e == ELF_WRONG_CLASS)
    f->other_class = true;
  if (e == ELF_WRONG_CLASS || e == ELF_WRONG_MACHINE)
    return pass_over(f, out->fd);
  return e && e != ELF_IS_COPY ? fatal(f, out->fd, 0, elf_error_text(e)) : OPENED; /* of a copy others decide */
}

/* LA_SER_*: where a candidate comes from (rtld-audit(7)); 0: a path, of which auditors have been told as a name. */
static unsigned origin_flag(const char *source) {
  enum { LIBPATH = 2, RUNPATH = 4, CONFIG = 8, DEFAULT = 0x40 };
  if (!source || !strcmp(source, "path"))
    return 0;
  if (!strcmp(source, "RPATH") || !strcmp(source, "RUNPATH"))
    return RUNPATH;
  if (!strcmp(source, "ld.so.cache"))
    return CONFIG;
  return strcmp(source, "system search path") ? LIBPATH : DEFAULT;
}

/* What to open instead; the candidate goes on naming the object. */
static const char *ask_auditors(struct finding *f) {
  const char *path = f->s->audit(f->request->loader, f->path, origin_flag(f->source));
  if (!path)
    f->error = ENOENT;
  return path;
}

static enum verdict open_file(struct finding *f) {
  const char *path = f->s->audit ? ask_auditors(f) : f->path;
  if (!path)
    return PASSED_OVER;
  long fd = io_open(f->s->io, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not block */
  if (fd == -EMFILE && f->s->closing && f->s->closing->count) {
    ldx_close_flush(f->s->closing);
    fd = io_open(f->s->io, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  }
  if (ldx_sys_failed(fd)) {
    f->error = (int)-fd;
    return PASSED_OVER;
  }
  f->out->fd = (int)fd;
  return check_file(f);
}

/* What is known to be absent is not asked for. */
static enum verdict open_beside_cache(struct finding *f, const struct ldx_search_cache *c) {
  if (f->cached)
    return open_file(f);
  enum verdict v = PASSED_OVER;
  int absent = c->absent(f->path);
  if (absent)
    f->error = absent;
  else
    v = open_file(f);
  if (v == PASSED_OVER)
    c->depends(f->path, f->error);
  return v;
}

/* Bytes that a tool provides, or the file. */
static enum verdict open_guided(struct finding *f) {
  const struct ldx_guide *g = f->s->guide;
  int fd = -1;
  enum ldx_verdict said = g->image ? g->image(f->request, f->path, &fd, f->diag) : LDX_PASS;
  if (said == LDX_DENY)
    return FATAL;
  enum verdict v;
  if (said == LDX_CHANGED) {
    f->out->fd = fd;
    f->out->from_memory = true;
    v = check_file(f);
  } else {
    v = g->cache ? open_beside_cache(f, g->cache) : open_file(f);
  }
  if (g->tried)
    g->tried(f->request, f->path, f->source, v == OPENED ? 0 : f->error ? f->error : ENOEXEC);
  return v;
}

/* A name that is nowhere may still be known to somebody who has its bytes. */
static enum verdict try_image_by_name(struct finding *f) {
  const struct ldx_guide *g = f->s->guide;
  int fd = -1;
  enum ldx_verdict said = g->image(f->request, f->request->name, &fd, f->diag);
  if (said != LDX_CHANGED)
    return said == LDX_DENY ? FATAL : PASSED_OVER;
  if (!ldx_find_room(f, strlen(f->request->name) + 1))
    return fatal(f, fd, ENOMEM, "cannot create search path array");
  strcpy(f->path, f->request->name);
  f->source = "memory";
  f->owner = NULL;
  f->out->fd = fd;
  f->out->from_memory = true;
  return check_file(f);
}

/* The candidate may become another one; when that will not do, the search goes on from where it was. */
static enum verdict try_guided(struct finding *f) {
  const struct ldx_guide *g = f->s->guide;
  char *asked = f->path, *other = NULL;
  size_t room = f->room;
  if (g->path && g->path(f->request, f->path, &other, f->diag) == LDX_DENY)
    return FATAL;
  if (!other)
    return open_guided(f);
  f->path = other;
  f->room = strlen(other) + 1;
  enum verdict v = open_guided(f);
  if (v == OPENED) {
    f->out->asked = asked;
    f->steered = true;
    return v;
  }
  ldx_heap_free(f->s->heap, f->path);
  f->path = asked;
  f->room = room;
  return v;
}

enum verdict ldx_try_file(struct finding *f) {
  return __builtin_expect(!f->s->guide, 1) ? open_file(f) : try_guided(f);
}

/* Under AT_SECURE a preloaded library must be marked as meant for that. */
static enum verdict check_preload(struct finding *f) {
  struct stat st;
  if (f->request->mode != LDX_FIND_PRELOAD || !f->s->secure)
    return OPENED;
  if (!ldx_sys_failed(io_fstat(f->s->io, f->out->fd, &st)) && (st.st_mode & S_ISUID))
    return OPENED;
  return pass_over(f, f->out->fd);
}

/* The folder of the candidate did not have the library: is there any such folder? */
static uint8_t look_for_dir(struct finding *f, size_t dir_len) {
  struct stat st;
  char cut = f->path[dir_len - 1];
  f->path[dir_len - 1] = '\0';
  long r = io_stat(f->s->io, f->path, &st);
  f->path[dir_len - 1] = cut;
  if (ldx_sys_failed(r))
    f->error = (int)-r;
  return ldx_sys_failed(r) || !S_ISDIR(st.st_mode) ? LDX_DIR_MISSING : LDX_DIR_EXISTS;
}

/* Tools may make something of a candidate in a folder that does not exist. */
static bool guided_paths(const struct finding *f) { return f->s->guide && f->s->guide->path; }

/* The folder is missing, or its subfolder. */
static void tell_missing(struct finding *f, const struct ldx_dir *d, int error) {
  const struct ldx_guide *g = f->s->guide;
  if (g->tried)
    g->tried(f->request, f->path, f->source, error);
  if (!g->cache)
    return;
  char cut = f->path[d->len];
  if (d->probe[0])
    f->path[d->len] = '\0';
  g->cache->depends(f->path, error);
  f->path[d->len] = cut;
}

static enum verdict try_subfolder(struct finding *f, struct ldx_dir *d, uint32_t index) {
  const struct ldx_hwcaps *h = &f->s->state->hwcaps;
  const struct ldx_subfolder *sub = &h->subfolders[index];
  size_t dir_len = d->len + sub->len;
  memcpy(f->path + d->len, sub->text, sub->len);
  strcpy(f->path + dir_len, f->request->name);
  ldx_trace(f->s, "  trying file=%s", f->path);
  int missing = guided_paths(f) || f->s->audit ? 0 : ldx_probe_dir(h, f->s->io, d, sub->group);
  if (missing) {
    f->error = missing;
    if (d->status[index] == LDX_DIR_UNKNOWN)
      d->status[index] = LDX_DIR_MISSING;
    if (f->s->guide)
      tell_missing(f, d, missing);
    return PASSED_OVER;
  }
  enum verdict v = ldx_try_file(f);
  if (d->status[index] == LDX_DIR_UNKNOWN && v != FATAL)
    d->status[index] = v == OPENED ? LDX_DIR_EXISTS : look_for_dir(f, dir_len);
  return v == OPENED ? check_preload(f) : v;
}

/* *any tells whether the folder or one of its subfolders exists. */
static enum verdict try_dir(struct finding *f, struct ldx_dir *d, bool *any) {
  const struct ldx_hwcaps *h = &f->s->state->hwcaps;
  enum verdict v = PASSED_OVER;
  if (!ldx_find_room(f, d->len + h->longest + strlen(f->request->name) + 1))
    return FATAL;
  if (d->relative)
    memset(d->probe, LDX_PROBE_UNKNOWN, sizeof d->probe);
  memcpy(f->path, d->path, d->len);
  for (uint32_t i = 0; i < h->subfolder_count && v == PASSED_OVER; i++) {
    if (d->status[i] == LDX_DIR_MISSING && !guided_paths(f))
      continue;
    v = try_subfolder(f, d, i);
    *any |= d->status[i] != LDX_DIR_MISSING;
  }
  return v;
}

static enum verdict try_all(struct finding *f, struct ldx_search_dirs *l, bool may_be_spent) {
  const char *what = NULL;
  bool any = false;
  for (uint32_t i = 0; i < l->count; i++) {
    bool here = false;
    if (l->at[i]->what != what) {
      what = l->at[i]->what;
      ldx_trace_dirs(f->s, l, i);
    }
    enum verdict v = try_dir(f, l->at[i], &here);
    if (v != PASSED_OVER)
      return v;
    if (here && f->error != ENOENT && f->error != EACCES)
      return PASSED_OVER; /* out of descriptors and the like: more attempts won't help */
    any |= here;
  }
  if (!any && may_be_spent && !guided_paths(f))
    l->spent = true;
  return PASSED_OVER;
}

/* Tools may have other folders searched instead. */
static enum verdict try_guided_list(struct finding *f, struct ldx_search_dirs *l, bool may_be_spent) {
  const struct ldx_guide *g = f->s->guide;
  char *text = g->folders ? ldx_folders_text(f->s, l) : NULL, *other = NULL;
  enum ldx_verdict said = LDX_PASS;
  if (text)
    said = g->folders(f->request, f->source, f->owner, text, &other, f->diag);
  ldx_heap_free(f->s->heap, text);
  if (said == LDX_DENY)
    return FATAL;
  if (g->list && (l || other))
    g->list(f->request, f->source, f->owner);
  if (said != LDX_CHANGED)
    return l && !l->spent ? try_all(f, l, may_be_spent) : PASSED_OVER;
  ldx_default_path(f->s, &f->oom); /* this may be the first list of all: have what lists need */
  const struct ldx_dir_list list = {other, ":", *f->source ? f->source : "tool", f->owner, f->request->loader};
  struct ldx_search_dirs *changed = *other && ldx_search_hwcaps(f->s) ? ldx_read_dirs(f->s, &list) : NULL;
  ldx_heap_free(f->s->heap, other);
  enum verdict v = changed ? try_all(f, changed, false) : PASSED_OVER;
  ldx_heap_free(f->s->heap, changed);
  return v;
}

/* One list of folders: to be tried, or told. */
static enum verdict use_list(struct finding *f, const char *source, const struct ldx_object *owner,
                             struct ldx_search_dirs *l, bool may_be_spent) {
  f->source = source;
  f->owner = owner ? owner->map.l_name : NULL;
  if (f->tell) {
    char *text = ldx_folders_text(f->s, l);
    enum verdict v = f->tell(f, text);
    ldx_heap_free(f->s->heap, text);
    return v;
  }
  if (f->s->guide)
    return try_guided_list(f, l, may_be_spent);
  return l && !l->spent ? try_all(f, l, may_be_spent) : PASSED_OVER;
}

static bool go_on(const struct finding *f, enum verdict v) { return v == PASSED_OVER && !f->oom; }

/* DT_RPATH of the loader, of who loaded that, and so on; at last the program's. */
static enum verdict try_rpaths(struct finding *f) {
  struct ldx_object *loader = f->request->loader, *program = f->request->program;
  bool did_program = false;
  enum verdict v = PASSED_OVER;
  if (loader && loader->dyn.info[DT_RUNPATH])
    return PASSED_OVER;
  for (struct ldx_object *o = loader; o && go_on(f, v); o = o->loader) {
    struct ldx_search_dirs *l = ldx_object_rpath(f->s, o, &f->oom);
    v = use_list(f, "RPATH", o, l, true);
    did_program |= l && o == program;
  }
  if (did_program || !program)
    return v;
  if (go_on(f, v))
    v = use_list(f, "RPATH", program, ldx_object_rpath(f->s, program, &f->oom), true);
  if (go_on(f, v) && f->request->mode == LDX_FIND_AUDIT)
    v = use_list(f, "RUNPATH", program, ldx_object_runpath(f->s, program, &f->oom), true);
  return v;
}

/* The object whose DF_1_NODEFLIB forbids the default folders. */
static bool default_allowed(const struct ldx_find_request *r) {
  const struct ldx_object *o = r->loader ? r->loader : r->program;
  return !o || !(o->dyn.flags_1 & DF_1_NODEFLIB);
}

static bool in_system_dir(const char *path) {
  for (size_t i = 0; i < ldx_system_dir_count; i++)
    if (!strncmp(path, ldx_system_dirs[i], strlen(ldx_system_dirs[i])))
      return true;
  return false;
}

/* False: it is not to be searched. */
static bool guided_cache(struct finding *f, const char *file) {
  const struct ldx_guide *g = f->s->guide;
  char *other = NULL;
  if (f->tell) {
    f->source = "cache";
    f->tell(f, file);
    return false;
  }
  if (!g || !g->folders || g->folders(f->request, "cache", NULL, file, &other, f->diag) != LDX_CHANGED)
    return !g || !ldx_failed(f->diag);
  bool use = *other;
  ldx_heap_free(f->s->heap, other);
  return use;
}

static enum verdict try_cache(struct finding *f) {
  struct ldx_library_search *s = f->s;
  const char *file = s->cache_file ? s->cache_file : LDX_CACHE_FILE;
  if (s->inhibit_cache || (f->request->mode == LDX_FIND_PRELOAD && s->secure))
    return PASSED_OVER;
  f->source = "ld.so.cache";
  f->owner = NULL;
  if (!guided_cache(f, file))
    return PASSED_OVER;
  ldx_trace(s, " search cache=%s", file);
  ldx_ldcache_load(&s->state->cache, file, s->io, s->closing);
  if (ldx_search_cache(s))
    ldx_search_cache(s)->depends(file, 0);
  const char *path = ldx_ldcache_find(&s->state->cache, f->request->name, hwcaps_for_cache, s);
  if (!path)
    return PASSED_OVER;
  ldx_trace(s, "  trying file=%s", path);
  if (!default_allowed(f->request) && in_system_dir(path))
    return PASSED_OVER;
  if (!ldx_find_room(f, strlen(path) + 1))
    return FATAL;
  strcpy(f->path, path);
  return ldx_try_file(f);
}

struct musl_finding {
  struct finding *f;
  enum verdict v;
};

/* The folders of one list, in musl's way: what opens is taken. */
static void try_musl_folders(struct musl_finding *m, const char *list) {
  struct finding *f = m->f;
  for (list += ldx_skip(list, ":\n"); *list && go_on(f, m->v); list += ldx_skip(list, ":\n")) {
    size_t n = ldx_until(list, ":\n"), room = n + strlen(f->request->name) + 2;
    if (!ldx_find_room(f, room))
      return;
    ldx_format(f->path, room, "%.*s/%s", (int)n, list, f->request->name);
    ldx_trace(f->s, "  trying file=%s", f->path);
    m->v = ldx_try_file(f);
    list += n;
  }
}

/* Tools know lists with colons only, and may have other folders searched. */
static void guide_musl_list(struct musl_finding *m, const char *list) {
  struct finding *f = m->f;
  const struct ldx_guide *g = f->s->guide;
  char *text = ldx_strdup(f->s->heap, list), *other = NULL;
  f->oom |= !text;
  for (char *p = text; p && *p; p++)
    if (*p == '\n')
      *p = ':';
  if (f->tell && text)
    f->tell(f, text);
  else if (text && g->folders && g->folders(f->request, f->source, f->owner, text, &other, f->diag) == LDX_DENY)
    m->v = FATAL;
  else if (text && g->list && (*text || other))
    g->list(f->request, f->source, f->owner);
  if (text && !f->tell && m->v == PASSED_OVER)
    try_musl_folders(m, other ? other : text);
  ldx_heap_free(f->s->heap, text);
  ldx_heap_free(f->s->heap, other);
}

static bool try_list(void *arg, const char *source, const struct ldx_object *owner, const char *list) {
  struct musl_finding *m = arg;
  struct finding *f = m->f;
  f->source = source;
  f->owner = owner ? owner->map.l_name : NULL;
  if (f->s->guide || f->tell)
    guide_musl_list(m, list);
  else
    try_musl_folders(m, list);
  return go_on(f, m->v);
}

static enum verdict search_by_musl(struct finding *f) {
  struct musl_finding m = {f, PASSED_OVER};
  if (f->s->guide && f->s->guide->folders && !f->tell)
    try_list(&m, "", NULL, "");
  if (!go_on(f, m.v))
    return m.v;
  f->oom |= !ldx_musl_lists(f->s, f->request, try_list, &m);
  return f->oom ? FATAL : m.v;
}

enum verdict ldx_search_usual(struct finding *f) {
  struct ldx_library_search *s = f->s;
  if (s->musl_interp || s->algorithm == LDX_ALGORITHM_MUSL)
    return search_by_musl(f);
  struct ldx_object *loader = f->request->loader;
  bool paths = f->request->program || loader;
  enum verdict v = PASSED_OVER;
  if (s->guide && s->guide->folders && !f->tell) /* a list that nobody but tools has */
    v = use_list(f, "", NULL, NULL, false);
  if (go_on(f, v) && paths)
    v = try_rpaths(f);
  if (go_on(f, v) && paths)
    v = use_list(f, s->library_path_source, NULL, ldx_library_path(s, &f->oom), false);
  if (go_on(f, v) && loader)
    v = use_list(f, "RUNPATH", loader, ldx_object_runpath(s, loader, &f->oom), true);
  if (go_on(f, v))
    v = try_cache(f);
  if (go_on(f, v) && paths && default_allowed(f->request))
    v = use_list(f, "system search path", NULL, ldx_default_path(s, &f->oom), false);
  return f->oom ? FATAL : v;
}

/* What is known already (a record, a cache), tools' own algorithms, then the one in force. */
static enum verdict search_all(struct finding *f) {
  const struct ldx_guide *g = f->s->guide;
  if (__builtin_expect(!g && f->s->algorithm == LDX_ALGORITHM_USUAL, 1))
    return ldx_search_usual(f);
  bool nowhere = false;
  enum verdict v = ldx_search_known(f, &nowhere);
  if (nowhere)
    return v;
  if (go_on(f, v) && g && g->search) {
    enum ldx_verdict said = g->search(f->request, (ldx_search *)f, f->diag);
    if (f->done)
      return OPENED;
    v = said == LDX_DENY ? FATAL : v;
    if (said == LDX_STOP)
      return PASSED_OVER;
  }
  if (go_on(f, v) && g && g->image)
    v = try_image_by_name(f);
  return go_on(f, v) ? ldx_search_algorithm(f) : v;
}

static void teach(const struct finding *f, const struct ldx_search_cache *c, enum verdict v) {
  f->out->path = f->path;
  if (v == OPENED)
    c->ended(f->request, f->out, f->steered || f->done || f->out->from_memory);
  else if (v == PASSED_OVER && !f->oom && !f->other_class && !ldx_failed(f->diag))
    c->nowhere(f->request, f->error);
}

static enum verdict by_name(struct finding *f) {
  ldx_trace(f->s, "find library=%s [%ld]; searching", f->request->name, f->request->ns);
  enum verdict v = search_all(f);
  if (v != FATAL)
    ldx_trace(f->s, "%s", "");
  if (ldx_search_cache(f->s) && !f->cached)
    teach(f, ldx_search_cache(f->s), v);
  return v;
}

static enum verdict by_path(struct finding *f) {
  const struct ldx_find_request *r = f->request;
  f->source = "path";
  f->cached = true; /* there is nothing to learn */
  f->path = r->loader ? ldx_expand_dst(f->s, r->loader, r->name) : ldx_strdup(f->s->heap, r->name);
  f->oom |= !f->path;
  return f->path ? ldx_try_file(f) : FATAL;
}

static enum ldx_find_result finish(struct finding *f, enum verdict v) {
  if (v == OPENED) {
    f->out->path = f->path;
    f->out->source = f->source;
    f->out->owner = f->owner;
    return LDX_FOUND;
  }
  ldx_heap_free(f->s->heap, f->path);
  if (f->oom)
    ldx_fail(f->diag, LDX_DIAG_LOAD, ENOMEM, f->request->name, "cannot create search path array");
  if (f->oom || v == FATAL || ldx_failed(f->diag))
    return LDX_FIND_ERROR;
  if (f->other_class)
    ldx_fail(f->diag, LDX_DIAG_LOAD, 0, f->request->name, "%s", elf_error_text(ELF_WRONG_CLASS));
  else
    ldx_fail(f->diag, LDX_DIAG_LOAD, f->error, f->request->name, "cannot open shared object file");
  return LDX_NOT_FOUND;
}

enum ldx_find_result ldx_find(struct ldx_library_search *s, const struct ldx_find_request *r,
                              struct ldx_library_file *out, struct ldx_diag *diag) {
  struct finding f = {.s = s, .request = r, .out = out, .diag = diag};
  out->fd = -1;
  out->path = NULL;
  out->asked = NULL;
  out->from_memory = out->has_stat = false;
  if (!ldx_search_state(s)) {
    f.oom = true;
    return finish(&f, FATAL);
  }
  if (r->program)
    s->state->program = r->program;
  return finish(&f, strchr(r->name, '/') ? by_path(&f) : by_name(&f));
}

enum ldx_find_result ldx_find_library(struct ldx_library_search *s, const char *name, struct ldx_object *loader,
                                      struct ldx_object *program, struct ldx_library_file *out,
                                      struct ldx_diag *diag) {
  const struct ldx_find_request r = {
      .name = name, .loader = loader, .program = program, .ns = loader && loader->ns ? loader->ns->id : 0};
  return ldx_find(s, &r, out, diag);
}

void ldx_search_settle(struct ldx_library_search *s) {
  if (s->state)
    s->state->cache.current = false;
  if (ldx_search_cache(s))
    ldx_search_cache(s)->settle();
}
