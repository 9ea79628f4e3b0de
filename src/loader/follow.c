#include "loader/follow.h"

#include <fcntl.h>
#include <string.h>

#include "base/print.h"
#include "base/sys.h"
#include "base/text.h"
#include "loader/load.h"

enum { HEAD = 256 /* as much of a script's first line as the kernel reads */, MAX_SCRIPTS = 4, MAX_PATH = 4096 };
#define PATH_OF_SHELL "/bin/sh"

/* A file to be run, seen through its scripts: "#! A", where A begins with "#! B x", is B x A FILE. */
struct target {
  const char *program;
  const char *words[2 * MAX_SCRIPTS]; /* between the program and the first argument, last first */
  uint32_t count;
  char lines[MAX_SCRIPTS][HEAD];
};

/* --- what is to go on ------------------------------------------------------------------------------------ */

static void *must_have(void *p) {
  if (!p)
    ldx_die_text("%s: cannot allocate memory", ldx_self.program_name);
  return p;
}

/* Paths that are not absolute, in a text of `separator`s or of one path, become so: programs change their folder. */
static const char *absolute(const char *text, const char *separator) {
  char folder[MAX_PATH];
  long n = sys_getcwd(folder, sizeof folder);
  if (ldx_sys_failed(n) || !strchr(text, '/'))
    return text;
  size_t parts = 1;
  for (const char *p = text; *p; p++)
    parts += *p == *separator;
  char *out = must_have(ldx_new(strlen(text) + parts * (size_t)n + 2)), *to = out;
  for (const char *p = text;; p++) {
    size_t size = ldx_until(p, separator);
    bool relative = *p != '/' && memchr(p, '/', size);
    to += ldx_format(to, MAX_PATH, "%s%s", relative ? folder : "", relative ? "/" : "");
    memcpy(to, p, size);
    to += size;
    p += size;
    *to = *p;
    if (!*p)
      return out;
    to++;
  }
}

/* "LDX_NAME=a:b" */
static const char *absolute_variable(const char *entry) {
  const char *value = strchr(entry, '=') + 1, *fixed = absolute(value, ":");
  if (fixed == value)
    return entry;
  size_t size = strlen(entry) + strlen(fixed) + 1;
  char *out = must_have(ldx_new(size));
  ldx_format(out, size, "%.*s%s", (int)(value - entry), entry, fixed);
  return out;
}

static void note_environment(struct ldx_following *f) {
  size_t count = 0;
  for (char **e = ldx_self.args.envp; *e; e++)
    count += !strncmp(*e, "LDX_", 4) && strchr(*e, '=');
  f->environment = must_have(ldx_new((count + 1) * sizeof *f->environment));
  for (char **e = ldx_self.args.envp; *e; e++)
    if (!strncmp(*e, "LDX_", 4) && strchr(*e, '='))
      f->environment[f->environment_count++] = absolute_variable(*e);
}

static void note_options(struct ldx_following *f) {
  const struct ldx_words *given = &ldx_self.options.passed_on;
  f->words = must_have(ldx_new((given->count + 2) * sizeof *f->words));
  f->words[f->word_count++] = "--followed";
  for (size_t i = 0; i < given->count; i++)
    f->words[f->word_count++] = absolute(given->at[i], "");
}

void ldx_follow_begin(void) {
  struct ldx_following *f = &ldx_self.watches.following;
  char path[MAX_PATH];
  if (f->loader || !ldx_self.options.follow)
    return;
  note_environment(f);
  note_options(f);
  long n = ldx_self.options.command ? sys_readlink("/proc/self/exe", path, sizeof path - 1) : -1;
  f->loader = ldx_sys_failed(n) ? absolute(ldx_self.interp_name, "") : ldx_strndup(&ldx_self.heap, path, (size_t)n);
}

/* --- what a file is -------------------------------------------------------------------------------------- */

/* Without the privileges that its file gives it would be another program. */
static bool is_privileged(int fd, const struct stat *st) {
  char value[64];
  bool has_capabilities = LDX_SYS(SYS_fgetxattr, fd, "security.capability", value, sizeof value, 0, 0) > 0;
  return (st->st_mode & (S_ISUID | S_ISGID)) || has_capabilities;
}

static bool has_tools(void) {
  const struct ldx_options *o = &ldx_self.options;
  return o->tools.count || (o->tools_env && *o->tools_env);
}

