/* dlclose: what nobody needs any more goes. Mark from handles, dependencies and bindings; run destructors while
 * everything can still be found; unpublish; unmap when no reader is left. */
#include "loader/unload.h"

#include "loader/audit.h"
#include "loader/error.h"
#include "loader/jit_object.h"
#include "loader/namespaces.h"
#include "loader/tell_library.h"
#include "loader/tell_thread.h"
#include "loader/trace.h"
#include "namespace/names.h"

static bool is_root(const struct ldx_object *o) {
  return !o->dlopened || o->opens || o->nodelete || o->closing || glibc_tls_dtor_count(&ldx_self.glibc, o);
}

/* visit: 1 = used. What another thread takes out is used until it is gone. A list instead of recursion: chains of
 * bindings may be long. */
static void mark_from(const struct ldx_object *o, struct ldx_object_list *todo) {
  const struct ldx_object_list *lists[] = {&o->needed, &o->init_order, &o->reldeps};
  for (size_t k = 0; k < LDX_COUNT(lists); k++)
    for (uint32_t i = 0; i < lists[k]->count; i++) {
      struct ldx_object *d = lists[k]->at[i];
      if (d->visit || d->ns != o->ns || d->removed || d->pending)
        continue;
      d->visit = 1;
      ldx_list_add(&ldx_self.heap, todo, d);
    }
}

static void mark(struct ldx_namespace *ns) {
  struct ldx_object_list todo = {0};
  for (struct ldx_object *o = ns->first; o; o = o->map.l_next) {
    o->visit = is_root(o);
    if (o->visit && o->dlopened)
      ldx_list_add(&ldx_self.heap, &todo, o);
  }
  while (todo.count)
    mark_from(todo.at[--todo.count], &todo);
  ldx_delete(todo.at);
}

/* The objects of the namespace as destructors go, were all to end: bindings count wherever they are. */
static bool sort_all(struct ldx_namespace *ns, struct ldx_object_list *all) {
  bool ok = true;
  for (struct ldx_object *o = ns->first_real; o; o = o->map.l_next)
    ok = ldx_list_add(&ldx_self.heap, all, o) && ok;
  return ok && ldx_sort_objects(all->at, all->count, ns == &ldx_self.base, true);
}

static bool sort_dead(struct ldx_namespace *ns, struct ldx_object_list *dead) {
  struct ldx_object_list all = {0};
  bool ok = sort_all(ns, &all);
  dead->count = 0;
  for (uint32_t i = 0; ok && i < all.count; i++)
    if (all.at[i]->unused)
      dead->at[dead->count++] = all.at[i];
  for (struct ldx_object *o = ns->first; ok && o && o->real; o = o->map.l_next) /* proxies: they have no order */
    if (o->unused)
      dead->at[dead->count++] = o;
  ldx_delete(all.at);
  return ok;
}

/* Those without a mark. */
static bool collect(struct ldx_namespace *ns, struct ldx_object_list *dead) {
  bool ok = true;
  for (struct ldx_object *o = ns->first; o; o = o->map.l_next) {
    o->unused = !o->visit && o->dlopened;
    o->visit = 0;
    if (o->unused)
      ok = ldx_list_add(&ldx_self.heap, dead, o) && ok;
  }
  return ok && (dead->count < 2 || sort_dead(ns, dead));
}

/* A binding to something that goes (made with its consent: RTLD_DEFAULT lookups and the like) is forgotten. */
static void forget_scopes(const struct ldx_object *gone) {
  const struct ldx_scope_list *list = gone->searchlist.list; /* no others have it in their scope */
  for (uint32_t i = 0; list && i < list->count; i++) {
    struct ldx_object *o = list->at[i].object;
    if (!o->removed && ldx_scope_has(o, &gone->searchlist))
      ldx_scope_remove(o, &gone->searchlist);
  }
}

