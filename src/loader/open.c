/* Stages "search" and "open": from a name to an object, found among the loaded ones or mapped from a file. */
#include <dlfcn.h>
#include <errno.h>
#include <string.h>

#include "base/sys.h"
#include "loader/audit.h"
#include "loader/journal.h"
#include "loader/namespaces.h"
#include "loader/record.h"
#include "loader/reload.h"
#include "loader/steer.h"
#include "loader/allow.h"
#include "loader/tell_library.h"
#include "loader/trace.h"
#include "namespace/names.h"

struct ldx_object *ldx_new_object(enum ldx_object_kind kind, const char *path) {
  struct ldx_object *o = ldx_new(sizeof *o);
  if (!o)
    return NULL;
  o->kind = kind;
  o->id = __atomic_add_fetch(&ldx_self.hooks.last_id, 1, __ATOMIC_RELAXED);
  o->map.l_name = ldx_strdup(&ldx_self.heap, path);
  if (o->map.l_name)
    return o;
  ldx_delete(o);
  return NULL;
}

/* A name matches by what the object was asked for as, by its path, or by its soname. */
static bool matches(struct ldx_object *o, const char *name) {
  if (o->faked || o->closing || (o->kind == LDX_LOADER && o->pending))
    return false;
  if (ldx_object_has_name(o, name))
    return true;
  if (o->kind == LDX_LOADER || !o->soname || strcmp(o->soname, name))
    return false;
  ldx_object_add_name(&ldx_self.heap, o, name);
  return true;
}

static struct ldx_object *first_match(struct ldx_namespace *ns, const char *name) {
  struct ldx_object *o = ns->first;
  while (o && !matches(o, name))
    o = o->map.l_next;
  return o;
}

/* Where several match, the first on the list is meant. */
static struct ldx_object *match(struct ldx_namespace *ns, const char *name) {
  if (ldx_self.starting || !ldx_names_ready(ns, &ldx_self.heap))
    return first_match(ns, name);
  struct ldx_object *found = NULL, *o;
  struct ldx_names_walk w = ldx_names_walk(ns, ldx_hash_name(name));
  while ((o = ldx_names_next(&w)))
    if (o != found && matches(o, name)) {
      if (found)
        return first_match(ns, name);
      found = o;
    }
  return found;
}

struct ldx_object *ldx_take_spare(struct ldx_load *l) {
  struct ldx_object *o = l->spare;
  l->spare = NULL;
  if (!ldx_list_add(&ldx_self.heap, &l->fresh, o))
    ldx_die_text("%s: cannot allocate memory", ldx_self.program_name);
  if (ldx_wants(LDX_EV_MAPPED))
    ldx_tell_spare(o);
  return o;
}

struct ldx_object *ldx_find_loaded(struct ldx_load *l, const char *name) {
  struct ldx_object *o = match(l->ns, name);
  for (uint32_t i = 0; !o && i < l->fresh.count; i++)
    if (matches(l->fresh.at[i], name))
      o = l->fresh.at[i];
  return !o && l->spare && matches(l->spare, name) ? ldx_take_spare(l) : o;
}

static bool same_file(const struct ldx_object *o, const struct stat *st) {
  return !o->closing && o->ino == st->st_ino && o->dev == st->st_dev && (o->ino || o->dev);
}

static struct ldx_object *first_file(const struct ldx_namespace *ns, const struct stat *st) {
  struct ldx_object *o = ns->first;
  while (o && !same_file(o, st))
    o = o->map.l_next;
  return o;
}

/* Several of one file there are not. */
static struct ldx_object *match_file(struct ldx_namespace *ns, const struct stat *st) {
  if (ldx_self.starting || !ldx_names_ready(ns, &ldx_self.heap))
    return first_file(ns, st);
  struct ldx_names_walk w = ldx_names_walk(ns, ldx_hash_file(st->st_dev, st->st_ino));
  struct ldx_object *o;
  while ((o = ldx_names_next(&w)) && !same_file(o, st))
    ;
  return o;
}

struct ldx_object *ldx_find_file(struct ldx_load *l, const struct stat *st) {
  struct ldx_object *o = match_file(l->ns, st);
  for (uint32_t i = 0; !o && i < l->fresh.count; i++)
    if (same_file(l->fresh.at[i], st))
      o = l->fresh.at[i];
  return !o && l->spare && same_file(l->spare, st) ? ldx_take_spare(l) : o;
}

