/* Namespaces beyond the base one, and what they share with it (include/ldx/dlfcn.h). */
#include "loader/namespaces.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>

#include "base/sys.h"
#include "base/text.h"
#include "loader/tell_library.h"
#include "loader/trace.h"
#include "loader/unload.h"

/* A namespace and what belongs to it: one block. */
struct space {
  struct ldx_namespace ns;
  struct ldx_unique_table unique;
  struct ldx_r_debug debug;
};

struct ldx_namespace *ldx_namespace_of_id(long id) {
  struct ldx_namespace *ns = &ldx_self.base;
  while (ns && ns->id != id)
    ns = __atomic_load_n(&ns->next, __ATOMIC_ACQUIRE);
  return ns;
}

static long free_id(void) {
  const struct ldx_namespace *ns = ldx_self.base.next; /* the highest */
  long id = ns ? ns->id + 1 : 1;
  for (; ns; ns = ns->next) {
    long below = ns->next ? ns->next->id : 0;
    if (ns->id - below > 1)
      id = below + 1;
  }
  return id;
}

/* The debugger's list is in order of ids; a reader that knows one namespace only stops at the base one. */
static void publish(struct ldx_namespace *ns) {
  struct ldx_namespace *before = ldx_namespace_of_id(ns->id - 1), **link = &ldx_self.base.next;
  while (*link && (*link)->id > ns->id) /* the youngest first: at exit they go in that order */
    link = &(*link)->next;
  ns->next = *link;
  __atomic_store_n(link, ns, __ATOMIC_RELEASE);
  ldx_debug_link(&ldx_self.r_debug, before ? before->debug : &ldx_self.r_debug, ns->debug);
}

const struct ldx_policy_namespace *ldx_namespace_rule(const char *file) {
  const struct ldx_policy *p = ldx_self.policy;
  for (uint32_t i = 0; p && i < p->namespaces.count; i++)
    if (ldx_policy_match(p->namespaces.at[i].name, file, NULL) ||
        ldx_policy_match(p->namespaces.at[i].name, ldx_last_part(file), NULL))
      return &p->namespaces.at[i];
  return NULL;
}

struct ldx_namespace *ldx_namespace_new(bool isolated) {
  struct space *s = ldx_new(sizeof *s);
  if (!s)
    return NULL;
  s->unique.heap = &ldx_self.heap;
  if (ldx_self.lock.process)
    ldx_rlock_watch(&s->unique.lock, &ldx_self.generation);
  ldx_r_debug_init(&s->debug, &ldx_self.r_debug, ldx_self.r_debug.r_ldbase);
  s->debug.ns = free_id();
  s->ns = (struct ldx_namespace){.id = s->debug.ns, .unique = &s->unique, .debug = &s->debug, .isolated = isolated};
  publish(&s->ns);
  if (ldx_wants(LDX_EV_NAMESPACE_NEW))
    ldx_tell_namespace(LDX_EV_NAMESPACE_NEW, &s->ns);
  return &s->ns;
}

void ldx_namespace_drop_empty(struct ldx_namespace *ns) {
  if (ns == &ldx_self.base || ns->count)
    return;
  struct ldx_namespace **link = &ldx_self.base.next;
  while (*link != ns)
    link = &(*link)->next;
  __atomic_store_n(link, ns->next, __ATOMIC_RELEASE);
  ldx_debug_unlink(&ldx_self.r_debug, ns->debug);
  glibc_sync_namespace(&ldx_self.glibc, ns);
  if (ldx_wants(LDX_EV_NAMESPACE_GONE))
    ldx_tell_namespace(LDX_EV_NAMESPACE_GONE, ns);
  ldx_delete(ns->unique->at);
  ldx_delete(ns->names.at);
  ldx_retire_block(ns->global.list);
  ldx_retire_block((char *)ns - offsetof(struct space, ns));
}

/* The libraries of one libc belong together: they know each other's insides. */
static bool is_libc_group(const struct ldx_object *o) {
  static const char *const names[] = {
      "libc.so.6",      "libpthread.so.0", "libdl.so.2",           "librt.so.1",
      "libutil.so.1",   "libanl.so.1",     "libBrokenLocale.so.1", "libc_malloc_debug.so.0",
      "libresolv.so.2", "libnsl.so.1",     "libthread_db.so.1"};
  for (size_t i = 0; o->soname && i < LDX_COUNT(names); i++)
    if (!strcmp(o->soname, names[i]))
      return ldx_self.glibc.profile != NULL;
  return false;
}

static bool matches(const char *pattern, size_t n, const struct ldx_object *o) {
  return n && (ldx_glob(pattern, n, ldx_last_part(o->map.l_name)) || (o->soname && ldx_glob(pattern, n, o->soname)));
}

/* What the policy says of that namespace, or the user of all: names of files or sonames, as patterns. */
static bool is_named(const struct ldx_namespace *ns, const struct ldx_object *o) {
  for (uint32_t i = 0; ns->rule && i < ns->rule->share.count; i++)
    if (matches(ns->rule->share.at[i].text, strlen(ns->rule->share.at[i].text), o))
      return true;
  for (const char *p = ldx_self.options.share; p && *p; p += ldx_until(p, ":"), p += *p == ':') {
    if (matches(p, ldx_until(p, ":"), o))
      return true;
  }
  return false;
}

static bool is_unique(const struct ldx_object *o) { return o->dyn.gnu_flags_1 & LDX_DF_GNU_1_UNIQUE; }

/* The object that dlmopen names, not one that it needs. */
static bool is_request(const struct ldx_load *l) { return !l->root; }

