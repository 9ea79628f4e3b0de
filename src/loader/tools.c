#include "loader/tools.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "loader/audit.h"
#include "loader/dl.h"
#include "loader/guard.h"
#include "loader/musl.h"
#include "loader/options.h"
#include "loader/steer.h"
#include "loader/tell.h"
#include "loader/unload.h"
#include "namespace/names.h"

/* "PATH,ARG,ARG": one block, whose pieces end with a zero. */
static struct ldx_tool_wish *read_wish(const char *text, size_t n) {
  struct ldx_tool_wish *w = ldx_new(sizeof *w);
  char *path = ldx_strndup(&ldx_self.heap, text, n);
  if (!w || !path)
    return NULL;
  w->path = path;
  for (char *p = strchr(path, ','); p && w->argc < LDX_TOOL_ARGS; p = strchr(p, ',')) {
    *p++ = '\0';
    w->argv[w->argc++] = p;
  }
  return w;
}

static struct ldx_tool_wish *policys_wish(const struct ldx_policy_tool *p) {
  struct ldx_tool_wish *w = ldx_new(sizeof *w);
  if (!w)
    return NULL;
  w->path = p->path;
  w->policy = p;
  for (uint32_t i = 0; i < p->args.count && w->argc < LDX_TOOL_ARGS; i++)
    w->argv[w->argc++] = p->args.at[i].text;
  return w;
}

/* The program may name ldx as its loader, and still be started by `ldx PROGRAM`. */
static const char *interp_of_libc(void) {
  struct stat named, own;
  bool is_ldx = !ldx_sys_failed(sys_stat(ldx_self.guest_interp, &named)) &&
                !ldx_sys_failed(sys_stat("/proc/self/exe", &own)) && named.st_dev == own.st_dev &&
                named.st_ino == own.st_ino;
  return is_ldx ? LDX_DEFAULT_INTERP : ldx_self.guest_interp;
}

/* The guest's loader by itself. It takes its place among the program's objects when one of them asks for it. */
void ldx_prepare_early(struct ldx_load *program) {
  struct ldx_load l = {.ns = program->ns, .diag = program->diag, .mode = RTLD_NOW, .early = true};
  if (ldx_self.prepared)
    return;
  if (ldx_self.musl.active)
    ldx_die_text("%s: a program of musl has no room for tools of another namespace; try --tool-in-app",
                 ldx_self.program_name);
  ldx_self.guest_interp = interp_of_libc();
  l.root = ldx_load_object(&l, ldx_self.guest_interp, NULL, 0);
  if (!l.root || !ldx_run_load(&l, ldx_discover_root))
    ldx_die(program->diag);
  program->spare = l.root;
  ldx_self.prepared = true;
  ldx_self.entering = true;
}

/* Back to where it was before it was loaded, but mapped and relocated. */
static void set_aside(struct ldx_load *program) {
  struct ldx_object *o = program->spare;
  if (!o)
    return;
  ldx_names_remove(o->ns, &ldx_self.heap, o);
  ldx_namespace_unlink(o->ns, o);
  o->removed = true;
  if (!ldx_index_rebuild(NULL, 0))
    ldx_die_text("%s: cannot allocate memory", ldx_self.program_name);
  o->removed = false;
  o->map.l_next = o->map.l_prev = NULL;
  o->pending = true;
  o->dlopened = false;
  ldx_self.adds--;
}

static const char *name_of_file(const char *path) {
  const char *file = ldx_last_part(path), *dot = strchr(file, '.');
  return ldx_strndup(&ldx_self.heap, file, dot && dot != file ? (size_t)(dot - file) : strlen(file));
}

static bool check_abi(const struct ldx_tool *t, struct ldx_diag *d) {
  return t->desc.abi <= LDX_TOOL_ABI ||
         ldx_fail(d, LDX_DIAG_LOAD, 0, t->path, "tool wants version %u of ldx's interface, this is %u", t->desc.abi,
                  (unsigned)LDX_TOOL_ABI);
}

struct entry {
  ldx_tool_entry *function;
  struct ldx_tool *tool;
  struct ldx_tool_args args;
  int status;
};

static void call_entry(void *arg) {
  struct entry *e = arg;
  e->status = e->function(e->tool, &e->args, &e->tool->desc);
}

