/* dlopen, dlclose, dlsym and their kin (POSIX; dlopen(3)). */
#include "loader/dl.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>

#include "base/sys.h"
#include "loader/audit.h"
#include "loader/error.h"
#include "loader/jit_object.h"
#include "loader/namespaces.h"
#include "loader/reload.h"
#include "loader/steer_bind.h"
#include "loader/tell_memory.h"
#include "loader/tools.h"
#include "loader/tell_library.h"
#include "loader/trace.h"
#include "loader/unload.h"

#ifndef RTLD_DEEPBIND
#define RTLD_DEEPBIND 8
#endif

#ifndef LM_ID_BASE
enum { LM_ID_BASE = 0, LM_ID_NEWLM = -1 };
#endif
enum { CALLERS_OWN = -2 }; /* namespace of the code that calls: glibc's __LM_ID_CALLER */

/* Bits libc adds to the mode in calls of its own: __RTLD_DLOPEN, __RTLD_SPROF, __RTLD_CALLMAP... */
enum { GUEST_MODES = (int)0xf8000000 };
enum {
  KNOWN_MODES = RTLD_LAZY | RTLD_NOW | RTLD_NOLOAD | RTLD_DEEPBIND | RTLD_GLOBAL | RTLD_NODELETE | LDX_RTLD_SHARED |
                LDX_RTLD_ISOLATE | LDX_RTLD_RELOADABLE
};

/* The object whose code made a call; the program when it is no object's. For the time of a reader. */
static struct ldx_object *object_of(const void *caller) {
  struct ldx_object *o = ldx_object_at((uintptr_t)caller);
  return o && o->kind != LDX_LOADER ? o : ldx_self.base.program;
}

/* It cannot go while its code runs. */
struct ldx_object *ldx_caller(const void *caller) {
  struct ldx_reader reader = ldx_reader_enter();
  struct ldx_object *o = object_of(caller);
  ldx_reader_leave(reader);
  return o;
}

/* What is to be loaded where, and for whom. */
struct request {
  const char *name;
  int mode;
  struct ldx_object *caller;
  struct ldx_namespace *ns; /* NULL: that of the number */
  long id;
  bool of_tool;       /* the file is a tool, to live with the program */
  const char *folder; /* of a reloadable object's copy; NULL: none is named */
};

/* What is in use as it is stays so. */
static bool is_as_wanted(const struct request *r, struct ldx_object *o, struct ldx_diag *d) {
  if (!(r->mode & LDX_RTLD_RELOADABLE) || ldx_real(o)->copy)
    return true;
  return ldx_fail(d, LDX_DIAG_LOAD, EEXIST, ldx_display_name(o), "existing object cannot become reloadable");
}

/* *fresh tells whether the object was not a root before. NULL without an error: RTLD_NOLOAD, and not loaded. */
static struct ldx_object *run(struct ldx_load *l, const struct request *r, bool *fresh) {
  l->of_tool = r->of_tool;
  l->root = ldx_load_object(l, r->name, r->caller, r->mode);
  l->of_tool = false;
  if (l->root && !is_as_wanted(r, l->root, l->diag))
    l->root = NULL;
  if (!l->root) {
    ldx_load_discard(l);
    return NULL;
  }
  *fresh = l->root->pending || !l->root->searchlist.list;
  if (!*fresh)
    return l->root;
  if (l->root->pending) {
    l->root->loader = NULL; /* a root inherits no RPATH */
    l->root->nodelete |= (r->mode & RTLD_NODELETE) != 0;
  }
  if (l->fresh.count) /* else nothing comes that debuggers don't know */
    ldx_debug_load(r->ns);
  bool ok = ldx_run_load(l, ldx_discover_root);
  if (l->fresh.count)
    ldx_debug_loaded(r->ns, l->behind, ok);
  if (ok && ldx_audited() && !l->audit_told)
    ldx_audit_consistent(l);
  return ok ? l->root : NULL;
}

static struct ldx_object *find_or_load(const struct request *r, struct ldx_diag *d, bool *fresh) {
  struct ldx_load l = {.ns = r->ns, .diag = d, .mode = r->mode, .explicit_ns = r->id != CALLERS_OWN};
  l.folder = r->folder;
  l.lazy = (r->mode & RTLD_LAZY) && !ldx_self.options.bind_now; /* both: LAZY wins, as in the system loader */
  if (ldx_self.told_load && !ldx_may_change(r->ns, d))
    return NULL;
  ldx_tell_load_begin(&l, false);
  struct ldx_object *o = run(&l, r, fresh);
  ldx_tell_load_end(&l, o || !ldx_failed(d));
  return o;
}

