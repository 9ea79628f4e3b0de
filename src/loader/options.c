#include "loader/options.h"

#include <fcntl.h>
#include <string.h>

#include "base/print.h"
#include "base/sys.h"
#include "base/text.h"
#include "ldx/jit.h"
#include "loader/guest.h"
#include "loader/stack.h"

/* Variables that a privileged program must not see obeyed, nor its children find. What becomes of GLIBC_TUNABLES and
 * MALLOC_CHECK_ is said in its libc's own table. */
static const char *const unsecure[] = {
    "GCONV_PATH",       "GETCONF_DIR",   "HOSTALIASES",     "LD_AUDIT",       "LD_DEBUG",   "LD_DEBUG_OUTPUT",
    "LD_DYNAMIC_WEAK",  "LD_HWCAP_MASK", "LD_LIBRARY_PATH", "LD_ORIGIN_PATH", "LD_PRELOAD", "LD_PROFILE",
    "LD_SHOW_AUXV",     "LOCALDOMAIN",   "LOCPATH",         "MALLOC_TRACE",   "NIS_PATH",   "NLSPATH",
    "RESOLV_HOST_CONF", "RES_OPTIONS",   "TMPDIR",          "TZDIR"};

/* Whatever obeys a user's LDX_ variable must not do so in a privileged program's child. */
static void forget_unsecure(struct ldx_args *a) {
  for (size_t i = 0; i < LDX_COUNT(unsecure); i++)
    ldx_unsetenv(a, unsecure[i], "=");
  ldx_unsetenv(a, "LDX_", "");
}

const struct ldx_debug_category ldx_debug_categories[] = {
    {"libs", "where each library is looked for, and found", LDX_DEBUG_LIBS | LDX_DEBUG_IMPCALLS},
    {"reloc", "when each object is relocated", LDX_DEBUG_RELOC | LDX_DEBUG_IMPCALLS},
    {"files", "who needs which library, and where it is mapped", LDX_DEBUG_FILES | LDX_DEBUG_IMPCALLS},
    {"symbols", "which objects are looked into for each symbol", LDX_DEBUG_SYMBOLS | LDX_DEBUG_IMPCALLS},
    {"bindings", "which definition each reference gets", LDX_DEBUG_BINDINGS | LDX_DEBUG_IMPCALLS},
    {"versions", "which symbol versions are needed of whom", LDX_DEBUG_VERSIONS | LDX_DEBUG_IMPCALLS},
    {"scopes", "where the references of each object are looked up", LDX_DEBUG_SCOPES},
    {"all", "all of the above",
     LDX_DEBUG_LIBS | LDX_DEBUG_RELOC | LDX_DEBUG_FILES | LDX_DEBUG_SYMBOLS | LDX_DEBUG_BINDINGS |
         LDX_DEBUG_VERSIONS | LDX_DEBUG_IMPCALLS | LDX_DEBUG_SCOPES},
    {"statistics", "what the start has cost", LDX_DEBUG_STATISTICS},
    {"unused", "with LD_TRACE_LOADED_OBJECTS: libraries that the program names without need", LDX_DEBUG_UNUSED},
    {"help", "this text, and nothing is run", LDX_DEBUG_HELP},
};
const size_t ldx_debug_category_count = LDX_COUNT(ldx_debug_categories);

static void parse_debug(const char *p, struct ldx_options *o) {
  while (*p) {
    size_t n = ldx_until(p, " ,:");
    bool known = n == 0;
    for (size_t i = 0; i < ldx_debug_category_count; i++)
      if (strlen(ldx_debug_categories[i].name) == n && !memcmp(ldx_debug_categories[i].name, p, n)) {
        o->debug |= ldx_debug_categories[i].mask;
        known = true;
      }
    if (!known)
      ldx_print(2, "warning: debug option `%.*s' unknown; try LD_DEBUG=help\n", (int)n, p);
    p += n + (p[n] != '\0');
  }
  if (o->debug & LDX_DEBUG_HELP)
    ldx_debug_help();
}

static void open_debug_output(const char *name, struct ldx_options *o) {
  char path[4096];
  size_t n = ldx_format(path, sizeof path, "%s.%ld", name, sys_getpid());
  long fd = n < sizeof path ? sys_open_mode(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW, 0666) : -1;
  o->debug_fd = ldx_sys_failed(fd) ? 1 : (int)fd;
}