/* Calls the tool's entry. */
static bool introduce(struct ldx_tool *t, const struct ldx_tool_wish *w, bool late, struct ldx_diag *d) {
  struct entry e = {.function = (ldx_tool_entry *)ldx_address_of(t->object, "ldx_tool_main"),
                    .tool = t,
                    .args = {.size = sizeof e.args,
                             .argc = w->argc,
                             .argv = w->argv,
                             .path = t->path,
                             .program = ldx_self.program_path,
                             .late = late}};
  if (!e.function)
    return ldx_fail(d, LDX_DIAG_LOAD, 0, t->path, "is no tool: it has no function ldx_tool_main");
  t->desc = (struct ldx_tool_desc){.size = sizeof t->desc, .abi = LDX_TOOL_ABI};
  struct ldx_guarded *g = ldx_guard_begin();
  bool returned = ldx_guard_call(g, t, "ldx_tool_main", "", call_entry, &e);
  ldx_guard_end(g);
  if (!returned)
    return ldx_fail(d, LDX_DIAG_LOAD, 0, t->path, "tool cannot be started");
  if (t->desc.name && *t->desc.name)
    t->name = t->desc.name;
  if (e.status)
    return ldx_fail(d, LDX_DIAG_LOAD, 0, t->path, "tool declines (%d)", e.status);
  return check_abi(t, d);
}

/* What a tool says of itself, and what the policy adds. */
static const char *const *both(const char *const *own, const ldx_policy_texts *more) {
  size_t n = 0, k = 0;
  while (own && own[n])
    n++;
  const char **all = more->count ? ldx_new((n + more->count + 1) * sizeof *all) : NULL;
  for (; all && k < n; k++)
    all[k] = own[k];
  for (uint32_t i = 0; all && i < more->count; i++)
    all[k++] = more->at[i].text;
  return all ? all : own;
}

static uint64_t types_named(const ldx_policy_texts *names) {
  uint64_t types = 0;
  for (uint32_t i = 0; i < names->count; i++)
    types |= ldx_hooks_types(names->at[i].text, strlen(names->at[i].text));
  return types;
}

/* Before the tool's entry: what it may do there. */
static void limit(struct ldx_tool *t, const struct ldx_policy_tool *p) {
  t->on_fault = p->on_fault ? p->on_fault : t->on_fault;
  t->watchdog = p->watchdog_ms > 0 ? (uint64_t)p->watchdog_ms * 1000000 : t->watchdog;
  t->only = p->events.count ? types_named(&p->events) : 0;
}

static void place(struct ldx_tool *t, const struct ldx_policy_tool *p) {
  t->name = p->name ? p->name : t->name;
  t->desc.before = both(t->desc.before, &p->before);
  t->desc.after = both(t->desc.after, &p->after);
  t->desc.priority = p->priority ? (int32_t)p->priority : t->desc.priority;
}

static struct ldx_tool *new_tool(const struct ldx_tool_wish *w) {
  const char *name = name_of_file(w->path);
  struct ldx_tool *t = name ? ldx_hooks_new_tool(&ldx_self.hooks, name, w->path, w->object) : NULL;
  if (t && w->policy)
    limit(t, w->policy);
  return t;
}

static void tell_ready(const struct ldx_tool *t) {
  if (!ldx_wants(LDX_EV_TOOL))
    return;
  struct ldx_event e = ldx_event_about(LDX_EV_TOOL, t->object);
  e.u.tool.name = ldx_keep_text(t->name);
  e.u.tool.text = ldx_keep_text(t->path);
  ldx_tell(&e);
}

/* All that it has asked for is gone; in a namespace of its own, its code too. */
static void take_out(struct ldx_tool *t) {
  struct ldx_diag ignored = {.heap = &ldx_self.heap};
  ldx_hooks_disable(&ldx_self.hooks, t);
  ldx_rlock_enter(&ldx_self.lock);
  if (t->object->ns != &ldx_self.base)
    ldx_close_object(t->object, &ignored);
  ldx_rlock_leave(&ldx_self.lock);
  ldx_diag_clear(&ignored);
}

static void queue(struct ldx_tool_wish *w) {
  struct ldx_tool_wish **end = &ldx_self.in_app;
  while (*end)
    end = &(*end)->next;
  *end = w;
}

/* A tool has said that it wants to live with the program. */
static bool move(struct ldx_tool *t, struct ldx_tool_wish *w, bool late, struct ldx_diag *d) {
  take_out(t);
  w->object = NULL;
  if (late)
    return (w->object = ldx_open_in_program(w->path, d)) && ldx_add_tool(w, true, d);
  queue(w);
  return true;
}

/* True also when a tool that is optional is left out: a line says so. */
bool ldx_add_tool(struct ldx_tool_wish *w, bool late, struct ldx_diag *d) {
  struct ldx_tool *t = new_tool(w);
  if (!t)
    return ldx_fail(d, LDX_DIAG_LOAD, ENOMEM, w->path, "cannot load tool");
  bool ok = introduce(t, w, late, d);
  if (ok && (t->desc.flags & LDX_TOOL_IN_APP) && t->object->ns != &ldx_self.base)
    return move(t, w, late, d);
  if (ok && w->policy)
    place(t, w->policy);
  if (ok && ldx_hooks_add_tool(&ldx_self.hooks, t, d)) {
    ldx_guide_for(t);
    tell_ready(t);
    return true;
  }
  bool optional = t->desc.flags & LDX_TOOL_OPTIONAL;
  take_out(t);
  if (!optional)
    return false;
  ldx_print_error(d);
  ldx_diag_clear(d);
  return true;
}

