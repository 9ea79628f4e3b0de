/* Auditors: how they come in, and what they are told of objects. What they are told of bindings and calls is in
 * audit_calls.c. */
#include "loader/audit.h"

#include <errno.h>
#include <string.h>

#include "base/print.h"
#include "base/sys.h"
#include "base/text.h"
#include "loader/journal.h"
#include "loader/audit_state.h"
#include "loader/tools.h"
#include "loader/trace.h"
#include "loader/unload.h"

enum { LAV_CURRENT = 2 };
enum { LA_ACT_CONSISTENT, LA_ACT_ADD, LA_ACT_DELETE };

#ifndef DT_AUDIT
#define DT_AUDIT 0x6ffffefc
#define DT_DEPAUDIT 0x6ffffefb
#endif

struct ldx_audit_object *ldx_audit_of(struct ldx_object *o) {
  struct ldx_audit *a = &ldx_self.audit;
  if (o->audit)
    return o->audit;
  struct ldx_audit_object *r = ldx_new(sizeof *r + LDX_MAX_AUDITORS * sizeof r->at[0]);
  if (!r)
    ldx_die_text("%s: cannot allocate memory", ldx_self.program_name);
  for (uint32_t i = 0; i < LDX_MAX_AUDITORS; i++)
    r->at[i].cookie = (uintptr_t)o;
  ldx_rlock_enter(&a->lock);
  if (!o->audit)
    __atomic_store_n(&o->audit, r, __ATOMIC_RELEASE);
  ldx_rlock_leave(&a->lock);
  if (o->audit != r)
    ldx_delete(r);
  return o->audit;
}

void ldx_audit_forget(struct ldx_object *o) {
  if (!o->audit)
    return;
  ldx_delete(o->audit->calls);
  ldx_delete(o->audit);
  o->audit = NULL;
}

/* Libraries of auditors tell those before them that they come, and nothing more. */
static bool is_told(const struct ldx_namespace *ns) { return !ns->of_tool || ldx_self.audit.starting; }

static void tell_opened(struct ldx_object *o) {
  struct ldx_audit_object *r = ldx_audit_of(o);
  r->opened = true;
  ldx_enter_tools();
  if (o->kind == LDX_PROGRAM || o->kind == LDX_LIBRARY)
    ldx_adjust_dynamic(o); /* auditors read the symbol table by it */
  for (uint32_t i = 0; i < ldx_self.audit.count; i++) {
    const struct ldx_auditor *a = &ldx_self.audit.at[i];
    if (a->objopen)
      r->at[i].flags = a->objopen(&o->map, o->ns ? o->ns->id : 0, &r->at[i].cookie);
  }
}

static struct ldx_object *head_of(const struct ldx_namespace *ns, const struct ldx_load *l) {
  if (ns->first_real)
    return ns->first_real;
  return l && l->fresh.count ? l->fresh.at[0] : NULL;
}

static void tell_activity(struct ldx_object *head, unsigned flag) {
  ldx_enter_tools();
  for (uint32_t i = 0; head && i < ldx_self.audit.count; i++)
    if (ldx_self.audit.at[i].activity)
      ldx_self.audit.at[i].activity(&ldx_audit_of(head)->at[i].cookie, flag);
}

void ldx_audit_activity(const struct ldx_namespace *ns, unsigned flag) {
  if (is_told(ns))
    tell_activity(head_of(ns, NULL), flag);
}

/* The kernel's library comes behind what the user has preloaded. */
static void tell_vdso(const struct ldx_load *l) {
  struct ldx_object *o = ldx_self.vdso;
  if (o && l->startup && l->find_mode != LDX_FIND_PRELOAD && !ldx_audit_of(o)->opened)
    tell_opened(o);
}

void ldx_audit_opened(struct ldx_load *l, struct ldx_object *o) {
  if (!is_told(l->ns))
    return;
  tell_vdso(l);
  if (!l->startup && !l->audit_told && !l->ns->of_tool)
    tell_activity(head_of(l->ns, l), LA_ACT_ADD);
  l->audit_told = true;
  tell_opened(o);
}

void ldx_audit_consistent(const struct ldx_load *l) {
  if (is_told(l->ns))
    tell_activity(head_of(l->ns, l), LA_ACT_CONSISTENT);
}

static void tell_closed(struct ldx_object *o) {
  struct ldx_audit_object *r = o->audit;
  if (!r || !r->opened || r->closed)
    return;
  r->closed = true;
  ldx_enter_tools();
  for (uint32_t i = 0; i < ldx_self.audit.count; i++)
    if (ldx_self.audit.at[i].objclose)
      ldx_self.audit.at[i].objclose(&r->at[i].cookie);
}

void ldx_audit_closed(struct ldx_object *o) {
  if (o->ns->of_tool)
    return;
  ldx_rlock_enter(&ldx_self.lock);
  tell_closed(o);
  ldx_rlock_leave(&ldx_self.lock);
}