static bool valid_mode(int mode, const char *name, struct ldx_diag *d) {
  const int sharing = LDX_RTLD_SHARED | LDX_RTLD_ISOLATE;
  if ((mode & ~(KNOWN_MODES | GUEST_MODES)) || (mode & sharing) == sharing)
    return ldx_fail(d, LDX_DIAG_LOAD, 0, "", "invalid mode parameter");
  if ((mode & LDX_RTLD_RELOADABLE) && !(name && *name))
    return ldx_fail(d, LDX_DIAG_LOAD, EINVAL, "", "invalid mode for dlopen()");
  return (mode & (RTLD_LAZY | RTLD_NOW)) ||
         ldx_fail(d, LDX_DIAG_LOAD, EINVAL, name ? name : "", "invalid mode for dlopen()");
}

static void trace_opened(const struct ldx_object *o) {
  if (ldx_tracing(LDX_DEBUG_FILES))
    ldx_debug("opening file=%s [%ld]; direct_opencount=%u\n", o->map.l_name, o->ns->id, o->opens);
}

/* From here on the object is open: it stays while its constructors run. */
static void count_open(struct ldx_object *o, int mode, bool fresh) {
  o->opens++;
  if (!fresh)
    trace_opened(o);
  if (!fresh && (mode & RTLD_NODELETE) && !o->nodelete && ldx_tracing(LDX_DEBUG_FILES))
    ldx_debug("marking %s [%ld] as NODELETE", ldx_display_name(o), o->ns->id);
  if (mode & RTLD_NODELETE)
    o->nodelete = true;
}

/* An object becomes global when its constructors have run. */
bool ldx_make_global(struct ldx_object *o, struct ldx_diag *d) {
  struct ldx_load l = {.ns = o->ns, .diag = d, .root = o};
  struct ldx_diag ignored = {.heap = &ldx_self.heap};
  ldx_rlock_enter(&ldx_self.lock);
  bool ok = o->global || ldx_add_global(&l) || (ldx_close_object(o, &ignored), false);
  ldx_rlock_leave(&ldx_self.lock);
  if (ok && ldx_wants(LDX_EV_SYMBOLS))
    ldx_tell_object(LDX_EV_SYMBOLS, o);
  return ok;
}

static void obey(struct request *r, const struct ldx_policy_namespace *rule) {
  if (rule->isolate == LDX_SWITCH_ON)
    r->mode = (r->mode & ~LDX_RTLD_SHARED) | LDX_RTLD_ISOLATE;
  if (rule->isolate == LDX_SWITCH_OFF)
    r->mode &= ~LDX_RTLD_ISOLATE;
  if (rule->global == LDX_SWITCH_ON)
    r->mode |= RTLD_GLOBAL;
}

/* The namespace of a number, which may ask for a new one. */
static struct ldx_namespace *target(struct request *r, struct ldx_diag *d) {
  bool fresh = r->id == LM_ID_NEWLM;
  const struct ldx_policy_namespace *rule = fresh && r->caller ? ldx_namespace_rule(r->name) : NULL;
  if (rule)
    obey(r, rule);
  struct ldx_namespace *ns = fresh ? ldx_namespace_new(r->mode & LDX_RTLD_ISOLATE) : ldx_namespace_of_id(r->id);
  if (!ns)
    ldx_fail(d, LDX_DIAG_LOAD, fresh ? ENOMEM : EINVAL, r->name,
             fresh ? "cannot create a namespace" : "invalid target namespace in dlmopen()");
  else if (fresh)
    ns->rule = rule;
  return ns;
}

static struct ldx_object *open_locked(struct request *r, struct ldx_diag *d, bool *fresh) {
  if (!r->ns && !(r->ns = target(r, d)))
    return NULL;
  struct ldx_object *o = find_or_load(r, d, fresh);
  if (o)
    count_open(o, r->mode, *fresh);
  if (o && (r->mode & LDX_RTLD_RELOADABLE))
    ldx_settle_copy(ldx_real(o)->copy);
  ldx_namespace_drop_empty(r->ns);
  ldx_close_flush(&ldx_self.closing);
  ldx_search_settle(&ldx_self.search);
  ldx_reclaim();
  return o;
}

