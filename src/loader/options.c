#include "loader/options.h"

#include <fcntl.h>
#include <string.h>

#include "base/print.h"
#include "base/sys.h"
#include "loader/guest.h"
#include "loader/stack.h"

/* Variables that a privileged program must not see obeyed, nor its children find. */
static const char *const unsecure[] = {
    "GCONV_PATH",      "GETCONF_DIR",      "GLIBC_TUNABLES",   "HOSTALIASES",      "LD_AUDIT",       "LD_DEBUG",
    "LD_DEBUG_OUTPUT", "LD_DYNAMIC_WEAK",  "LD_HWCAP_MASK",    "LD_LIBRARY_PATH",  "LD_ORIGIN_PATH", "LD_PRELOAD",
    "LD_PROFILE",      "LD_SHOW_AUXV",     "LD_VERBOSE",       "LD_WARN",          "LOCALDOMAIN",    "LOCPATH",
    "MALLOC_TRACE",    "NIS_PATH",         "NLSPATH",          "RESOLV_HOST_CONF", "RES_OPTIONS",    "TMPDIR",
    "TZDIR",           "LD_USE_LOAD_BIAS", "LD_PROFILE_OUTPUT"};

static const struct {
  const char *name, *help;
  uint32_t mask;
} categories[] = {
    {"libs", "display library search paths", LDX_DEBUG_LIBS | LDX_DEBUG_IMPCALLS},
    {"reloc", "display relocation processing", LDX_DEBUG_RELOC | LDX_DEBUG_IMPCALLS},
    {"files", "display progress for input file", LDX_DEBUG_FILES | LDX_DEBUG_IMPCALLS},
    {"symbols", "display symbol table processing", LDX_DEBUG_SYMBOLS | LDX_DEBUG_IMPCALLS},
    {"bindings", "display information about symbol binding", LDX_DEBUG_BINDINGS | LDX_DEBUG_IMPCALLS},
    {"versions", "display version dependencies", LDX_DEBUG_VERSIONS | LDX_DEBUG_IMPCALLS},
    {"scopes", "display scope information", LDX_DEBUG_SCOPES},
    {"all", "all previous options combined",
     LDX_DEBUG_LIBS | LDX_DEBUG_RELOC | LDX_DEBUG_FILES | LDX_DEBUG_SYMBOLS | LDX_DEBUG_BINDINGS |
         LDX_DEBUG_VERSIONS | LDX_DEBUG_IMPCALLS | LDX_DEBUG_SCOPES},
    {"statistics", "display relocation statistics", LDX_DEBUG_STATISTICS},
    {"unused", "determined unused DSOs", LDX_DEBUG_UNUSED},
    {"help", "display this help message and exit", LDX_DEBUG_HELP},
};

_Noreturn void ldx_debug_help(void) {
  ldx_print(1, "Valid options for the LD_DEBUG environment variable are:\n\n");
  for (size_t i = 0; i < LDX_COUNT(categories); i++)
    ldx_print(1, "  %-10s  %s\n", categories[i].name, categories[i].help);
  ldx_print(1, "\nTo direct the debugging output into a file instead of standard output\n"
               "a filename can be specified using the LD_DEBUG_OUTPUT environment variable.\n");
  sys_exit(0);
}