/* As strtoul with base 0: decimal, 0x or 0. */
static uint64_t read_number(const char *p) {
  uint64_t v = 0, base = 10;
  bool negative = *p == '-';
  p += negative || *p == '+';
  if (p[0] == '0')
    base = (p[1] | 32) == 'x' ? 16 : 8;
  for (p += base == 16 ? 2 : 0;; p++) {
    unsigned digit = (unsigned)*p - '0' < 10u ? (unsigned)*p - '0' : ((unsigned)*p | 32) - 'a' + 10;
    if (digit >= base)
      return negative ? 0 - v : v;
    v = v * base + digit;
  }
}

uint64_t ldx_tunable_number(const char *name, uint64_t otherwise) {
  const char *p = ldx_self.args.auxv.secure ? NULL : ldx_self.options.tunables;
  size_t n = strlen(name);
  for (; p && *p; p += ldx_until(p, ":"), p += *p == ':')
    if (!strncmp(p, name, n) && p[n] == '=')
      otherwise = read_number(p + n + 1);
  return otherwise;
}

static bool set_and_not_empty(const struct ldx_args *a, const char *name) {
  const char *v = ldx_getenv(a, name);
  return v && *v;
}

static void read_debug(const struct ldx_args *a, struct ldx_options *o) {
  const char *words = ldx_getenv(a, "LD_DEBUG"), *file = ldx_getenv(a, "LD_DEBUG_OUTPUT");
  o->debug_fd = 2;
  if (words)
    parse_debug(words, o);
  if (file && o->debug)
    open_debug_output(file, o);
  if (o->debug & LDX_DEBUG_UNUSED)
    o->bind_now = true; /* what is called counts as used */
}

/* A user must not look into what a privileged program loads: with the system loader's exit status. */
static void read_trace(const struct ldx_args *a, struct ldx_options *o) {
  const char *v = ldx_getenv(a, "LD_TRACE_LOADED_OBJECTS");
  if (!v)
    return;
  if (a->auxv.secure)
    sys_exit(5);
  o->mode = LDX_TRACE;
  o->list_program = read_number(v) > 1;
}

/* LDX_PLAN, LDX_RECORD, LDX_FROZEN, LDX_SBOM. They mean this program, not those that it starts. */
static void read_plan_variables(struct ldx_args *a, struct ldx_options *o) {
  static const char *const names[] = {"LDX_RECORD", "LDX_FROZEN", "LDX_SBOM"};
  const char **values[] = {&o->record, &o->frozen, &o->sbom}, *plan = ldx_getenv(a, "LDX_PLAN");
  for (size_t i = 0; i < LDX_COUNT(names); i++) {
    *values[i] = ldx_getenv(a, names[i]);
    if (*values[i])
      ldx_unsetenv(a, names[i], "=");
  }
  if (!plan)
    return;
  o->mode = LDX_PLAN;
  o->tree = !strcmp(plan, "tree");
  o->explain = strncmp(plan, "explain", 7) ? NULL : plan[7] == '=' ? plan + 8 : "";
  o->plan = o->tree || o->explain ? NULL : plan;
}

/* LDX_PERF, --perf: "map", "dump" or both, with a comma. */
static void read_perf(const char *words, const char *from, struct ldx_options *o) {
  o->perf = 0;
  for (const char *p = words; *p; p += *p == ',') {
    size_t n = ldx_until(p, ",");
    if (n == 3 && !memcmp(p, "map", n))
      o->perf |= LDX_JIT_PERF_MAP;
    else if (n == 4 && !memcmp(p, "dump", n))
      o->perf |= LDX_JIT_PERF_DUMP;
    else if (n)
      ldx_die_text("%s: '%.*s' is neither map nor dump", from, (int)n, p);
    p += n;
  }
}

static bool has_ldx_variable(const struct ldx_args *a) {
  for (char **e = a->envp; *e; e++)
    if (!strncmp(*e, "LDX_", 4))
      return true;
  return false;
}