/* An object that outlives the root it came with needs a scope of its own: itself and what it depends on. */
static void give_scope(struct ldx_namespace *ns, struct ldx_object *o) {
  struct ldx_diag d = {.heap = &ldx_self.heap};
  struct ldx_load l = {.ns = ns, .diag = &d, .root = o};
  if (ldx_load_dependencies(&l, o, NULL, 0))
    ldx_scope_add(o, &o->searchlist);
  ldx_diag_clear(&d);
}

static void keep_alive(struct ldx_namespace *ns, const struct ldx_object *gone) {
  const struct ldx_scope_list *list = gone->searchlist.list;
  for (uint32_t i = 0; i < gone->needed.count; i++)
    if (gone->needed.at[i]->loader == gone)
      gone->needed.at[i]->loader = NULL;
  for (uint32_t i = 0; list && i < list->count; i++) {
    struct ldx_object *o = list->at[i].object;
    if (!o->closing && !o->searchlist.list && ldx_scope_has(o, &gone->searchlist))
      give_scope(ns, o);
  }
}

static void take_out(struct ldx_object *o) {
  o->removed = true;
  forget_scopes(o);
}

static void drop(struct ldx_namespace *ns, struct ldx_object *o, bool unlisted) {
  if (ldx_tracing(LDX_DEBUG_FILES))
    ldx_trace_destroyed(o);
  if (!o->real) {
    ldx_tell_module_gone(o);
    ldx_tls_drop_module(&ldx_self.tls, o);
    ldx_unique_forget(ns->unique, o);
  }
  if (o->made)
    ldx_jit_gone(o);
  if (o == ns->program) { /* the global scope outlives its first owner */
    ns->program = NULL;
    o->searchlist.list = NULL;
  }
  if (o == ns->libc)
    ns->libc = NULL;
  ldx_names_remove(ns, &ldx_self.heap, o);
  ldx_namespace_unlink(ns, o);
  __atomic_add_fetch(&ldx_self.subs, 1, __ATOMIC_RELAXED);
  if (unlisted) /* else readers may still find it: it is left to them */
    ldx_retire_object(o);
}

static bool any_tls(const struct ldx_object_list *dead) {
  for (uint32_t i = 0; i < dead->count; i++)
    if (dead->at[i]->tls.modid)
      return true;
  return false;
}

/* Of other namespaces the global scope may be a search list. */
static bool any_global(const struct ldx_namespace *ns, const struct ldx_object_list *dead) {
  bool any = ns != &ldx_self.base;
  for (uint32_t i = 0; i < dead->count; i++)
    any = any || dead->at[i]->global;
  return any;
}

static void remove_objects(struct ldx_namespace *ns, struct ldx_object_list *dead) {
  struct ldx_load l = {.ns = ns};
  bool tls = any_tls(dead);
  ldx_tell_load_begin(&l, true);
  ldx_debug_unload(ns);
  if (ldx_audited())
    ldx_audit_activity(ns, 2 /* LA_ACT_DELETE */);
  for (uint32_t i = 0; i < dead->count; i++)
    take_out(dead->at[i]);
  if (any_global(ns, dead))
    ldx_remove_global(ns);
  bool unlisted = ldx_index_rebuild(NULL, 0);
  for (uint32_t i = 0; i < dead->count; i++) {
    if (ldx_wants(LDX_EV_UNLOADED))
      ldx_tell_unloaded(dead->at[i]);
    drop(ns, dead->at[i], unlisted);
  }
  if (tls)
    ldx_tls_publish(&ldx_self.tls);
  ldx_debug_set_list(ns);
  glibc_set_tls(&ldx_self.glibc, &ldx_self.tls);
  glibc_sync_namespace(&ldx_self.glibc, ns);
  ldx_debug_unloaded(ns);
  ldx_tell_load_end(&l, true);
  if (ldx_audited())
    ldx_audit_activity(ns, 0 /* LA_ACT_CONSISTENT */);
}