/* Tools of a namespace of their own cannot be used with musl: its programs run without. */
static bool can_load_for(int fd, const Elf64_Phdr *interp) {
  char name[HEAD] = "";
  if (interp->p_filesz >= sizeof name || sys_pread(fd, name, interp->p_filesz, (int64_t)interp->p_offset) <= 0)
    return false;
  const char *base = strrchr(name, '/');
  return !has_tools() || !base || strncmp(base + 1, "ld-musl-", 8);
}

static bool can_load(int fd, const char *head, size_t size) {
  Elf64_Ehdr eh;
  Elf64_Phdr ph;
  if (size < sizeof eh)
    return false;
  memcpy(&eh, head, sizeof eh);
  if (memcmp(eh.e_ident, ELFMAG, SELFMAG) || eh.e_ident[EI_CLASS] != ELFCLASS64 || eh.e_machine != EM_X86_64 ||
      eh.e_phentsize != sizeof ph)
    return false;
  for (unsigned i = 0; i < eh.e_phnum; i++) {
    if (sys_pread(fd, &ph, sizeof ph, (int64_t)(eh.e_phoff + i * sizeof ph)) != (long)sizeof ph)
      return false;
    if (ph.p_type == PT_INTERP)
      return can_load_for(fd, &ph);
  }
  return false;
}

/* The interpreter that the first line names, and its argument. */
static bool read_script(struct target *t, char *line, size_t size) {
  if (t->count + 2 >= LDX_COUNT(t->words))
    return false;
  line[size < HEAD ? size : HEAD - 1] = '\0';
  line[ldx_until(line, "\n")] = '\0';
  char *name = line + 2 + ldx_skip(line + 2, " \t"), *rest = name + ldx_until(name, " \t");
  t->words[t->count++] = t->program;
  if (*rest) {
    *rest++ = '\0';
    rest += ldx_skip(rest, " \t");
    size_t n = strlen(rest);
    while (n && (rest[n - 1] == ' ' || rest[n - 1] == '\t'))
      rest[--n] = '\0';
    if (n)
      t->words[t->count++] = rest;
  }
  t->program = name;
  return *name;
}

enum kind { OTHER, SCRIPT, PROGRAM };

