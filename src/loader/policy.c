#include "loader/policy.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/print.h"
#include "base/sys.h"
#include "base/text.h"
#include "loader/options.h"
#include "loader/stack.h"

/* The system's policy is a matter of how ldx is built: looking for a file costs every start a system call. */
#ifndef LDX_SYSTEM_POLICY
#define LDX_SYSTEM_POLICY ""
#endif

struct loading {
  struct ldx_policy_reader reader;
  struct ldx_words words;
  struct ldx_policy *policy; /* NULL: nothing was read yet */
  bool failed;
};

static void print_fault(void *arg, const char *message) {
  (void)arg;
  ldx_print(2, "ldx: %s\n", message);
}

/* --- variables --- */

/* What /proc/self/exe names, unless ldx itself is the program there. */
static const char *program_file(void) {
  char path[4096];
  if (ldx_self.exe_path)
    return ldx_self.exe_path;
  long n = sys_readlink("/proc/self/exe", path, sizeof path);
  return ldx_sys_failed(n) || n == sizeof path ? ldx_self.program_path : ldx_strndup(&ldx_self.heap, path, (size_t)n);
}

static const char *folder_of_program(void) {
  const char *path = program_file(), *slash = path ? strrchr(path, '/') : NULL;
  if (!slash)
    return path ? "." : NULL;
  return slash == path ? "/" : ldx_strndup(&ldx_self.heap, path, (size_t)(slash - path));
}

/* XDG base directory specification: $XDG_CACHE_HOME if it is absolute, else $HOME/.cache. */
static const char *cache_folder(void) {
  const char *value = ldx_getenv(&ldx_self.args, "XDG_CACHE_HOME"), *home = ldx_getenv(&ldx_self.args, "HOME");
  if (value && *value == '/')
    return value;
  if (!home || !*home)
    return NULL;
  size_t room = strlen(home) + sizeof "/.cache";
  char *out = ldx_new(room);
  if (out)
    ldx_format(out, room, "%s/.cache", home);
  return out;
}

static const char *variable(void *arg, const char *name) {
  (void)arg;
  if (!strcmp(name, "APP"))
    return folder_of_program();
  if (ldx_self.args.auxv.secure)
    return NULL;
  if (!strcmp(name, "XDG_CACHE_HOME"))
    return cache_folder();
  const char *value = ldx_getenv(&ldx_self.args, name);
  return value && *value ? value : NULL;
}

/* --- sources --- */

static struct ldx_policy *policy_of(struct loading *g) {
  if (!g->policy)
    g->policy = ldx_policy_new(&ldx_self.heap);
  if (!g->policy)
    ldx_die_text("%s: cannot allocate memory", ldx_self.program_name);
  return g->policy;
}

/* The kernel's own link where it opened the program: its name may mean another file by now. */
static long open_program(void) {
  long fd = -ENOENT;
  if (!ldx_self.options.command)
    fd = sys_open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  return ldx_sys_failed(fd) ? sys_open(ldx_self.program_path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : fd;
}

static void add_section(struct loading *g) {
  bool found = false;
  if (ldx_self.args.auxv.secure)
    return;
  long fd = open_program();
  if (ldx_sys_failed(fd)) {
    ldx_print(2, "ldx: %s: cannot read section " LDX_POLICY_SECTION ": %s\n", ldx_self.program_path,
              ldx_errno_text((int)-fd));
    g->failed = true;
    return;
  }
  bool ok = ldx_policy_add_section(policy_of(g), &g->reader, ldx_self.program_path, (int)fd, &found);
  sys_close((int)fd);
  if (ok && !found)
    ldx_print(2, "ldx: %s: has no section " LDX_POLICY_SECTION "\n", ldx_self.program_path);
  g->failed |= !ok || !found;
}

/* What was asked for, in order: each word is a file, `section`, or `none`, which takes back all before it. */
static void ask_for(struct loading *g, const char *text, size_t n) {
  char *word = n ? ldx_strndup(&ldx_self.heap, text, n) : NULL;
  if (!strcmp(word ? word : "", "none"))
    g->words.count = 0;
  else if (word)
    ldx_add_word(&g->words, word);
}

static void ask_for_list(struct loading *g, const char *list) {
  for (const char *p = list; p && *p; p += *p == ':') {
    size_t n = ldx_until(p, ":");
    ask_for(g, p, n);
    p += n;
  }
}

static void read_all(struct loading *g) {
  for (size_t i = 0; i < g->words.count; i++) {
    const char *word = g->words.at[i];
    if (!strcmp(word, "section"))
      add_section(g);
    else
      g->failed |= !ldx_policy_add_file(policy_of(g), &g->reader, word);
  }
  g->failed |= g->policy && !g->failed && !ldx_policy_finish(g->policy, &g->reader);
}

static bool has_mark(const struct ldx_object *program) {
  for (uint32_t i = 0; i < program->dyn.count; i++)
    if (program->dyn.table[i].d_tag == LDX_DT_POLICY)
      return true;
  return false;
}

static struct loading begin(void) {
  return (struct loading){
      .reader = {
          .heap = &ldx_self.heap, .secure = ldx_self.args.auxv.secure, .variable = variable, .fault = print_fault}};
}

void ldx_read_policy(const struct ldx_object *program) {
  const struct ldx_options *o = &ldx_self.options;
  struct loading g = begin();
  if (*LDX_SYSTEM_POLICY && sys_access(LDX_SYSTEM_POLICY, 0) != -ENOENT)
    ask_for_list(&g, LDX_SYSTEM_POLICY);
  if (has_mark(program))
    ask_for_list(&g, "section");
  ask_for_list(&g, o->policy_env);
  for (size_t i = 0; i < o->policies.count; i++)
    ask_for(&g, o->policies.at[i], strlen(o->policies.at[i]));
  read_all(&g);
  if (g.failed)
    sys_exit(127);
  ldx_self.policy = g.policy;
  if (g.policy)
    ldx_self.hooks.history_slots = (uint32_t)g.policy->events.history;
}

const struct ldx_policy *ldx_policy_load(const char *const *words, size_t count) {
  struct loading g = begin();
  for (size_t i = 0; i < count; i++)
    ask_for(&g, words[i], strlen(words[i]));
  policy_of(&g);
  read_all(&g);
  return g.failed ? NULL : g.policy;
}
