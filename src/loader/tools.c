#include "loader/tools.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "loader/audit.h"
#include "loader/dl.h"
#include "loader/musl.h"
#include "loader/options.h"
#include "loader/steer.h"
#include "loader/tell.h"
#include "namespace/names.h"

enum { MAX_ARGS = 64 };

/* "PATH,ARG,ARG": one block, whose pieces end with a zero. */
struct spec {
  char *text;
  int argc;
  const char *argv[MAX_ARGS + 1];
};

static bool read_spec(struct spec *s, const char *text, size_t n) {
  s->argc = 0;
  s->text = ldx_strndup(&ldx_self.heap, text, n);
  for (char *p = s->text ? strchr(s->text, ',') : NULL; p && s->argc < MAX_ARGS; p = strchr(p, ',')) {
    *p++ = '\0';
    s->argv[s->argc++] = p;
  }
  s->argv[s->argc] = NULL;
  return s->text;
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
    ldx_die_text("%s: tools of their own namespace cannot be used with musl", ldx_self.program_name);
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
  const char *slash = strrchr(path, '/'), *file = slash ? slash + 1 : path, *dot = strchr(file, '.');
  return ldx_strndup(&ldx_self.heap, file, dot && dot != file ? (size_t)(dot - file) : strlen(file));
}

static bool check_abi(const struct ldx_tool *t, struct ldx_diag *d) {
  return t->desc.abi <= LDX_TOOL_ABI ||
         ldx_fail(d, LDX_DIAG_LOAD, 0, t->path, "tool wants version %u of ldx's interface, this is %u", t->desc.abi,
                  (unsigned)LDX_TOOL_ABI);
}

/* Calls the tool's entry. */
static bool introduce(struct ldx_tool *t, const struct spec *s, bool late, struct ldx_diag *d) {
  uintptr_t entry = ldx_address_of(t->object, "ldx_tool_main");
  if (!entry)
    return ldx_fail(d, LDX_DIAG_LOAD, 0, t->path, "is no tool: it has no function ldx_tool_main");
  const struct ldx_tool_args args = {.size = sizeof args,
                                     .argc = s->argc,
                                     .argv = s->argv,
                                     .path = t->path,
                                     .program = ldx_self.program_path,
                                     .late = late};
  t->desc = (struct ldx_tool_desc){.size = sizeof t->desc, .abi = LDX_TOOL_ABI};
  int status = ((ldx_tool_entry *)entry)(t, &args, &t->desc);
  if (t->desc.name && *t->desc.name)
    t->name = t->desc.name;
  if (status)
    return ldx_fail(d, LDX_DIAG_LOAD, 0, t->path, "tool declines (%d)", status);
  return check_abi(t, d);
}

static struct ldx_tool *new_tool(const char *path, struct ldx_object *o) {
  struct ldx_tool *t = ldx_new(sizeof *t);
  if (!t)
    return NULL;
  t->id = __atomic_add_fetch(&ldx_self.hooks.last_id, 1, __ATOMIC_RELAXED);
  t->path = path;
  t->name = name_of_file(path);
  t->object = o;
  t->on_fault = LDX_FAULT_DISABLE;
  t->rank = __atomic_fetch_add(&ldx_self.hooks.registered, 1, __ATOMIC_ACQ_REL);
  return t->name ? t : NULL;
}

/* True also when a tool that is optional is left out: a line says so. */
static bool add(struct ldx_object *o, const struct spec *s, bool late, struct ldx_diag *d) {
  struct ldx_tool *t = new_tool(s->text, o);
  if (!t)
    return ldx_fail(d, LDX_DIAG_LOAD, ENOMEM, s->text, "cannot load tool");
  if (introduce(t, s, late, d) && ldx_hooks_add_tool(&ldx_self.hooks, t, d))
    return true;
  ldx_hooks_disable(&ldx_self.hooks, t);
  if (!(t->desc.flags & LDX_TOOL_OPTIONAL))
    return false;
  ldx_print_error(d);
  ldx_diag_clear(d);
  return true;
}

static bool start_one(const char *text, size_t n, bool late, struct ldx_diag *d) {
  struct spec s;
  if (!read_spec(&s, text, n))
    return ldx_fail(d, LDX_DIAG_LOAD, ENOMEM, text, "cannot load tool");
  struct ldx_object *o = ldx_open_isolated(s.text, d);
  return o && add(o, &s, late, d);
}

static void must_start(const char *text, size_t n, struct ldx_diag *d) {
  if (n && !start_one(text, n, false, d))
    ldx_die(d);
}

bool ldx_tools_wanted(void) {
  const struct ldx_options *o = &ldx_self.options;
  return o->tools.count || (o->tools_env && *o->tools_env) || (ldx_self.policy && ldx_self.policy->tools.count) ||
         ldx_audit_wanted(ldx_self.base.program);
}

void ldx_start_tools(struct ldx_load *program) {
  struct ldx_diag d = {.heap = &ldx_self.heap};
  const struct ldx_options *o = &ldx_self.options;
  ldx_prepare_early(program);
  for (const char *p = o->tools_env; p && *p; p += *p == ':') {
    size_t n = ldx_until(p, ":");
    must_start(p, n, &d);
    p += n;
  }
  for (size_t i = 0; i < o->tools.count; i++)
    must_start(o->tools.at[i], strlen(o->tools.at[i]), &d);
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
  return start_one(path_and_args, strlen(path_and_args), late, d);
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