bool ldx_enter_load(struct ldx_load *l, struct ldx_object *o, const char *name, struct ldx_object *loader) {
  o->ns = l->ns;
  o->loader = loader;
  o->pending = true;
  if (!ldx_object_add_name(&ldx_self.heap, o, name) || !ldx_list_add(&ldx_self.heap, &l->fresh, o))
    return ldx_fail(l->diag, LDX_DIAG_LOAD, ENOMEM, name, "cannot create shared object descriptor");
  if (ldx_wants(LDX_EV_MAPPED))
    ldx_tell_mapped(o, name);
  if (o->tls.memsz) {
    if (!ldx_tls_add_module(&ldx_self.tls, o))
      return ldx_fail(l->diag, LDX_DIAG_LOAD, ENOMEM, name, "cannot create TLS data structures");
    l->tls_added = true;
  }
  if (ldx_audited())
    ldx_audit_opened(l, o);
  return true;
}

static struct ldx_object *map_found(struct ldx_load *l, struct ldx_library_file *f, const char *name,
                                    struct ldx_object *loader, int mode) {
  struct stat st;
  long r = 0;
  if (__builtin_expect(f->has_stat, 0))
    st = f->stat;
  else
    r = io_fstat(&ldx_self.io, f->fd, &st);
  if (ldx_sys_failed(r)) {
    ldx_fail(l->diag, LDX_DIAG_LOAD, (int)-r, f->path, "cannot stat shared object");
    return NULL;
  }
  struct ldx_object *o = ldx_find_file(l, &st);
  if (o && ldx_self.journal.on)
    ldx_journal_step(&(struct ldx_step){.kind = LDX_STEP_KNOWN, .to = o->map.l_name, .why = "by its file"});
  if (o) {
    if (ldx_object_add_name(&ldx_self.heap, o, name) && !o->pending)
      ldx_names_add_name(l->ns, &ldx_self.heap, o, name);
    return ldx_check_demotion(l, o) ? o : NULL;
  }
  if (mode & RTLD_NOLOAD)
    return NULL;
  o = ldx_share_file(l, &st, name);
  if (o || ldx_failed(l->diag))
    return o;
  ldx_trace_map(name, l->ns);
  bool copied = (mode & LDX_RTLD_RELOADABLE) && !l->root; /* the named object, not what it needs */
  o = copied ? ldx_map_copy(l, f, &st, name) : ldx_map_file(l, f, &st, name, LDX_LIBRARY);
  if (!o)
    return NULL;
  bool refused = (l->of_tool || (l->ns->of_tool && !l->root && !loader)) && !ldx_allow_tool(o, f->fd, name, l->diag);
  if (!refused && !l->startup && (o->dyn.flags_1 & DF_1_NOOPEN))
    refused = !ldx_fail(l->diag, LDX_DIAG_LOAD, 0, name, "shared object cannot be dlopen()ed");
  if (refused) {
    ldx_unmap_object(o);
    ldx_object_free(&ldx_self.heap, o);
    return NULL;
  }
  ldx_trace_mapped(o);
  if (ldx_is_shared(l, o))
    return ldx_share_mapped(l, o, name);
  return ldx_enter_load(l, o, name, loader) ? o : NULL;
}

/* The file, under the name that was asked for. */
static bool find(struct ldx_load *l, const char *name, struct ldx_object *loader, struct ldx_library_file *f) {
  const char *meant = ldx_follow_exe(name);
  struct ldx_find_request request = {meant, loader, ldx_self.base.program, l->ns->id, l->find_mode, 0};
  if (ldx_self.audit.starting)
    request.mode = LDX_FIND_AUDIT;
  if (ldx_self.search.guide)
    request.origin = ldx_origin_of(l);
  if (ldx_wants(LDX_EV_SEARCH))
    ldx_tell_search(l, name, loader);
  enum ldx_find_result found = ldx_find(&ldx_self.search, &request, f, l->diag);
  if (found == LDX_FOUND && ldx_wants(LDX_EV_FOUND))
    ldx_tell_found(l, name, loader, f);
  char *asked = found == LDX_FOUND && meant != name ? ldx_strdup(&ldx_self.heap, name) : NULL;
  if (asked) {
    ldx_delete(f->path);
    f->path = asked;
  }
  l->not_found = found == LDX_NOT_FOUND;
  return found == LDX_FOUND;
}

static struct ldx_object *known(const char *by, struct ldx_object *o) {
  if (o && ldx_self.journal.on)
    ldx_journal_step(&(struct ldx_step){.kind = LDX_STEP_KNOWN, .to = o->map.l_name, .why = by});
  return o;
}