static void parse_debug(const char *p, struct ldx_options *o) {
  while (*p) {
    size_t n = strcspn(p, " ,:");
    bool known = n == 0;
    for (size_t i = 0; i < LDX_COUNT(categories); i++)
      if (strlen(categories[i].name) == n && !memcmp(categories[i].name, p, n)) {
        o->debug |= categories[i].mask;
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
  o->debug_fd = ldx_sys_failed(fd) ? 2 : (int)fd;
}

static bool set_and_not_empty(const char *v) { return v && *v; }

void ldx_read_environment(struct ldx_args *a, struct ldx_options *o, struct ldx_library_search *s) {
  o->debug_fd = 2;
  s->secure = a->auxv.secure;
  if (a->auxv.secure)
    for (size_t i = 0; i < LDX_COUNT(unsecure); i++)
      ldx_unsetenv(a, unsecure[i]);
  const char *v = ldx_getenv(a, "LD_DEBUG");
  if (v)
    parse_debug(v, o);
  v = ldx_getenv(a, "LD_DEBUG_OUTPUT");
  if (set_and_not_empty(v) && o->debug)
    open_debug_output(v, o);
  s->library_path = ldx_getenv(a, "LD_LIBRARY_PATH");
  s->library_path_source = "LD_LIBRARY_PATH";
  s->origin_path = ldx_getenv(a, "LD_ORIGIN_PATH");
  o->preload_env = ldx_getenv(a, "LD_PRELOAD");
  o->bind_now = set_and_not_empty(ldx_getenv(a, "LD_BIND_NOW"));
  o->bind_not = set_and_not_empty(ldx_getenv(a, "LD_BIND_NOT"));
  o->dynamic_weak = ldx_getenv(a, "LD_DYNAMIC_WEAK");
  o->list_verbose = set_and_not_empty(ldx_getenv(a, "LD_VERBOSE"));
  o->list_warn = set_and_not_empty(ldx_getenv(a, "LD_WARN"));
  o->tunables = ldx_getenv(a, "GLIBC_TUNABLES");
  if (ldx_getenv(a, "LD_TRACE_LOADED_OBJECTS"))
    o->mode = LDX_LIST;
  if (ldx_getenv(a, "LD_SHOW_AUXV"))
    ldx_show_auxv(&a->auxv);
}

uint64_t ldx_tunable_number(const char *name, uint64_t otherwise) {
  const char *p = ldx_self.args.auxv.secure ? NULL : ldx_self.options.tunables;
  size_t n = strlen(name);
  for (; p && *p; p += strcspn(p, ":"), p += *p == ':') {
    if (strncmp(p, name, n) || p[n] != '=')
      continue;
    uint64_t v = 0;
    for (p += n + 1; *p >= '0' && *p <= '9'; p++)
      v = v * 10 + (uint64_t)(*p - '0');
    otherwise = v;
  }
  return otherwise;
}

struct option {
  const char *name;
  const char **value; /* takes an argument */
  bool *flag;
};

/* "--name VALUE" or "--name=VALUE"; returns how many words were used, 0: not this option. */
static int match(const struct option *op, char **argv) {
  size_t n = strlen(op->name);
  if (strncmp(argv[0], op->name, n))
    return 0;
  if (op->flag && !argv[0][n]) {
    *op->flag = true;
    return 1;
  }
  if (op->value && argv[0][n] == '=') {
    *op->value = argv[0] + n + 1;
    return 1;
  }
  if (!op->value || argv[0][n])
    return 0;
  if (!argv[1])
    ldx_die_text("%s: option needs an argument; try --help", op->name);
  *op->value = argv[1];
  return 2;
}

int ldx_read_arguments(struct ldx_args *a, struct ldx_options *o, struct ldx_library_search *s) {
  bool help = false, version = false, list = false, verify = false;
  const char *path = NULL, *audit = NULL;
  const struct option options[] = {
      {"--list", NULL, &list},
      {"--verify", NULL, &verify},
      {"--inhibit-cache", NULL, &s->inhibit_cache},
      {"--library-path", &path, NULL},
      {"--glibc-hwcaps-prepend", &s->hwcaps_prepend, NULL},
      {"--glibc-hwcaps-mask", &s->hwcaps_mask, NULL},
      {"--inhibit-rpath", &s->inhibit_rpath, NULL},
      {"--audit", &audit, NULL},
      {"--preload", &o->preload_option, NULL},
      {"--argv0", &o->argv0, NULL},
      {"--strict", NULL, &o->strict},
      {"--help", NULL, &help},
      {"--version", NULL, &version},
  };
  int i = 1;
  while (i < a->argc && a->argv[i][0] == '-' && a->argv[i][1] == '-') {
    if (!a->argv[i][2]) { /* -- */
      i++;
      break;
    }
    int used = 0;
    for (size_t k = 0; k < LDX_COUNT(options) && !used; k++)
      used = match(&options[k], a->argv + i);
    if (!used) {
      ldx_print(2, "ldx: unrecognized option '%s'\nTry 'ldx --help' for more information.\n", a->argv[i]);
      sys_exit(127);
    }
    i += used;
  }
  if (help)
    ldx_help();
  if (version)
    ldx_version();
  if (path) {
    s->library_path = path;
    s->library_path_source = "--library-path";
  }
  o->mode = list ? LDX_LIST : verify ? LDX_VERIFY : o->mode;
  if (audit)
    ldx_print(2, "ldx: --audit is not supported: ignored\n");
  if (i >= a->argc) {
    ldx_print(2, "ldx: missing program name\nTry 'ldx --help' for more information.\n");
    sys_exit(127);
  }
  return i;
}