static enum kind look_at(struct target *t, char *line) {
  struct stat st;
  enum kind kind = OTHER;
  if (sys_access(t->program, 1 /* X_OK */))
    return OTHER;
  long fd = sys_open(t->program, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (ldx_sys_failed(fd))
    return OTHER;
  if (!ldx_sys_failed(sys_fstat((int)fd, &st)) && S_ISREG(st.st_mode) && !is_privileged((int)fd, &st)) {
    long n = sys_read((int)fd, line, HEAD);
    if (n > 2 && line[0] == '#' && line[1] == '!')
      kind = read_script(t, line, (size_t)n) ? SCRIPT : OTHER;
    else if (n > 0 && can_load((int)fd, line, (size_t)n))
      kind = PROGRAM;
  }
  sys_close((int)fd);
  return kind;
}

static bool find_target(struct target *t, const char *path) {
  *t = (struct target){.program = path};
  for (int i = 0; i < MAX_SCRIPTS; i++) {
    enum kind kind = look_at(t, t->lines[i]);
    if (kind != SCRIPT)
      return kind == PROGRAM;
  }
  return false;
}

bool ldx_is_program(const char *path) {
  char head[4];
  struct stat st;
  if (sys_access(path, 1 /* X_OK */) || ldx_sys_failed(sys_stat(path, &st)) || !S_ISREG(st.st_mode))
    return false;
  long fd = sys_open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  long n = ldx_sys_failed(fd) ? 0 : sys_read((int)fd, head, sizeof head);
  if (!ldx_sys_failed(fd))
    sys_close((int)fd);
  return n == (long)sizeof head && (!memcmp(head, ELFMAG, SELFMAG) || (head[0] == '#' && head[1] == '!'));
}

static const char *value_of(char *const *envp, const char *name) {
  size_t n = strlen(name);
  for (; envp && *envp; envp++)
    if (!strncmp(*envp, name, n) && (*envp)[n] == '=')
      return *envp + n + 1;
  return NULL;
}

bool ldx_find_in_path(const char *name, char *path, size_t size) {
  const char *p = value_of(ldx_environment(), "PATH");
  struct stat st;
  if (strchr(name, '/') || !*name)
    return *name && ldx_format(path, size, "%s", name) < size;
  for (p = p ? p : "/bin:/usr/bin";; p++) {
    size_t n = ldx_until(p, ":");
    size_t length = ldx_format(path, size, "%.*s%s%s", (int)n, p, n ? "/" : "./", name);
    if (length < size && !sys_access(path, 1 /* X_OK */) && !ldx_sys_failed(sys_stat(path, &st)) &&
        S_ISREG(st.st_mode))
      return true;
    p += n;
    if (!*p)
      return false;
  }
}

/* --- what it becomes ------------------------------------------------------------------------------------- */

static size_t count_strings(char *const *v) {
  size_t n = 0;
  while (v && v[n])
    n++;
  return n;
}

/* The program's own words, and behind them what it lacks of ldx's variables. */
static void fill_environment(const char **out, char *const *envp) {
  const struct ldx_following *f = &ldx_self.watches.following;
  size_t n = count_strings(envp);
  if (n)
    memcpy(out, envp, n * sizeof *out);
  for (size_t i = 0; i < f->environment_count; i++) {
    const char *e = f->environment[i];
    size_t name = ldx_until(e, "=") + 1, k = 0;
    while (k < n && strncmp(out[k], e, name))
      k++;
    if (k == n)
      out[n++] = e;
  }
  out[n] = NULL;
}

static void fill_arguments(const char **out, const struct target *t, char *const *argv) {
  const struct ldx_following *f = &ldx_self.watches.following;
  size_t n = 0, given = count_strings(argv);
  out[n++] = f->loader;
  for (size_t i = 0; i < f->word_count; i++)
    out[n++] = f->words[i];
  out[n++] = "--argv0";
  out[n++] = t->count ? t->program : given ? argv[0] : "";
  out[n++] = "--";
  out[n++] = t->program;
  for (uint32_t i = t->count; i-- > 0;)
    out[n++] = t->words[i];
  for (size_t i = 1; i < given; i++)
    out[n++] = argv[i];
  out[n] = NULL;
}

/* A name without a slash is a file of the current folder here, but not to ldx. */
static void add_folder(struct target *t, char *buffer, size_t size) {
  if (!strchr(t->program, '/') && ldx_format(buffer, size, "./%s", t->program) < size)
    t->program = buffer;
}

static __attribute__((noinline)) long run_target(const struct target *found, char *const *argv, char *const *envp,
                                                 ldx_run_function *run, void *arg) {
  const struct ldx_following *f = &ldx_self.watches.following;
  struct target own = *found, *t = &own;
  char named[HEAD];
  const char *words[count_strings(argv) + f->word_count + t->count + 6];
  const char *environment[count_strings(envp) + f->environment_count + 1];
  add_folder(t, named, sizeof named);
  fill_arguments(words, t, argv);
  fill_environment(environment, envp);
  return run(arg, f->loader, (char *const *)words, (char *const *)environment);
}

long ldx_run_followed(const char *path, char *const *argv, char *const *envp, ldx_run_function *run, void *arg) {
  struct target t;
  if (!path || !ldx_self.watches.following.loader || !find_target(&t, path))
    return run(arg, path, argv, envp);
  return run_target(&t, argv, envp, run, arg);
}

/* In single quotes; returns the end. Without a place only counts. */
static size_t quote(char *to, const char *text) {
  size_t n = 0;
  for (const char *p = text; *p; p++) {
    const char *piece = *p == '\'' ? "'\\''" : NULL;
    size_t size = piece ? 4 : 1;
    if (to)
      memcpy(to + 1 + n, piece ? piece : p, size);
    n += size;
  }
  if (to)
    to[0] = to[n + 1] = '\'';
  return n + 2;
}

static size_t add_word(char *to, size_t n, const char *word) {
  n += quote(to ? to + n : NULL, word);
  if (to)
    to[n] = ' ';
  return n + 1;
}

/* exec 'ldx' OPTIONS '--' '/bin/sh' '-c' 'COMMAND' */
static size_t write_command(char *to, const char *command) {
  static const char start[] = "exec ";
  const struct ldx_following *f = &ldx_self.watches.following;
  const char *const rest[] = {"--argv0", "sh", "--", PATH_OF_SHELL, "-c", command};
  size_t n = sizeof start - 1;
  if (to)
    memcpy(to, start, n);
  n = add_word(to, n, f->loader);
  for (size_t i = 0; i < f->word_count; i++)
    n = add_word(to, n, f->words[i]);
  for (size_t i = 0; i < LDX_COUNT(rest); i++)
    n = add_word(to, n, rest[i]);
  if (to)
    to[n - 1] = '\0';
  return n;
}

char *ldx_follow_command(const char *command) {
  struct target t;
  if (!command || !ldx_self.watches.following.loader || !find_target(&t, PATH_OF_SHELL) || t.count)
    return NULL;
  char *text = ldx_new(write_command(NULL, command));
  if (text)
    write_command(text, command);
  return text;
}