static char *folder_of(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? ldx_strndup(&ldx_self.heap, path, slash == path ? 1 : (size_t)(slash - path)) : NULL;
}

/* Providers may see to it that a library fails everywhere when it fails anywhere. */
static struct ldx_object *agree(struct ldx_load *l, const char *name, struct ldx_object *o) {
  int error = o ? 0 : l->diag->error ? l->diag->error : ENOEXEC;
  int agreed = ldx_io_end(&ldx_self.io, name, error);
  if (!agreed || agreed == error)
    return o;
  ldx_diag_clear(l->diag);
  ldx_fail(l->diag, LDX_DIAG_LOAD, agreed, name, "cannot open shared object file");
  return NULL;
}

static struct ldx_object *open_found(struct ldx_load *l, const char *name, struct ldx_object *loader, int mode) {
  struct ldx_library_file f;
  ldx_io_begin(&ldx_self.io, name);
  if (!find(l, name, loader, &f))
    return agree(l, name, NULL);
  struct ldx_object *o = map_found(l, &f, name, loader, mode);
  if (o && o->pending && !o->reason && ldx_self.journal.on)
    o->reason = ldx_reason_text(&f);
  if (o && o->pending && f.asked && ldx_self.search.keep_origin && !o->origin)
    o->origin = folder_of(f.asked);
  io_close_later(&ldx_self.io, &ldx_self.closing, f.fd);
  ldx_delete(f.asked);
  ldx_delete(f.path);
  return agree(l, name, o);
}

static struct ldx_object *open_named(struct ldx_load *l, const char *name, struct ldx_object *loader, int mode) {
  if (loader && ldx_tracing(LDX_DEBUG_FILES))
    ldx_debug("\nfile=%s [%ld];  %s by %s [%ld]", name, l->ns->id, l->root ? "needed" : "dynamically loaded",
              ldx_display_name(loader), loader->ns->id);
  return open_found(l, name, loader, mode);
}

/* Auditors may have another name looked for; what it leads to answers to both. */
static __attribute__((noinline)) struct ldx_object *open_audited(struct ldx_load *l, const char *name,
                                                                 struct ldx_object *loader, int mode) {
  const char *meant = ldx_audit_name(l, name, loader);
  struct ldx_object *o = meant ? open_named(l, meant, loader, mode) : NULL;
  if (o && o->pending && meant != name)
    ldx_object_add_name(&ldx_self.heap, o, name);
  if (meant != name)
    ldx_delete((char *)meant);
  return o;
}

static struct ldx_object *load_object(struct ldx_load *l, const char *name, struct ldx_object *loader, int mode) {
  if (ldx_self.musl.active && musl_is_own_name(name))
    name = ldx_self.guest_interp;
  struct ldx_object *o = known("by its name", ldx_find_loaded(l, name));
  if (o)
    return ldx_check_demotion(l, o) ? o : NULL;
  o = mode & RTLD_NOLOAD ? NULL : known("shared with the base namespace", ldx_share_named(l, name));
  if (o || ldx_failed(l->diag))
    return o;
  return ldx_audited() ? open_audited(l, name, loader, mode) : open_named(l, name, loader, mode);
}

/* The same where tools have a say, or somebody keeps a journal. */
static __attribute__((noinline)) struct ldx_object *load_guided(struct ldx_load *l, const char *name,
                                                                struct ldx_object *loader, int mode) {
  struct ldx_decision *d = ldx_journal_begin(l, name, loader, mode);
  char *made = NULL;
  bool allowed = !ldx_self.recorder || ldx_record_request(l, d);
  const char *meant = allowed ? ldx_steer_name(l, name, loader, &made) : NULL;
  struct ldx_object *o = meant ? load_object(l, meant, loader, mode) : NULL;
  if (o && made && !ldx_object_add_name(&ldx_self.heap, o, name))
    o = NULL;
  if (ldx_self.recorder)
    o = ldx_record_outcome(l, d, o);
  ldx_journal_end(d, o, l->diag);
  if (ldx_self.recorder && !o && !l->startup)
    ldx_write_record();
  ldx_delete(made);
  return o;
}

struct ldx_object *ldx_load_object(struct ldx_load *l, const char *name, struct ldx_object *loader, int mode) {
  if (__builtin_expect(!ldx_self.search.guide, 1))
    return load_object(l, name, loader, mode);
  return load_guided(l, name, loader, mode);
}
