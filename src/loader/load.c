/* The stage table of a load, and its driver. */
#include <dlfcn.h>
#include <errno.h>
#include <string.h>

#include "loader/audit.h"
#include "loader/error.h"
#include "loader/musl.h"
#include "loader/namespaces.h"
#include "loader/plan.h"
#include "loader/record.h"
#include "loader/tell_library.h"
#include "loader/steer.h"
#include "loader/tell_thread.h"
#include "loader/trace.h"
#include "namespace/names.h"
#include "loader/unload.h"

static bool out_of_memory(struct ldx_load *l) {
  return ldx_fail(l->diag, LDX_DIAG_LOAD, ENOMEM, "", "cannot allocate memory");
}

/* Constructors' order: the closure of the root, dependencies last. */
static bool order(struct ldx_load *l) {
  const struct ldx_scope_list *s = l->root->searchlist.list;
  struct ldx_object_list *o = &l->root->init_order;
  struct ldx_object_list sorted = {0};
  if (l->root->real) /* it has an order in its own namespace */
    return true;
  if (ldx_self.musl.active)
    return ldx_musl_order(l);
  for (uint32_t i = 0; i < s->count; i++)
    if (s->at[i].object->ns == l->ns && !ldx_list_add(&ldx_self.heap, &sorted, s->at[i].object))
      return out_of_memory(l);
  if (!ldx_sort_objects(sorted.at, sorted.count, true, false))
    return out_of_memory(l);
  if (ldx_self.hooks.steered && !ldx_steer_init(l, sorted.at, sorted.count))
    return false;
  struct ldx_object **old = o->at;
  __atomic_store_n(&o->at, sorted.at, __ATOMIC_RELEASE);
  __atomic_store_n(&o->count, sorted.count, __ATOMIC_RELEASE);
  o->room = sorted.room;
  ldx_retire_block(old); /* a binding elsewhere may read it */
  return true;
}

static bool has_versions(const struct ldx_object *o) { return !o->faked && !o->real; }

static bool versions(struct ldx_load *l) {
  for (uint32_t i = 0; i < l->fresh.count; i++)
    if (has_versions(l->fresh.at[i]) && !ldx_read_versions(l, l->fresh.at[i]))
      return false;
  for (uint32_t i = 0; !ldx_self.musl.active && i < l->fresh.count; i++)
    if (has_versions(l->fresh.at[i]) && l->fresh.at[i]->versions && !ldx_check_versions(l, l->fresh.at[i]))
      return false;
  if (l->versions_missing && !ldx_listing()) /* all have been told */
    sys_exit(127);
  return true;
}

static bool reserve(struct ldx_load *l) {
  if (ldx_tracing(LDX_DEBUG_SCOPES))
    l->startup ? ldx_trace_scopes(l) : ldx_trace_scope(l->root, 0);
  for (uint32_t i = 0; i < l->fresh.count; i++) {
    struct ldx_object *o = l->fresh.at[i];
    o->overridden = ldx_is_guest_library(o);
    if (!l->startup && !o->real && o->overridden && !strcmp(o->soname, "libc.so.6")) {
      o->is_libc = true; /* an isolated namespace's own */
      l->ns->libc = o;
    }
  }
  return true;
}

/* libc first, because resolvers call it; then the others, dependencies first; the program last (COPY). */
static bool relocate(struct ldx_load *l) {
  const struct ldx_object_list *o = &l->root->init_order;
  if (l->startup)
    ldx_self.statistics.begin_reloc = ldx_cycles();
  if (l->startup && l->ns->libc && !ldx_relocate_object(l, l->ns->libc))
    return false;
  for (uint32_t i = o->count; i-- > 0;)
    if (!ldx_relocate_object(l, o->at[i]))
      return false;
  return true;
}

static bool executable(uintptr_t f) {
  const struct ldx_object *o = ldx_object_at(f);
  return o && o->kind != LDX_LOADER && ldx_object_has_code(o, f);
}

static bool check_functions(struct ldx_load *l, const struct ldx_object *o, const struct elf_functions *f) {
  for (uint64_t i = 0; i < f->count; i++) {
    uintptr_t at = f->at[i];
    if (!at || at == UINTPTR_MAX || ldx_object_has_code(o, at) || executable(at))
      continue;
    bool fresh = false;
    for (uint32_t j = 0; j < l->fresh.count && !fresh; j++)
      fresh = l->fresh.at[j]->kind != LDX_LOADER && ldx_object_has_code(l->fresh.at[j], at);
    if (!fresh)
      return ldx_fail(l->diag, LDX_DIAG_LOAD, 0, ldx_display_name(o), "%s", elf_error_text(ELF_BAD_INIT));
  }
  return true;
}

static bool protect(struct ldx_load *l) {
  if (l->startup)
    ldx_self.statistics.end_reloc = ldx_cycles();
  for (uint32_t i = 0; i < l->fresh.count; i++) {
    const struct ldx_object *o = l->fresh.at[i];
    if (o->faked || o->real)
      continue;
    if (!check_functions(l, o, &o->dyn.preinit_array) || !check_functions(l, o, &o->dyn.init_array) ||
        !check_functions(l, o, &o->dyn.fini_array))
      return false;
  }
  for (uint32_t i = 0; i < l->fresh.count; i++)
    if (!l->fresh.at[i]->faked && l->fresh.at[i]->kind != LDX_VDSO && !ldx_protect_relro(l->fresh.at[i], l->diag))
      return false;
  return true;
}