void ldx_audit_discarded(struct ldx_load *l) {
  if (!l->audit_told || l->ns->of_tool)
    return;
  for (uint32_t i = 0; i < l->fresh.count; i++)
    tell_closed(l->fresh.at[i]);
  tell_activity(head_of(l->ns, l), LA_ACT_DELETE);
  tell_activity(head_of(l->ns, NULL), LA_ACT_CONSISTENT);
}

enum { LA_SER_ORIG = 1 };

/* For --explain: an auditor is one more author. */
static void note_change(const struct ldx_auditor *a, const char *what, const char *from, const char *to) {
  if (to && !strcmp(from, to))
    return;
  ldx_journal_step(&(struct ldx_step){.kind = to ? LDX_STEP_REWRITE : LDX_STEP_DENY,
                                      .what = what,
                                      .from = from,
                                      .to = to,
                                      .author = a->object->map.l_name,
                                      .why = "la_objsearch",
                                      .error = to ? 0 : ENOENT});
}

static const char *search(const struct ldx_object *loader, const char *name, unsigned flag) {
  if (!flag || !loader || (loader->ns->of_tool && !ldx_self.audit.starting))
    return name;
  struct ldx_audit_object *r = ldx_audit_of((struct ldx_object *)loader);
  ldx_enter_tools();
  for (uint32_t i = 0; name && i < ldx_self.audit.count; i++) {
    const struct ldx_auditor *a = &ldx_self.audit.at[i];
    const char *meant = a->objsearch ? a->objsearch(name, &r->at[i].cookie, flag) : name;
    if (meant != name && ldx_self.journal.on)
      note_change(a, flag == LA_SER_ORIG ? "name" : "path", name, meant);
    name = meant;
  }
  return name;
}

const char *ldx_audit_name(struct ldx_load *l, const char *name, const struct ldx_object *loader) {
  tell_vdso(l);
  const char *meant = search(loader, name, LA_SER_ORIG);
  if (!meant) {
    ldx_fail(l->diag, LDX_DIAG_LOAD, ENOENT, name, "cannot open shared object file");
    return NULL;
  }
  if (meant == name || !strcmp(meant, name))
    return name;
  meant = ldx_strdup(&ldx_self.heap, meant); /* it may be a buffer that the next call fills */
  if (!meant)
    ldx_fail(l->diag, LDX_DIAG_LOAD, ENOMEM, name, "cannot allocate memory");
  return meant;
}

static void tell_preinit(struct ldx_object *program) {
  for (uint32_t i = 0; i < ldx_self.audit.count; i++)
    if (ldx_self.audit.at[i].preinit)
      ldx_self.audit.at[i].preinit(&ldx_audit_of(program)->at[i].cookie);
}

typedef int main_function(int argc, char **argv, char **envp);
typedef int start_function(main_function *main, int argc, char **argv, void (*init)(void), void (*fini)(void),
                           void (*end)(void), void *stack);

static int enter_main(int argc, char **argv, char **envp) {
  tell_preinit(ldx_self.base.program);
  return ((main_function *)ldx_self.audit.main)(argc, argv, envp);
}

static int start_main(main_function *main, int argc, char **argv, void (*init)(void), void (*fini)(void),
                      void (*end)(void), void *stack) {
  ldx_self.audit.main = (uintptr_t)main;
  return ((start_function *)ldx_self.audit.start_main)(enter_main, argc, argv, init, fini, end, stack);
}

uintptr_t ldx_audit_start_main(const struct ldx_object *libc, uintptr_t function) {
  if (libc->ns != &ldx_self.base)
    return 0;
  ldx_self.audit.start_main = function;
  return (uintptr_t)start_main;
}

/* The auditor's function of that name: its own, or of a library it brought along. */
static uintptr_t function(struct ldx_object *o, const char *name) {
  struct ldx_scope_slot *scope[] = {&o->searchlist, NULL};
  struct ldx_sym_request r = {.name = elf_name(name), .from = o, .flags = LDX_SYM_NEWEST};
  return ldx_find_symbol(scope, &r) ? ldx_symbol_address(r.object, r.sym) : 0;
}

static void add(struct ldx_object *o) {
  struct ldx_audit *a = &ldx_self.audit;
  struct ldx_auditor *n = &a->at[a->count];
  n->object = o;
#define FIND(member, name) n->member = (__typeof__(n->member))function(o, name)
  FIND(activity, "la_activity");
  FIND(objsearch, "la_objsearch");
  FIND(objopen, "la_objopen");
  FIND(preinit, "la_preinit");
  FIND(symbind, "la_symbind64");
  FIND(pltenter, "la_x86_64_gnu_pltenter");
  FIND(pltexit, "la_x86_64_gnu_pltexit");
  FIND(objclose, "la_objclose");
#undef FIND
  if (n->pltenter) {
    a->stub = ldx_audit_choose_stub();
    a->entering |= 1u << a->count;
  }
  if (n->pltexit)
    a->leaving |= 1u << a->count;
  a->symbinds |= n->symbind != NULL;
  if (n->objsearch)
    ldx_self.search.audit = search;
  a->count++;
  __atomic_add_fetch(&ldx_self.hooks.registered, 1, __ATOMIC_RELEASE); /* there is one more libc to get ready */
}