void ldx_start_in_app(struct ldx_tool_wish *w) {
  struct ldx_diag d = {.heap = &ldx_self.heap};
  if (!ldx_add_tool(w, false, &d))
    ldx_die(&d);
}

static bool start_isolated(struct ldx_tool_wish *w, bool late, struct ldx_diag *d) {
  if (!w)
    return ldx_fail(d, LDX_DIAG_LOAD, ENOMEM, "", "cannot load tool");
  w->object = ldx_open_isolated(w->path, d);
  return w->object && ldx_add_tool(w, late, d);
}

static void must_start(struct ldx_tool_wish *w) {
  struct ldx_diag d = {.heap = &ldx_self.heap};
  if (!start_isolated(w, false, &d))
    ldx_die(&d);
}

static void must_queue(struct ldx_tool_wish *w) {
  if (!w)
    ldx_die_text("%s: cannot allocate memory", ldx_self.program_name);
  queue(w);
}

/* The tools of a variable (a:b:c), then those of an option. */
static void each_wish(const char *list, const struct ldx_words *words, void (*take)(struct ldx_tool_wish *)) {
  for (const char *p = list; p && *p; p += *p == ':') {
    size_t n = ldx_until(p, ":");
    if (n)
      take(read_wish(p, n));
    p += n;
  }
  for (size_t i = 0; i < words->count; i++)
    take(read_wish(words->at[i], strlen(words->at[i])));
}

static bool isolated_wanted(void) {
  const struct ldx_options *o = &ldx_self.options;
  const struct ldx_policy *p = ldx_self.policy;
  for (uint32_t i = 0; p && i < p->tools.count; i++)
    if (p->tools.at[i].in_app != LDX_SWITCH_ON)
      return true;
  return o->tools.count || (o->tools_env && *o->tools_env) || ldx_audit_wanted(ldx_self.base.program);
}

bool ldx_tools_wanted(void) {
  if (ldx_self.options.check) /* nobody's code is run */
    return false;
  const struct ldx_options *o = &ldx_self.options;
  return o->tools_in_app.count || (o->tools_in_app_env && *o->tools_in_app_env) ||
         (ldx_self.policy && ldx_self.policy->tools.count) || isolated_wanted();
}

static void start_policys(const struct ldx_policy *p) {
  for (uint32_t i = 0; p && i < p->tools.count; i++) {
    struct ldx_tool_wish *w = policys_wish(&p->tools.at[i]);
    if (p->tools.at[i].in_app == LDX_SWITCH_ON)
      must_queue(w);
    else
      must_start(w);
  }
}

void ldx_start_tools(struct ldx_load *program) {
  struct ldx_diag d = {.heap = &ldx_self.heap};
  const struct ldx_options *o = &ldx_self.options;
  if (isolated_wanted())
    ldx_prepare_early(program);
  each_wish(o->tools_in_app_env, &o->tools_in_app, must_queue);
  each_wish(o->tools_env, &o->tools, must_start);
  start_policys(ldx_self.policy);
  ldx_audit_start(program);
  if (!ldx_hooks_sort(&ldx_self.hooks, &d))
    ldx_die(&d);
  set_aside(program);
  ldx_guide_searches();
}

/* A libc does this for threads that it made itself. */
void ldx_greet_tools(struct ldx_thread *self) {
  self->greeted = __atomic_load_n(&ldx_self.hooks.registered, __ATOMIC_ACQUIRE);
  struct ldx_namespace *ns = __atomic_load_n(&ldx_self.base.next, __ATOMIC_ACQUIRE);
  for (; ns; ns = __atomic_load_n(&ns->next, __ATOMIC_ACQUIRE))
    if (ns->of_tool && ns->libc)
      glibc_init_ctype(&ldx_self.glibc, ns->libc);
}

bool ldx_load_tool(const char *path_and_args, bool late, struct ldx_diag *d) {
  return start_isolated(read_wish(path_and_args, strlen(path_and_args)), late, d);
}

int ldx_tool_load(const char *path_and_args) {
  struct ldx_diag d = {.heap = &ldx_self.heap};
  if (!path_and_args || !*path_and_args)
    return -EINVAL;
  bool ok = ldx_load_tool(path_and_args, true, &d);
  int error = d.error ? d.error : ELIBBAD;
  if (!ok)
    ldx_print_error(&d);
  ldx_diag_clear(&d);
  return ok ? 0 : -error;
}