static void trace_nodelete(const struct ldx_load *l) {
  for (uint32_t i = 0; ldx_tracing(LDX_DEBUG_FILES) && !l->startup && i < l->fresh.count; i++)
    if (l->fresh.at[i]->nodelete || (l->fresh.at[i] == l->root && (l->mode & RTLD_NODELETE)))
      ldx_debug("activating NODELETE for %s [%ld]", ldx_display_name(l->fresh.at[i]), l->ns->id);
}

/* At start-up some are on the list from the beginning. The loader moves to its end. */
static void enlist(struct ldx_load *l, struct ldx_object *o) {
  bool listed = o == l->ns->first || (l->startup && o->map.l_prev);
  if (listed && o->kind == LDX_LOADER)
    ldx_namespace_unlink(l->ns, o);
  if (!listed || o->kind == LDX_LOADER)
    ldx_namespace_append(l->ns, o);
  if (!listed)
    ldx_names_add(l->ns, &ldx_self.heap, o);
}

static void publish(struct ldx_load *l, struct ldx_object *o) {
  o->pending = false;
  o->dlopened = !l->startup;
  glibc_fill_map(&ldx_self.glibc, o);
  if (o->jit)
    ldx_jit_announce(&ldx_self.jit, o->jit);
  enlist(l, o);
  __atomic_add_fetch(&ldx_self.adds, 1, __ATOMIC_RELEASE);
}

/* Nothing here fails but for lack of memory, which leaves the load undone: COMMIT. */
static bool commit(struct ldx_load *l) {
  trace_nodelete(l);
  if (!ldx_extend_scopes(l) || !ldx_index_rebuild(l->fresh.at, l->fresh.count)) {
    ldx_shrink_scopes(l);
    return out_of_memory(l);
  }
  if (l->tls_added)
    ldx_tls_publish(&ldx_self.tls);
  for (uint32_t i = 0; (!l->startup || ldx_self.prepared) && i < l->statics.count; i++)
    ldx_tls_init_static(&ldx_self.tls, l->statics.at[i]);
  glibc_set_tls(&ldx_self.glibc, &ldx_self.tls);
  if (l->fresh.count)
    ldx_debug_commit(l->ns);
  l->behind = l->ns->last;
  for (uint32_t i = 0; i < l->fresh.count; i++)
    publish(l, l->fresh.at[i]);
  ldx_keep_shared(l);
  if (l->first_global)
    l->ns->program = l->root;
  ldx_debug_set_list(l->ns);
  glibc_sync_namespace(&ldx_self.glibc, l->ns);
  ldx_tell_modules(l);
  return true;
}

static const struct {
  const char *name;
  bool (*run)(struct ldx_load *);
  bool startup_only;
} stages[] = {
    {"order", order, false},
    {"versions", versions, false},
    {"scopes", ldx_build_scopes, false},
    {"place", ldx_place_startup, true},
    {"reserve", reserve, false},
    {"record", ldx_record_stage, true},
    {"plan", ldx_plan_stage, true},
    {"libc-prepare", ldx_prepare_libc, true},
    {"relocate", relocate, false},
    {"ifunc", ldx_run_fixups, false},
    {"copy", ldx_run_copies, false},
    {"libc-settle", ldx_settle_libc, true},
    {"protect", protect, false},
    {"stacks", ldx_extend_stacks, false},
    {"commit", commit, false},
};

static void finish(struct ldx_load *l) {
  ldx_delete(l->fresh.at);
  ldx_delete(l->statics.at);
  ldx_delete(l->fixups.at);
  ldx_delete(l->copies.at);
  ldx_delete(l->shared.at);
}

/* Back to the state before: nobody has seen the load's objects. */
void ldx_load_discard(struct ldx_load *l) {
  ldx_tell_discarded(l);
  for (uint32_t i = 0; ldx_tracing(LDX_DEBUG_FILES) && i < l->fresh.count; i++)
    ldx_trace_destroyed(l->fresh.at[i]);
  if (ldx_audited())
    ldx_audit_discarded(l);
  for (uint32_t i = l->fresh.count; i-- > 0;) {
    struct ldx_object *o = l->fresh.at[i];
    if (!o->real)
      ldx_tls_drop_module(&ldx_self.tls, o);
    ldx_unique_forget(l->ns->unique, o);
    ldx_search_forget(&ldx_self.search, o);
    ldx_unmap_object(o);
  }
  if (l->root && !l->root->pending) { /* a known object that was to become a root */
    ldx_delete(l->root->searchlist.list);
    l->root->searchlist.list = NULL;
  }
  if (l->first_global)
    l->ns->global.list = NULL;
  if (l->ns->libc && l->ns->libc->pending)
    l->ns->libc = NULL;
  for (uint32_t i = l->fresh.count; i-- > 0;)
    ldx_object_free(&ldx_self.heap, l->fresh.at[i]);
  bool shared = l->shared.count;
  finish(l);
  if (shared) /* nobody came to use it */
    ldx_collect(&ldx_self.base);
}

bool ldx_run_load(struct ldx_load *l, bool (*discover)(struct ldx_load *)) {
  bool ok = discover(l);
  if (ok && l->fresh.count && !l->startup && !l->early)
    ldx_debug_mapped(l->ns);
  ldx_close_flush(&ldx_self.closing);
  if (ok && ldx_audited() && l->audit_told && !l->startup)
    ldx_audit_consistent(l);
  for (size_t i = 0; ok && i < LDX_COUNT(stages); i++)
    if (!stages[i].startup_only || l->startup || l->early)
      ok = stages[i].run(l);
  if (!ok && !l->startup)
    ldx_load_discard(l);
  if (ok)
    finish(l);
  if (ok && ldx_self.recorder && !l->startup)
    ldx_write_record();
  return ok;
}
