/* Symbol versions of an object: the table by index, and the check that every needed version is there. */
#include <errno.h>
#include <string.h>

#include "base/print.h"
#include "elf/version.h"
#include "loader/trace.h"

static bool damaged(struct ldx_load *l, const struct ldx_object *o, enum elf_error e) {
  return ldx_fail(l->diag, LDX_DIAG_LOAD, 0, ldx_display_name(o), "%s", elf_error_text(e));
}

/* In a list: a library that was not found. */
static bool is_missing(const struct ldx_load *l, const char *file) {
  for (uint32_t i = 0; i < l->fresh.count; i++)
    if (l->fresh.at[i]->faked && ldx_object_has_name(l->fresh.at[i], file))
      return true;
  return false;
}

/* The entry of an index; the table grows as indices come. NULL: out of memory. */
static struct ldx_version *entry(struct ldx_object *o, uint32_t index, uint32_t *room) {
  if (index >= *room) {
    uint32_t more = index + 1 > 2 * *room ? index + 1 : 2 * *room;
    struct ldx_version *v = ldx_new(more * sizeof *v);
    if (!v)
      return NULL;
    if (o->versions)
      memcpy(v, o->versions, *room * sizeof *v);
    ldx_delete(o->versions);
    o->versions = v;
    *room = more;
  }
  if (index >= o->version_count)
    o->version_count = index + 1;
  return &o->versions[index];
}

/* In a list: versions that only a missing library would have take indices below the others', and no more. */
static void add_missing(struct ldx_load *l, struct ldx_object *o) {
  enum elf_error e;
  struct elf_need_walk w = {0};
  struct elf_need n;
  while (elf_next_need(&o->image, &o->dyn, &w, &n, &e))
    if (n.index < o->version_count && is_missing(l, n.file))
      o->versions[n.index] = (struct ldx_version){n.name, n.hash, n.hidden, n.file};
}

static uint32_t likely_count(const struct elf_dynamic *d) {
  const Elf64_Dyn *defs = d->info[ELF_DT_VERDEFNUM];
  return 8 + (defs && defs->d_un.d_val < 4096 ? (uint32_t)defs->d_un.d_val : 0);
}

bool ldx_read_versions(struct ldx_load *l, struct ldx_object *o) {
  enum elf_error e;
  struct elf_need_walk nw = {0};
  struct elf_def_walk dw = {0};
  struct elf_need n;
  struct elf_def d;
  struct ldx_version *v = NULL;
  if (o->versions || (!o->dyn.info[ELF_DT_VERNEED] && !o->dyn.info[ELF_DT_VERDEF]))
    return true;
  uint32_t room = 0;
  bool ok = entry(o, likely_count(&o->dyn) - 1, &room);
  o->version_count = ok ? 1 : 0;
  while (ok && elf_next_need(&o->image, &o->dyn, &nw, &n, &e)) {
    if (ldx_listing() && is_missing(l, n.file))
      continue; /* add_missing's */
    if ((ok = (v = entry(o, n.index, &room))))
      *v = (struct ldx_version){n.name, n.hash, n.hidden, n.file};
  }
  if (ok && e)
    return damaged(l, o, e);
  while (ok && elf_next_def(&o->image, &o->dyn, &dw, &d, &e))
    if ((ok = (v = entry(o, d.index, &room))) && !d.base)
      *v = (struct ldx_version){d.name, d.hash, false, NULL};
  if (ok && e)
    return damaged(l, o, e);
  if (ok && ldx_listing())
    add_missing(l, o);
  return ok ||
         ldx_fail(l->diag, LDX_DIAG_LOAD, ENOMEM, ldx_display_name(o), "cannot allocate version reference table");
}

/* Not an error: the library was built without versions, or the need is weak. Worded as the system loader does. */
static void warn(const struct ldx_load *l, const struct ldx_object *about, const char *what,
                 const struct ldx_object *by) {
  struct ldx_diag d = {.heap = &ldx_self.heap};
  if (!l->startup)
    return;
  ldx_fail(&d, LDX_DIAG_LOAD, 0, ldx_display_name(about), "%s (required by %s)", what, ldx_display_name(by));
  ldx_trace_error(&d, "version lookup", true);
  ldx_print(2, "%s: %s: %s (required by %s)\n", ldx_self.program_name, ldx_display_name(about), what,
            ldx_display_name(by));
  ldx_diag_clear(&d);
}

/* An error; a start goes on, to name them all. */
static bool refuse(struct ldx_load *l, const struct ldx_object *about, const struct elf_need *n,
                   const struct ldx_object *by) {
  ldx_fail(l->diag, LDX_DIAG_LOAD, 0, ldx_display_name(about), "version `%s' not found (required by %s)", n->name,
           ldx_display_name(by));
  ldx_trace_error(l->diag, "version lookup", l->startup);
  if (!l->startup)
    return false;
  ldx_print_error(l->diag);
  ldx_diag_clear(l->diag);
  l->versions_missing = true;
  return true;
}

static bool defines(const struct ldx_object *o, const struct elf_need *n) {
  for (uint32_t i = 0; i < o->version_count; i++) {
    const struct ldx_version *v = &o->versions[i];
    if (v->name && !v->file && v->hash == n->hash && !strcmp(v->name, n->name))
      return true;
  }
  return false;
}

/* The base version (the object's own name) counts as defined, but stands in no slot. */
static bool defines_base(struct ldx_object *o, const struct elf_need *n) {
  enum elf_error e;
  struct elf_def_walk w = {0};
  struct elf_def d;
  while (elf_next_def(&o->image, &o->dyn, &w, &d, &e))
    if (d.hash == n->hash && !strcmp(d.name, n->name))
      return true;
  return false;
}

static bool check_need(struct ldx_load *l, struct ldx_object *o, struct ldx_object *from, const struct elf_need *n) {
  if (ldx_tracing(LDX_DEBUG_VERSIONS))
    ldx_debug("checking for version `%s' in file %s [%ld] required by file %s [%ld]", n->name, ldx_display_name(from),
              from->ns->id, ldx_display_name(o), o->ns->id);
  if (!from->dyn.info[ELF_DT_VERDEF]) {
    warn(l, from, "no version information available", o);
    return true;
  }
  if (defines(from, n) || defines_base(from, n))
    return true;
  if (n->weak) {
    char what[512];
    ldx_format(what, sizeof what, "weak version `%s' not found", n->name);
    warn(l, from, what, o);
    return true;
  }
  return refuse(l, from, n, o);
}

bool ldx_check_versions(struct ldx_load *l, struct ldx_object *o) {
  enum elf_error e;
  struct elf_need_walk w = {0};
  struct elf_need n;
  while (elf_next_need(&o->image, &o->dyn, &w, &n, &e)) {
    struct ldx_object *from = ldx_find_loaded(l, n.file);
    if (!from)
      continue;
    if (!check_need(l, o, ldx_real(from), &n))
      return false;
  }
  return true;
}