bool ldx_is_shared(const struct ldx_load *l, const struct ldx_object *o) {
  if (l->ns == &ldx_self.base || o->real)
    return false;
  if (o == ldx_self.support || (is_request(l) && (l->mode & LDX_RTLD_SHARED)))
    return true;
  if (l->ns->isolated || (l->mode & LDX_RTLD_ISOLATE))
    return false;
  return is_unique(o) || is_libc_group(o) || is_named(l->ns, o);
}

bool ldx_check_demotion(struct ldx_load *l, const struct ldx_object *o) {
  bool shared = (l->mode & LDX_RTLD_SHARED) || (l->explicit_ns && is_unique(o));
  if (!is_request(l) || o->real || o->pending || l->ns == &ldx_self.base || (l->mode & LDX_RTLD_ISOLATE) || !shared)
    return true;
  return ldx_fail(l->diag, LDX_DIAG_LOAD, EEXIST, ldx_display_name(o),
                  "existing object cannot be demoted to a proxy");
}

/* Programs read a handle as the link map it is: a proxy tells all that its real object tells. */
static void copy_facts(struct ldx_object *p, struct ldx_object *real) {
  p->real = real;
  p->map.l_addr = real->map.l_addr;
  p->map.l_ld = real->map.l_ld;
  p->soname = real->soname;
  p->dev = real->dev;
  p->ino = real->ino;
  p->phdrs = real->phdrs;
  p->image = real->image;
  p->dyn = real->dyn;
  p->map_start = real->map_start;
  p->map_end = real->map_end;
  p->contiguous = real->contiguous;
  p->entry = real->entry;
  p->tls = real->tls;
  p->tls.descriptors = NULL;
  p->ld_readonly = real->ld_readonly;
  p->relocated = p->init_called = p->fini_called = p->deps_done = true;
}

static struct ldx_object *new_proxy(struct ldx_load *l, struct ldx_object *real, const char *name) {
  struct ldx_object *p = ldx_new_object(real->kind, real->map.l_name);
  bool ok = p && ldx_object_add_name(&ldx_self.heap, p, name);
  if (ok) {
    copy_facts(p, real);
    p->ns = l->ns;
    p->pending = p->dlopened = true;
    ok = ldx_list_add(&ldx_self.heap, &l->fresh, p);
  }
  if (ok && ldx_wants(LDX_EV_MAPPED))
    ldx_tell_mapped(p, name);
  if (ok)
    return p;
  if (p)
    ldx_object_free(&ldx_self.heap, p);
  ldx_fail(l->diag, LDX_DIAG_LOAD, ENOMEM, name, "cannot create shared object descriptor");
  return NULL;
}

static struct ldx_load base_load(const struct ldx_load *l) {
  return (struct ldx_load){
      .ns = &ldx_self.base, .diag = l->diag, .mode = l->mode & (RTLD_LAZY | RTLD_NOW), .lazy = l->lazy};
}

/* A load within a load: it is committed by itself, and taken back when the outer one fails. */
static bool run_in_base(struct ldx_load *l, struct ldx_load *b) {
  if (!ldx_may_change(&ldx_self.base, l->diag))
    return false;
  if (b->fresh.count)
    ldx_debug_load(&ldx_self.base);
  ldx_tell_load_begin(b, false);
  bool ok =
      ldx_run_load(b, ldx_discover_root) && (ldx_list_add(&ldx_self.heap, &l->shared, b->root) ||
                                             ldx_fail(l->diag, LDX_DIAG_LOAD, ENOMEM, "", "cannot allocate memory"));
  if (b->fresh.count)
    ldx_debug_loaded(&ldx_self.base, b->behind, ok);
  ldx_tell_load_end(b, ok);
  return ok;
}

/* What came in as somebody's dependency has no order of constructors of its own yet. */
static bool make_root(struct ldx_load *l, struct ldx_object *real) {
  struct ldx_load b = base_load(l);
  b.root = real;
  return real->searchlist.list || run_in_base(l, &b);
}

static struct ldx_object *share(struct ldx_load *l, struct ldx_object *o, const char *name) {
  return o && ldx_is_shared(l, o) && make_root(l, o) ? new_proxy(l, o, name) : NULL;
}

struct ldx_object *ldx_share_named(struct ldx_load *l, const char *name) {
  struct ldx_load b = base_load(l);
  return l->ns == &ldx_self.base ? NULL : share(l, ldx_find_loaded(&b, name), name);
}

struct ldx_object *ldx_share_file(struct ldx_load *l, const struct stat *st, const char *name) {
  struct ldx_load b = base_load(l);
  return l->ns == &ldx_self.base ? NULL : share(l, ldx_find_file(&b, st), name);
}

struct ldx_object *ldx_share_mapped(struct ldx_load *l, struct ldx_object *o, const char *name) {
  struct ldx_load b = base_load(l);
  b.root = o;
  if (!ldx_enter_load(&b, o, name, NULL)) {
    ldx_load_discard(&b);
    return NULL;
  }
  return run_in_base(l, &b) ? new_proxy(l, o, name) : NULL;
}

bool ldx_root_proxy(struct ldx_load *l) {
  struct ldx_object *p = l->root;
  const struct ldx_scope_list *s = p->real->searchlist.list;
  size_t size = sizeof *s + s->count * sizeof s->at[0];
  p->searchlist.list = ldx_new(size);
  return p->searchlist.list ? memcpy(p->searchlist.list, s, size) != NULL
                            : ldx_fail(l->diag, LDX_DIAG_LOAD, ENOMEM, "", "cannot allocate memory");
}

void ldx_keep_shared(struct ldx_load *l) {
  for (uint32_t i = 0; i < l->fresh.count; i++)
    if (l->fresh.at[i]->real)
      l->fresh.at[i]->real->nodelete = true;
}