static struct ldx_object *open_named(struct request *r, struct ldx_diag *d) {
  bool fresh = false;
  ldx_rlock_enter(&ldx_self.lock);
  struct ldx_object *o = open_locked(r, d, &fresh);
  ldx_rlock_leave(&ldx_self.lock);
  if (!o)
    return NULL;
  ldx_run_constructors(o, fresh);
  if ((r->mode & RTLD_GLOBAL) && !ldx_make_global(o, d))
    return NULL;
  if (fresh)
    trace_opened(o);
  return o;
}

struct ldx_object *ldx_open_isolated(const char *name, struct ldx_diag *d) {
  struct request r = {.name = name, .mode = RTLD_NOW | LDX_RTLD_ISOLATE, .id = LM_ID_NEWLM};
  ldx_rlock_enter(&ldx_self.lock);
  r.ns = target(&r, d);
  if (r.ns)
    r.ns->of_tool = true;
  ldx_rlock_leave(&ldx_self.lock);
  return r.ns ? open_named(&r, d) : NULL;
}

struct ldx_object *ldx_open_in_program(const char *name, struct ldx_diag *d) {
  struct request r = {.name = name, .mode = RTLD_NOW | RTLD_GLOBAL, .ns = &ldx_self.base, .of_tool = true};
  struct ldx_object *o = open_named(&r, d);
  if (o)
    o->of_tool = true;
  return o;
}

static struct ldx_object *open_and_tell(struct request *r, const void *caller, struct ldx_diag *d) {
  if (ldx_wants(LDX_EV_DLOPEN))
    ldx_tell_dlopen(r->name, r->mode, caller, r->caller);
  if (r->mode & LDX_RTLD_RELOADABLE)
    ldx_watch_memory();
  struct ldx_object *o = open_named(r, d);
  if (ldx_wants(LDX_EV_DLOPENED))
    ldx_tell_dlopened(r->name, r->mode, r->caller, o, d);
  return o;
}

static struct ldx_object *open_first(struct ldx_namespace *ns) {
  ldx_rlock_enter(&ldx_self.lock);
  struct ldx_object *o = ns->program ? ns->program : ns->first_real ? ns->first_real : ns->first;
  o->opens++;
  trace_opened(o);
  ldx_rlock_leave(&ldx_self.lock);
  return o;
}

struct ldx_object *ldx_open(const char *name, int mode, const void *caller, struct ldx_diag *d) {
  return ldx_open_with_copy(name, mode, NULL, caller, d);
}

struct ldx_object *ldx_open_with_copy(const char *name, int mode, const char *folder, const void *caller,
                                      struct ldx_diag *d) {
  if (!valid_mode(mode, name, d))
    return NULL;
  struct request r = {.name = name, .mode = mode, .caller = ldx_caller(caller), .id = CALLERS_OWN, .folder = folder};
  r.ns = r.caller && r.caller->ns ? r.caller->ns : &ldx_self.base;
  return name && *name ? open_and_tell(&r, caller, d) : open_first(r.ns);
}

/* dlmopen passes over mode bits that it does not know, as the system loader's does. */
static struct ldx_object *open_in(long id, const char *name, int mode, const void *caller, struct ldx_diag *d) {
  mode &= KNOWN_MODES | GUEST_MODES;
  if (id == CALLERS_OWN)
    return ldx_open(name, mode, caller, d);
  if (!valid_mode(mode, name, d))
    return NULL;
  struct request r = {.name = name, .mode = mode, .caller = ldx_caller(caller), .id = id};
  if (name && *name)
    return open_and_tell(&r, caller, d);
  if (id == LM_ID_BASE)
    return open_first(&ldx_self.base);
  ldx_fail(d, LDX_DIAG_LOAD, EINVAL, "", "invalid namespace");
  return NULL;
}

void *ldx_dlopen_for(const char *name, int mode, const void *unused, const void *caller) {
  (void)unused;
  ldx_clear_error();
  struct ldx_diag d = {.heap = &ldx_self.heap};
  struct ldx_object *o = ldx_open(name, mode, caller, &d);
  if (!o && ldx_failed(&d))
    ldx_set_error(&d);
  return o;
}