static void refuse(const char *name, struct ldx_diag *d) {
  ldx_print(2, "ERROR: ld.so: object '%s' cannot be loaded as audit interface: %s; ignored.\n", name,
            d->text ? d->text : "out of memory");
  ldx_diag_clear(d);
}

static void unload(struct ldx_object *o) {
  struct ldx_diag d = {.heap = &ldx_self.heap};
  ldx_rlock_enter(&ldx_self.lock);
  ldx_close_object(o, &d);
  ldx_rlock_leave(&ldx_self.lock);
  ldx_diag_clear(&d);
}

/* The file that is meant. Names are looked up as if the program asked; what a privileged program's user names must
 * lie in trusted folders, and be marked for it. */
static char *find_auditor(const char *name, bool by_user, struct ldx_diag *d) {
  const struct ldx_find_request r = {.name = name,
                                     .loader = strchr(name, '$') ? ldx_self.base.program : NULL,
                                     .program = ldx_self.base.program,
                                     .mode =
                                         by_user && ldx_self.args.auxv.secure ? LDX_FIND_PRELOAD : LDX_FIND_AUDIT};
  struct ldx_library_file f;
  if (ldx_find(&ldx_self.search, &r, &f, d) != LDX_FOUND)
    return NULL;
  io_close(&ldx_self.io, f.fd);
  return f.path;
}

/* False: it is not to be used. */
static bool introduce(struct ldx_object *o, const char *name, struct ldx_diag *d) {
  unsigned (*version)(unsigned) = (unsigned (*)(unsigned))function(o, "la_version");
  if (!version) {
    ldx_fail(d, LDX_DIAG_SYMBOL, 0, name, "undefined symbol: la_version");
    refuse(name, d);
    return false;
  }
  unsigned v = version(LAV_CURRENT);
  if (!v && ldx_tracing(LDX_DEBUG_FILES))
    ldx_debug("\nfile=%s [%ld]; audit interface function la_version returned zero; ignored.\n", o->map.l_name,
              o->ns->id);
  if (v > LAV_CURRENT)
    ldx_debug("ERROR: audit interface '%s' requires version %u (maximum supported version %u); ignored.", name, v,
              LAV_CURRENT);
  return v && v <= LAV_CURRENT;
}

static void start_one(const char *name, bool by_user) {
  struct ldx_diag d = {.heap = &ldx_self.heap};
  if (by_user && ldx_self.args.auxv.secure && strchr(name, '/'))
    return;
  if (ldx_self.audit.count == LDX_MAX_AUDITORS) {
    ldx_fail(&d, LDX_DIAG_LOAD, 0, name, "there are %d already", LDX_MAX_AUDITORS);
    refuse(name, &d);
    return;
  }
  char *path = find_auditor(name, by_user, &d);
  struct ldx_object *o = path ? ldx_open_isolated(path, &d) : NULL;
  ldx_delete(path);
  if (!o)
    refuse(name, &d);
  else if (introduce(o, name, &d))
    add(o);
  else
    unload(o);
}

static void start_list(const char *list, bool by_user) {
  while (list && *list) {
    size_t n = ldx_until(list, ":");
    char *name = n ? ldx_strndup(&ldx_self.heap, list, n) : NULL;
    if (name)
      start_one(name, by_user);
    ldx_delete(name);
    list += n + (list[n] == ':');
  }
}

/* The last entry of a kind counts. */
static const char *named_by(const struct ldx_object *program, int64_t tag) {
  const char *text = NULL;
  for (uint32_t i = 0; i < program->dyn.count; i++)
    if (program->dyn.table[i].d_tag == tag)
      text = elf_string(&program->dyn, program->dyn.table[i].d_un.d_val);
  return text;
}

bool ldx_audit_wanted(const struct ldx_object *program) {
  const struct ldx_options *o = &ldx_self.options;
  if (ldx_self.musl.active) /* whose loader has no such interface */
    return false;
  return (o->audit_env && *o->audit_env) || (o->audit_option && *o->audit_option) || named_by(program, DT_AUDIT) ||
         named_by(program, DT_DEPAUDIT);
}

void ldx_audit_start(struct ldx_load *l) {
  if (!ldx_audit_wanted(l->root))
    return;
  ldx_self.audit.at = ldx_new(LDX_MAX_AUDITORS * sizeof *ldx_self.audit.at);
  if (!ldx_self.audit.at)
    ldx_die_text("%s: cannot allocate memory", ldx_self.program_name);
  ldx_self.audit.starting = true;
  start_list(ldx_self.options.audit_env, true);
  start_list(ldx_self.options.audit_option, true);
  start_list(named_by(l->root, DT_AUDIT), false);
  start_list(named_by(l->root, DT_DEPAUDIT), false);
  ldx_self.audit.starting = false;
}

/* What is there already. */
void ldx_audit_begin(struct ldx_load *l) {
  tell_opened(l->root);
  if (l->spare)
    tell_opened(l->spare);
  tell_activity(l->root, LA_ACT_ADD);
}