/* The unused objects of the namespace, in the order of their end; they are found by nobody from now on. */
static bool choose(struct ldx_namespace *ns, struct ldx_object_list *dead) {
  mark(ns);
  if (!collect(ns, dead) || !dead->count)
    return false;
  for (uint32_t i = 0; i < dead->count; i++)
    dead->at[i]->closing = true;
  for (uint32_t i = 0; i < dead->count; i++)
    keep_alive(ns, dead->at[i]);
  return true;
}

static void collect_once(struct ldx_namespace *ns) {
  struct ldx_object_list dead = {0};
  if (choose(ns, &dead)) {
    ldx_rlock_leave(&ldx_self.lock); /* destructors are the program's code */
    for (uint32_t i = 0; i < dead.count; i++) {
      ldx_run_destructors(dead.at[i]);
      if (ldx_audited())
        ldx_audit_closed(dead.at[i]);
    }
    ldx_rlock_enter(&ldx_self.lock);
    remove_objects(ns, &dead);
  }
  ldx_delete(dead.at);
}

static struct ldx_collector *collector_of(uintptr_t thread) {
  struct ldx_collector *c = ldx_self.collectors;
  while (c && c->thread != thread)
    c = c->next;
  return c;
}

static void end_collecting(struct ldx_collector *me) {
  struct ldx_collector **link = &ldx_self.collectors;
  while (*link != me)
    link = &(*link)->next;
  *link = me->next;
  for (struct ldx_collector *c = ldx_self.collectors; c; c = c->next)
    c->again = true; /* what was left because of their objects */
}

void ldx_collect(struct ldx_namespace *ns) {
  struct ldx_collector *outer = collector_of(ldx_thread_pointer());
  struct ldx_collector me = {ldx_self.collectors, ldx_thread_pointer(), false};
  if (outer) { /* a destructor's dlclose: the round that runs goes on */
    outer->again = true;
    return;
  }
  ldx_self.collectors = &me;
  do {
    me.again = false;
    collect_once(ns);
  } while (me.again);
  end_collecting(&me);
  ldx_namespace_drop_empty(ns);
  ldx_reclaim();
}

static bool is_on_list(const struct ldx_namespace *ns, const struct ldx_object *o) {
  const struct ldx_object *i = ns->first;
  while (i && i != o)
    i = i->map.l_next;
  return i;
}

static bool is_in(struct ldx_namespace *ns, const struct ldx_object *o) {
  if (!ldx_names_ready(ns, &ldx_self.heap))
    return is_on_list(ns, o);
  struct ldx_names_walk w = ldx_names_walk(ns, ldx_hash_object(o));
  const struct ldx_object *i;
  while ((i = ldx_names_next(&w)) && i != o)
    ;
  return i;
}

static bool is_loaded(const struct ldx_object *o) {
  for (struct ldx_namespace *ns = &ldx_self.base; ns; ns = ns->next)
    if (is_in(ns, o))
      return true;
  return false;
}

bool ldx_is_open(const struct ldx_object *o) { return is_loaded(o) && o->opens; }

bool ldx_close_object(struct ldx_object *o, struct ldx_diag *d) {
  if (ldx_self.told_load && is_loaded(o) && !ldx_may_change(o->ns, d))
    return false;
  if (!is_loaded(o) || !o->opens)
    return ldx_fail(d, LDX_DIAG_LOAD, 0, is_loaded(o) ? o->map.l_name : "", "shared object not open");
  if (o->nodelete) /* however often it is closed */
    return true;
  bool last = --o->opens == 0 && o->dlopened;
  if (ldx_tracing(LDX_DEBUG_FILES) && (!last || collector_of(ldx_thread_pointer())))
    ldx_debug("\nclosing file=%s; direct_opencount=%u", o->map.l_name, o->opens);
  if (last)
    ldx_collect(o->ns);
  return true;
}