void *ldx_dlopen(const char *name, int mode) { return ldx_dlopen_for(name, mode, NULL, __builtin_return_address(0)); }

void *ldx_dlmopen(long lmid, const char *name, int mode) {
  return ldx_dlmopen_for(lmid, name, mode, __builtin_return_address(0));
}

void *ldx_dlmopen_for(long lmid, const char *name, int mode, const void *caller) {
  ldx_clear_error();
  struct ldx_diag d = {.heap = &ldx_self.heap};
  struct ldx_object *o = open_in(lmid, name, mode, caller, &d);
  if (!o && ldx_failed(&d))
    ldx_set_error(&d);
  return o;
}

static bool close_locked(void *handle, struct ldx_diag *d) {
  ldx_rlock_enter(&ldx_self.lock);
  if (ldx_wants(LDX_EV_DLCLOSE) && ldx_is_open(handle))
    ldx_tell_object(LDX_EV_DLCLOSE, handle);
  bool ok = ldx_close_object(handle, d);
  ldx_rlock_leave(&ldx_self.lock);
  return ok;
}

int ldx_dlclose(void *handle) {
  ldx_clear_error();
  struct ldx_diag d = {.heap = &ldx_self.heap};
  bool ok = close_locked(handle, &d);
  if (!ok)
    ldx_set_error(&d);
  return ok ? 0 : -1;
}

char *ldx_dlerror(void) { return ldx_take_error(); }

/* libc's own dlopen: errors are thrown. */
void *ldx_guest_open(const char *name, int mode, const void *caller, long ns, int argc, char **argv, char **env) {
  (void)argc, (void)argv, (void)env;
  struct ldx_diag d = {.heap = &ldx_self.heap};
  struct ldx_object *o = open_in(ns, name, mode, caller, &d);
  if (!o && ldx_failed(&d))
    ldx_signal_diag(&d);
  return o;
}

void ldx_guest_close(void *handle) {
  struct ldx_diag d = {.heap = &ldx_self.heap};
  if (!close_locked(handle, &d))
    ldx_signal_diag(&d);
}

/* What a symbol is worth to its user: address, thread's address of a TLS symbol, or a resolver's choice. */
static void *value_of(struct ldx_object *o, const Elf64_Sym *s) {
  unsigned type = ELF64_ST_TYPE(s->st_info);
  if (type == STT_TLS) {
    char *base = ldx_tls_address(&ldx_self.tls, o->tls.modid);
    return base ? base + s->st_value : NULL;
  }
  uintptr_t override = o->overridden ? ldx_override(o, s) : 0;
  if (ldx_self.watches.binds && !override)
    override = ldx_memory_wrapper(NULL, o, s, ldx_symbol_address(o, s));
  if (override)
    return (void *) override;
  uintptr_t at = ldx_symbol_address(o, s);
  if (type == STT_GNU_IFUNC && s->st_shndx != SHN_UNDEF)
    at = ldx_resolve(o, at);
  return (void *)at;
}

static struct ldx_object *outermost_loader(struct ldx_object *o) {
  while (o->loader)
    o = o->loader;
  return o;
}

/* Without a version the default one is meant. */
static uint32_t lookup_flags(const void *version, const struct ldx_object *asker) {
  return (version ? 0u : LDX_SYM_NEWEST) | ldx_asker_flags(asker);
}

/* The scope a handle stands for, and where in it to start. */
static bool scope_of(void *handle, const void *caller, struct ldx_object *from, struct ldx_scope_slot ***scope,
                     struct ldx_scope_slot **local, struct ldx_sym_request *r, struct ldx_diag *d) {
  if (handle == RTLD_DEFAULT) {
    *scope = from->scope;
    return true;
  }
  *scope = local;
  if (handle != RTLD_NEXT) {
    local[0] = &((struct ldx_object *)handle)->searchlist;
    r->from = handle;
    return true;
  }
  struct ldx_object *top = outermost_loader(from);
  if (from->kind == LDX_PROGRAM && ldx_object_at((uintptr_t)caller) != from)
    return ldx_fail(d, LDX_DIAG_LOAD, 0, from->map.l_name, "RTLD_NEXT used in code not dynamically loaded");
  local[0] = &top->searchlist;
  r->skip = from;
  return true;
}