void ldx_read_environment(struct ldx_args *a, struct ldx_options *o, struct ldx_library_search *s) {
  s->secure = a->auxv.secure;
  o->preload_env = ldx_getenv(a, "LD_PRELOAD"); /* obeyed within bounds, but not passed on */
  o->audit_env = ldx_getenv(a, "LD_AUDIT");
  if (a->auxv.secure)
    forget_unsecure(a);
  s->library_path = ldx_getenv(a, "LD_LIBRARY_PATH");
  s->library_path_source = "LD_LIBRARY_PATH";
  s->origin_path = ldx_getenv(a, "LD_ORIGIN_PATH");
  o->bind_now = set_and_not_empty(a, "LD_BIND_NOW");
  o->bind_not = set_and_not_empty(a, "LD_BIND_NOT");
  o->dynamic_weak = ldx_getenv(a, "LD_DYNAMIC_WEAK");
  o->list_verbose = set_and_not_empty(a, "LD_VERBOSE");
  o->list_warn = set_and_not_empty(a, "LD_WARN");
  o->tunables = ldx_getenv(a, "GLIBC_TUNABLES");
  const char *mask = ldx_getenv(a, "LD_HWCAP_MASK"), *static_tls = ldx_getenv(a, "LDX_STATIC_TLS");
  o->share = a->auxv.secure ? NULL : ldx_getenv(a, "LDX_SHARE");
  o->static_tls = static_tls && !a->auxv.secure ? read_number(static_tls) : 0;
  o->follow = !a->auxv.secure && set_and_not_empty(a, "LDX_FOLLOW");
  o->tools_env = a->auxv.secure ? NULL : ldx_getenv(a, "LDX_TOOLS");
  o->tools_in_app_env = a->auxv.secure ? NULL : ldx_getenv(a, "LDX_TOOLS_IN_APP");
  o->cache = a->auxv.secure ? NULL : ldx_getenv(a, "LDX_CACHE");
  o->control = !a->auxv.secure && set_and_not_empty(a, "LDX_CTL");
  o->trace_events = a->auxv.secure ? NULL : ldx_getenv(a, "LDX_TRACE");
  o->policy_env = a->auxv.secure ? NULL : ldx_getenv(a, "LDX_POLICY");
  if (!a->auxv.secure && has_ldx_variable(a)) {
    const char *perf = ldx_getenv(a, "LDX_PERF");
    o->persist_dir = ldx_getenv(a, "LDX_PERSIST_DIR");
    read_plan_variables(a, o);
    if (perf)
      read_perf(perf, "LDX_PERF", o);
  }
  s->hwcap_mask_set = mask;
  s->hwcap_mask = mask ? read_number(mask) : 0;
  read_debug(a, o);
  read_trace(a, o);
  if (ldx_getenv(a, "LD_SHOW_AUXV"))
    ldx_show_auxv(&a->auxv);
}

struct option {
  const char *name;
  const char **value;      /* takes an argument */
  const char *otherwise;   /* only behind =; without one this */
  struct ldx_words *words; /* takes one each time it is given */
  bool *flag;
  int mode;       /* what is to be done instead of running the program */
  bool passed_on; /* to programs that are followed */
};

void ldx_add_word(struct ldx_words *w, const char *text) {
  if (w->count == w->room && !ldx_heap_grow(&ldx_self.heap, (void **)&w->at, &w->room, sizeof *w->at, 8))
    ldx_die_text("cannot allocate memory");
  w->at[w->count++] = text;
}

/* The words of options lie where a longer name of the program is written to (ldx_set_argv0). */
static const char *keep(const char *word) {
  const char *copy = ldx_strdup(&ldx_self.heap, word);
  if (!copy)
    ldx_die_text("cannot allocate memory");
  return copy;
}

static void take_value(const struct option *op, const char *value) {
  if (op->value)
    *op->value = keep(value);
  else if (op->words)
    ldx_add_word(op->words, keep(value));
}

/* "--name VALUE" or "--name=VALUE"; returns how many words were used, 0: not this option. */
static int match(const struct option *op, char **argv, struct ldx_options *o) {
  size_t n = strlen(op->name);
  if (strncmp(argv[0], op->name, n))
    return 0;
  bool takes_value = op->value || op->words;
  bool given = takes_value && argv[0][n] == '=';
  if (argv[0][n] && !given)
    return 0;
  if (op->flag)
    *op->flag = true;
  if (op->mode && o)
    o->mode = (enum ldx_mode)op->mode;
  if (given || op->otherwise)
    take_value(op, given ? argv[0] + n + 1 : op->otherwise);
  if (given || op->otherwise || !takes_value)
    return 1;
  if (!argv[1])
    ldx_die_text("option '%s' needs an argument; see ldx --help", op->name);
  take_value(op, argv[1]);
  return 2;
}