/* RTLD_DEFAULT and the program's handle also reach what ldx itself offers. */
static void *find_own(void *handle, const char *name) {
  bool everywhere = handle == RTLD_DEFAULT || handle == ldx_self.base.program;
  return everywhere ? (void *)ldx_own_function(name) : NULL;
}

static bool look_up(void *handle, struct ldx_scope_slot *const *scope, struct ldx_object *from,
                    struct ldx_sym_request *r) {
  do {
    if (!ldx_find_symbol(scope, r))
      return false;
  } while (handle == RTLD_DEFAULT &&
           !ldx_add_dependency(from, r->object)); /* else it is being taken out: once more */
  return true;
}

static void *find(void *handle, const char *name, const char *version, const void *caller, struct ldx_diag *d) {
  struct ldx_reader reader = ldx_reader_enter();
  struct ldx_object *from = object_of(caller);
  struct ldx_version v = {.name = version, .hash = version ? elf_sysv_hash(version) : 0, .hidden = true};
  struct ldx_sym_request r = {.name = elf_name(name),
                              .version = version ? &v : NULL,
                              .from = from,
                              .flags = lookup_flags(version, from),
                              .tried = ldx_symbol_trace()};
  struct ldx_scope_slot **scope, *local[2] = {0};
  void *value = NULL;
  if (scope_of(handle, caller, from, &scope, local, &r, d)) {
    if (look_up(handle, scope, from, &r)) {
      value = value_of(r.object, r.sym);
      ldx_trace_binding(&r, false);
      if (value && (ldx_steers_binds() || ldx_chooses_variants()))
        value = (void *)ldx_steer_symbol(from, &r, (uintptr_t)value);
      if (ldx_audited())
        value = (void *)ldx_audit_symbol(from, &r, (uintptr_t)value);
    } else if (!(value = find_own(handle, name))) {
      ldx_symbol_not_found(r.from, &r, d);
      ldx_trace_error(d, "symbol lookup", false);
    }
    if (ldx_wants(LDX_EV_DLSYM))
      ldx_tell_dlsym(from, &r, value);
  }
  ldx_reader_leave(reader);
  return value;
}

void *ldx_dlsym_for(void *handle, const char *name, const char *version, const void *caller) {
  ldx_clear_error();
  struct ldx_diag d = {.heap = &ldx_self.heap};
  void *v = find(handle, name, version, caller, &d);
  if (ldx_failed(&d))
    ldx_set_error(&d);
  return v;
}

void *ldx_dlsym_from(void *handle, const char *name, const void *caller, struct ldx_diag *d) {
  return find(handle, name, NULL, caller, d);
}

void *ldx_dlsym(void *handle, const char *name) {
  return ldx_dlsym_for(handle, name, NULL, __builtin_return_address(0));
}

void *ldx_dlvsym(void *handle, const char *name, const char *version) {
  return ldx_dlsym_for(handle, name, version, __builtin_return_address(0));
}

/* _dl_lookup_symbol_x as libc's own calls use it: the definer, and *ref replaced by the definition. */
struct ldx_object *ldx_guest_lookup(const char *name, struct ldx_object *from, const Elf64_Sym **ref,
                                    struct ldx_scope_slot **scope, const struct ldx_guest_version *version,
                                    int type_class, int flags, struct ldx_object *skip) {
  (void)scope, (void)type_class, (void)flags, (void)skip;
  const struct ldx_version v =
      version ? (struct ldx_version){version->name, version->hash, version->hidden, NULL} : (struct ldx_version){0};
  struct ldx_sym_request r = {.name = elf_name(name),
                              .version = version ? &v : NULL,
                              .from = from,
                              .flags = lookup_flags(version, from),
                              .tried = ldx_symbol_trace()};
  struct ldx_scope_slot *local[2] = {from->searchlist.list ? &from->searchlist : &from->self, NULL};
  struct ldx_reader reader = ldx_reader_enter();
  bool found = ldx_find_symbol(local, &r);
  ldx_reader_leave(reader);
  if (ldx_wants(LDX_EV_DLSYM))
    ldx_tell_dlsym(from, &r, found ? (void *)ldx_symbol_address(r.object, r.sym) : NULL);
  if (found) {
    *ref = r.sym;
    ldx_trace_binding(&r, false);
    return r.object;
  }
  bool weak = *ref && ELF64_ST_BIND((*ref)->st_info) == STB_WEAK;
  *ref = NULL;
  if (!weak) {
    struct ldx_diag d = {.heap = &ldx_self.heap};
    ldx_symbol_not_found(from, &r, &d);
    ldx_trace_error(&d, "symbol lookup", false);
    ldx_signal_diag(&d);
  }
  return NULL;
}

/* What the slot of a relocation is to hold when nobody has another wish. */
static uintptr_t defined_value(struct ldx_object *o, const Elf64_Rela *rel, struct ldx_binding *b) {
  struct ldx_diag d = {.heap = &ldx_self.heap};
  if (!ldx_bind(o, ELF64_R_SYM(rel->r_info), LDX_SYM_PLT, &d, b))
    ldx_die(&d);
  uintptr_t value = ldx_binding_address(b);
  if (b->sym && !b->override && ELF64_ST_TYPE(b->sym->st_info) == STT_GNU_IFUNC)
    value = ldx_resolve(b->object, value);
  return value;
}

static bool is_chosen_by_tools(void) { return ldx_steers_binds() || ldx_chooses_variants(); }

uintptr_t ldx_lazy_value(struct ldx_object *o, const Elf64_Rela *rel, struct ldx_binding *b) {
  uintptr_t value = defined_value(o, rel, b);
  return is_chosen_by_tools() ? ldx_steer_lazily(o, rel, b, value) : value;
}

static uintptr_t *slot_of(const struct ldx_object *o, const Elf64_Rela *rel) {
  return (uintptr_t *)(o->map.l_addr + rel->r_offset);
}

/* The slot is to hold what an object made at run time defines. */
static bool is_made(const struct ldx_binding *b, uintptr_t value) {
  if (!ldx_self.jits || !b->sym || !b->object->made || b->override)
    return false;
  return value == ldx_binding_address(b) ||
         (ELF64_ST_TYPE(b->sym->st_info) == STT_GNU_IFUNC && !is_chosen_by_tools() && !ldx_audited());
}

/* The definition may have changed since it was found: it is looked for once more where no change can come in between.
 * Without memory to note the slot it stays as it is, and the next call comes here again; also where a signal's
 * handler has interrupted a change. */
static __attribute__((noinline)) uintptr_t bind_to_made(struct ldx_object *o, const Elf64_Rela *rel,
                                                        uintptr_t found) {
  struct ldx_binding b;
  if (ldx_rlock_mine(&ldx_self.lock))
    return found;
  ldx_rlock_enter(&ldx_self.lock);
  uintptr_t value = defined_value(o, rel, &b);
  bool done = *slot_of(o, rel) == value; /* by another thread */
  if (!done && (!b.sym || !b.object->made || ldx_jit_note(o, rel, &b, value)))
    __atomic_store_n(slot_of(o, rel), value, __ATOMIC_RELEASE);
  ldx_rlock_leave(&ldx_self.lock);
  return value;
}

/* The lazy-binding stub comes here. */
uintptr_t ldx_bind_lazy(struct ldx_object *o, uint64_t index) {
  const struct elf_relas *t = &o->dyn.jmprel;
  if (index >= t->count)
    ldx_die_text("%s: %s: invalid index of a lazily bound function", ldx_self.program_name, ldx_display_name(o));
  const Elf64_Rela *rel = &t->at[index];
  struct ldx_binding b;
  struct ldx_reader reader = ldx_reader_enter();
  uintptr_t value = ldx_lazy_value(o, rel, &b);
  if (ldx_audited())
    value = ldx_audit_bound_lazily(o, &b, value);
  bool made = !ldx_self.options.bind_not && is_made(&b, value);
  if (made)
    value = bind_to_made(o, rel, value);
  if (!made && !ldx_self.options.bind_not && __atomic_exchange_n(slot_of(o, rel), value, __ATOMIC_ACQ_REL) == value)
    ; /* another thread was at it */
  else if (ldx_wants(LDX_EV_BIND) || ldx_wants(LDX_EV_IFUNC))
    ldx_tell_bound_lazily(o, rel, &b, value);
  ldx_reader_leave(reader);
  return value;
}