int ldx_read_arguments(struct ldx_args *a, struct ldx_options *o, struct ldx_library_search *s) {
  bool help = false, version = false, diagnostics = false;
  const char *path = NULL, *static_tls = NULL, *perf = NULL;
  const struct option options[] = {
      {.name = "--list", .mode = LDX_LIST},
      {.name = "--verify", .mode = LDX_VERIFY},
      {.name = "--plan", .value = &o->plan, .otherwise = "text", .mode = LDX_PLAN},
      {.name = "--tree", .flag = &o->tree, .mode = LDX_PLAN},
      {.name = "--explain", .value = &o->explain, .otherwise = "", .mode = LDX_PLAN},
      {.name = "--check", .value = &o->check, .mode = LDX_PLAN},
      {.name = "--json", .flag = &o->json},
      {.name = "--record", .value = &o->record},
      {.name = "--frozen", .value = &o->frozen},
      {.name = "--sbom", .value = &o->sbom},
      {.name = "--inhibit-cache", .flag = &s->inhibit_cache},
      {.name = "--library-path", .value = &path},
      {.name = "--glibc-hwcaps-prepend", .value = &s->hwcaps_prepend},
      {.name = "--glibc-hwcaps-mask", .value = &s->hwcaps_mask},
      {.name = "--inhibit-rpath", .value = &s->inhibit_rpath},
      {.name = "--audit", .value = &o->audit_option},
      {.name = "--preload", .value = &o->preload_option},
      {.name = "--argv0", .value = &o->argv0},
      {.name = "--share", .value = &o->share},
      {.name = "--static-tls", .value = &static_tls},
      {.name = "--strict", .flag = &o->strict},
      {.name = "--list-tunables", .mode = LDX_TUNABLES},
      {.name = "--list-diagnostics", .flag = &diagnostics},
      {.name = "--follow", .flag = &o->follow},
      {.name = "--followed", .flag = &o->followed},
      {.name = "--help", .flag = &help},
      {.name = "--version", .flag = &version},
      {.name = "--tool-in-app", .words = &o->tools_in_app, .passed_on = true},
      {.name = "--tool", .words = &o->tools, .passed_on = true},
      {.name = "--cache", .value = &o->cache, .passed_on = true},
      {.name = "--cache-key", .value = &o->cache_key, .passed_on = true},
      {.name = "--ctl", .flag = &o->control},
      {.name = "--trace", .value = &o->trace_events, .passed_on = true},
      {.name = "--policy", .words = &o->policies, .passed_on = true},
      {.name = "--perf", .value = &perf, .passed_on = true},
  };
  int i = 1;
  while (i < a->argc && a->argv[i][0] == '-' && a->argv[i][1] == '-') {
    if (!a->argv[i][2]) { /* -- */
      i++;
      break;
    }
    int used = 0;
    size_t k = 0;
    for (; k < LDX_COUNT(options) && !(used = match(&options[k], a->argv + i, o)); k++)
      ;
    if (!used)
      ldx_die_text("unrecognized option '%s'; see ldx --help", a->argv[i]);
    for (int w = 0; options[k].passed_on && w < used; w++)
      ldx_add_word(&o->passed_on, keep(a->argv[i + w]));
    i += used;
  }
  o->follow |= o->followed;
  if (perf)
    read_perf(perf, "--perf", o);
  if (static_tls)
    o->static_tls = read_number(static_tls);
  if (path) {
    s->library_path = path;
    s->library_path_source = "--library-path";
  }
  if (version)
    ldx_version();
  if (help)
    ldx_help(s);
  if (diagnostics)
    ldx_die_text("--list-diagnostics is not supported: it tells of the inside of glibc's own loader; ask that");
  if (i >= a->argc && o->mode != LDX_TUNABLES)
    ldx_die_text("missing program name; see ldx --help");
  return i;
}
