/* ldx-cache: builds, shows, explains and checks launch caches (docs/cache.md). */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ldx-cache-file.h"

#define SYSTEM_FILE "/var/cache/ldx/cache"

enum where { GIVEN, BESIDE, USER, SYSTEM };

struct options {
  bool json, verbose, stale;
  enum where where;
  const char *file, *ldx, *key, *program; /* program: --for */
  char **words;
  int count;
};

struct run {
  struct options o;
  struct session s;
  const char *self;
  bool comma; /* JSON: something stands in the list already */
};

static void usage(FILE *out) {
  fputs(
      "Usage: ldx-cache build [OPTION]... PROGRAM...     learn where the libraries of PROGRAM are, without running "
      "it\n"
      "       ldx-cache list [OPTION]... [FILE]...        print what is kept; -v: each library\n"
      "       ldx-cache explain [OPTION]... NAME|PROGRAM  say which level answers, and why others do not\n"
      "       ldx-cache verify [OPTION]... [FILE]...      say what is damaged or stale\n"
      "       ldx-cache drop [OPTION]... [PROGRAM]...     forget programs; without any: all; --stale: what is stale\n"
      "       ldx-cache path [OPTION]...                  print the levels, nearest first\n"
      "\n"
      "A launch cache spares ldx the search for libraries. ldx uses one when it is asked to: ldx --cache=auto "
      "PROGRAM,\n"
      "LDX_CACHE=auto, or \"cache\" of a policy; a file's name may stand in place of auto. What is stale or damaged\n"
      "is never believed: it costs time only.\n"
      "\n"
      "  -c, --cache FILE  this file, instead of the usual levels\n"
      "  -a, --app         build, drop: the level beside the program, PROGRAM's folder/.ldx-cache\n"
      "  -u, --user        the user's level, ~/.cache/ldx/cache: what build and drop use otherwise\n"
      "  -s, --system      the system's level, " SYSTEM_FILE "\n"
      "  -f, --for PROGRAM explain, list, path: for this program\n"
      "  -k, --key KIND    build: by what a file is known again: path (its inode, size and times), build-id,\n"
      "                    content, soname (with its versions)\n"
      "      --stale       drop: only what is stale\n"
      "      --ldx LDX     build: this ldx\n"
      "  -v, --verbose     more\n"
      "  -j, --json        print JSON\n"
      "  -h, --help        this text\n"
      "\n"
      "Exit status: 0, 1 when something is stale, damaged or failed, 2 when the command was not understood.\n",
      out);
}

/* --- words --- */

static void json_text(const char *s) {
  if (!s) {
    fputs("null", stdout);
    return;
  }
  putchar('"');
  for (; *s; s++)
    if (*s == '"' || *s == '\\')
      printf("\\%c", *s);
    else if ((unsigned char)*s < ' ')
      printf("\\u%04x", *s);
    else
      putchar(*s);
  putchar('"');
}

static void json_member(const char *name, const char *value, bool first) {
  printf("%s\"%s\":", first ? "" : ",", name);
  json_text(value);
}

static void json_next(struct run *r) {
  printf(r->comma ? ",\n " : "[");
  r->comma = true;
}

static void json_end(struct run *r) {
  if (r->o.json)
    puts(r->comma ? "]" : "[]");
}

static const char *colour(const char *code) { return isatty(1) ? code : ""; }

static const char *full_path(const char *path) {
  static char buf[PATH_MAX];
  return realpath(path, buf) ? buf : path;
}

/* --- levels --- */

static const char *user_file(void) {
  static char path[PATH_MAX];
  const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
  if (cache && *cache == '/')
    snprintf(path, sizeof path, "%s/ldx/cache", cache);
  else if (home && *home == '/')
    snprintf(path, sizeof path, "%s/.cache/ldx/cache", home);
  else
    return NULL;
  return path;
}

static const char *beside(const char *program) {
  static char path[PATH_MAX + 16];
  snprintf(path, sizeof path, "%s", full_path(program));
  char *slash = strrchr(path, '/');
  if (!slash)
    return NULL;
  strcpy(slash, "/.ldx-cache");
  return path;
}

struct level {
  char *path;
  const char *what;
};

static void add_level(struct level *l, int *n, const char *path, const char *what) {
  if (path && *n < 8)
    l[(*n)++] = (struct level){strdup(path), what};
}

/* As ldx reads the words of LDX_CACHE. */
static void add_words(struct level *l, int *n, const char *words, const char *program) {
  struct stat st;
  for (const char *p = words; *p; p += *p == ':') {
    char path[PATH_MAX];
    size_t len = strcspn(p, ":");
    snprintf(path, sizeof path, "%.*s", (int)len, p);
    if (!strcmp(path, "auto")) {
      add_level(l, n, program ? beside(program) : NULL, "beside the program");
      add_level(l, n, user_file(), "user");
      add_level(l, n, SYSTEM_FILE, "system");
    } else if (len) {
      if (!stat(path, &st) && S_ISDIR(st.st_mode))
        snprintf(path + len, sizeof path - len, "/cache");
      add_level(l, n, path, "named");
    }
    p += len;
  }
}

static int levels(const struct run *r, const char *program, struct level *l) {
  int n = 0;
  const char *asked = getenv("LDX_CACHE");
  if (r->o.file)
    add_words(l, &n, r->o.file, program);
  else if (r->o.where == BESIDE)
    add_level(l, &n, program ? beside(program) : NULL, "beside the program");
  else if (r->o.where == USER)
    add_level(l, &n, user_file(), "user");
  else if (r->o.where == SYSTEM)
    add_level(l, &n, SYSTEM_FILE, "system");
  else
    add_words(l, &n, asked && *asked && strcmp(asked, "none") ? asked : "auto", program);
  return n;
}

static int show_path(struct run *r) {
  struct level l[8];
  const char *program = r->o.program ? r->o.program : r->o.count ? r->o.words[0] : NULL;
  int n = levels(r, program, l);
  for (int i = 0; i < n; i++) {
    bool there = !access(l[i].path, F_OK);
    if (r->o.json) {
      json_next(r);
      putchar('{');
      json_member("path", l[i].path, true);
      json_member("level", l[i].what, false);
      printf(",\"exists\":%s}", there ? "true" : "false");
    } else {
      printf("%-18s  %s%s\n", l[i].what, l[i].path, there ? "" : "  (not there)");
    }
  }
  json_end(r);
  return 0;
}

/* --- list and verify --- */

static void print_entry(struct run *r, const struct ldx_record_view *v, const struct ldx_cache_entry *e,
                        const char *fault) {
  char key[2 * LDX_CACHE_KEY_SIZE + 1];
  const char *path = ldx_record_text(v, e->path), *from = ldx_record_text(v, e->from);
  if (!r->o.json) {
    printf("    %-28s %s%s%s%s\n", ldx_record_text(v, e->name), path ? path : "(nowhere)",
           fault ? colour("\033[33m") : "", fault ? "  stale" : "", fault ? colour("\033[m") : "");
    return;
  }
  putchar('{');
  json_member("name", ldx_record_text(v, e->name), true);
  json_member("path", path, false);
  json_member("from", from, false);
  json_member("key", path ? ldx_key_kind_name(e->key.kind) : NULL, false);
  json_member("value", path ? key_text(&e->key, key) : NULL, false);
  json_member("stale", fault, false);
  putchar('}');
}

struct tally {
  uint32_t entries, nowhere, stale, folders;
  const char *fault; /* of the record */
};

static struct tally count(struct run *r, const struct ldx_record_view *v, bool check) {
  struct tally t = {.entries = v->head->entries};
  for (uint32_t i = 0; i < v->head->witnesses; i++)
    t.folders += v->witnesses[i].kind == LDX_WITNESS_FOLDER;
  for (uint32_t i = 0; i < v->head->entries; i++) {
    t.nowhere += !v->entries[i].path;
    t.stale += check && entry_fault(&r->s, v, &v->entries[i]);
  }
  const char *fault = check ? record_fault(&r->s, v) : NULL;
  t.fault = fault ? strdup(fault) : NULL;
  return t;
}

static void print_settings(const struct ldx_record_view *v) {
  static const char *const names[] = {
      "LD_LIBRARY_PATH", "LD_ORIGIN_PATH", "glibc-hwcaps-prepend", "glibc-hwcaps-mask", "inhibit-rpath", "key",
      "policy"};
  char buf[4096];
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    const char *value = record_setting(v, names[i], buf, sizeof buf);
    if (value && strcmp(value, "(none)") && strcmp(value, "0"))
      printf("    %s=%s\n", names[i], value);
  }
}

/* True when it is stale. */
static bool print_record(struct run *r, const char *file, const struct ldx_record_view *v, bool check) {
  struct tally t = count(r, v, check);
  const char *program = ldx_record_text(v, v->head->program);
  char when[32];
  time_t written = (time_t)v->slot->written;
  strftime(when, sizeof when, "%Y-%m-%d %H:%M", localtime(&written));
  if (r->o.json) {
    json_next(r);
    putchar('{');
    json_member("file", file, true);
    json_member("program", program, false);
    json_member("settings", ldx_record_text(v, v->head->settings), false);
    printf(",\"written\":%lld,\"folders\":%u,\"entries\":[", (long long)v->slot->written, t.folders);
    for (uint32_t i = 0; i < v->head->entries; i++) {
      printf("%s", i ? "," : "");
      print_entry(r, v, &v->entries[i], check ? entry_fault(&r->s, v, &v->entries[i]) : NULL);
    }
    putchar(']');
    json_member("stale", t.fault, false);
    putchar('}');
  } else {
    printf("  %s: %u libraries, %u of them nowhere, depending on %u folders, %s\n", program, t.entries, t.nowhere,
           t.folders, when);
    if (t.fault)
      printf("    %sstale:%s %s\n", colour("\033[33m"), colour("\033[m"), t.fault);
    else if (t.stale && !r->o.verbose)
      printf("    %s%u stale%s\n", colour("\033[33m"), t.stale, colour("\033[m"));
    if (r->o.verbose)
      print_settings(v);
    for (uint32_t i = 0; r->o.verbose && i < v->head->entries; i++)
      print_entry(r, v, &v->entries[i], check ? entry_fault(&r->s, v, &v->entries[i]) : NULL);
  }
  return t.fault || t.stale;
}

static bool is_for(const struct run *r, const struct ldx_record_view *v) {
  return !r->o.program || !strcmp(full_path(r->o.program), ldx_record_text(v, v->head->program));
}

/* What is wrong with a file as a whole. */
static void print_fault(struct run *r, const char *file, const char *fault) {
  if (!r->o.json) {
    printf("  %s%s%s\n", colour("\033[31m"), *fault ? fault : "is not there", colour("\033[m"));
    return;
  }
  json_next(r);
  putchar('{');
  json_member("file", file, true);
  json_member("fault", *fault ? fault : "is not there", false);
  putchar('}');
}

static bool show_file(struct run *r, const char *path, const char *what, bool check) {
  struct cache c;
  bool bad = false;
  cache_read(&r->s, path, &c);
  if (!r->o.json)
    printf("%s%s%s%s%s\n", path, what ? " (" : "", what ? what : "", what ? ")" : "", c.fault ? "" : ":");
  if (c.fault) {
    print_fault(r, path, c.fault);
    bad = *c.fault || what == NULL;
  }
  for (uint32_t i = 0; i < c.view.records; i++) {
    struct ldx_record_view v;
    if (ldx_cache_read(&c.view, i, &v)) {
      print_fault(r, path, "has a damaged record");
      bad = true;
    } else if (is_for(r, &v)) {
      bad |= print_record(r, path, &v, check);
    }
  }
  cache_free(&r->s, &c);
  return bad;
}

static int show(struct run *r, bool check) {
  struct level l[8];
  bool bad = false;
  int n = r->o.count ? 0 : levels(r, r->o.program, l);
  for (int i = 0; i < r->o.count; i++)
    bad |= show_file(r, r->o.words[i], NULL, check);
  for (int i = 0; i < n; i++)
    bad |= show_file(r, l[i].path, r->o.file ? NULL : l[i].what, check);
  json_end(r);
  return bad && check;
}

/* --- explain --- */

struct verdict {
  const char *fault; /* NULL: this is the answer */
  const struct ldx_record_view *record;
  const struct ldx_cache_entry *entry;
};

/* Why the answer is not one for this environment. */
static const char *other_settings(const struct ldx_record_view *v) {
  static char text[4600];
  char was[2048];
  const char *now = getenv("LD_LIBRARY_PATH");
  if (!record_setting(v, "LD_LIBRARY_PATH", was, sizeof was) || !strcmp(was, now ? now : "(none)"))
    return NULL;
  snprintf(text, sizeof text, "is for LD_LIBRARY_PATH=%s, which is now %s", was, now ? now : "not set");
  return text;
}

static void print_verdict(struct run *r, const struct level *l, const struct verdict *v, bool answers) {
  const char *path = v->entry ? ldx_record_text(v->record, v->entry->path) : NULL;
  const char *program = v->record ? ldx_record_text(v->record, v->record->head->program) : NULL;
  const char *from = v->entry ? ldx_record_text(v->record, v->entry->from) : NULL;
  if (r->o.json) {
    json_next(r);
    putchar('{');
    json_member("file", l->path, true);
    json_member("level", l->what, false);
    json_member("program", program, false);
    json_member("name", v->entry ? ldx_record_text(v->record, v->entry->name) : NULL, false);
    json_member("path", path, false);
    json_member("from", from, false);
    printf(",\"answers\":%s", answers ? "true" : "false");
    json_member("why_not", v->fault, false);
    putchar('}');
    return;
  }
  if (!v->entry) {
    printf("%s (%s): %s\n", l->path, l->what, v->fault);
    return;
  }
  printf("%s (%s): %s for %s, asked for by %s:\n  %s\n", l->path, l->what, ldx_record_text(v->record, v->entry->name),
         program, from ? from : "nobody", path ? path : "(nowhere)");
  if (answers)
    printf("  %sanswers%s\n", colour("\033[32m"), colour("\033[m"));
  else if (v->fault)
    printf("  %sstale:%s %s\n", colour("\033[33m"), colour("\033[m"), v->fault);
  else
    puts("  would answer, but a nearer level does");
}

/* Every entry of the name (NULL: of all names). `done` has one bit of memory for each program that was answered: the
 * nearest level wins. */
struct answered {
  char *at[4096];
  size_t count;
};

static bool is_answered(struct answered *a, const struct ldx_record_view *v, const struct ldx_cache_entry *e) {
  char id[80];
  snprintf(id, sizeof id, "%016llx %016llx %016llx", (unsigned long long)v->slot->id,
           (unsigned long long)e->context.at[0], (unsigned long long)e->context.at[1]);
  for (size_t i = 0; i < a->count; i++)
    if (!strcmp(a->at[i], id))
      return true;
  if (a->count < sizeof a->at / sizeof *a->at)
    a->at[a->count++] = strdup(id);
  return false;
}

static int explain_record(struct run *r, const struct level *l, const struct ldx_record_view *v, const char *name,
                          struct answered *done) {
  const char *found = other_settings(v);
  if (!found)
    found = record_fault(&r->s, v);
  char *fault = found ? strdup(found) : NULL;
  int shown = 0;
  for (uint32_t i = 0; i < v->head->entries; i++) {
    const struct ldx_cache_entry *e = &v->entries[i];
    if (name && strcmp(ldx_record_text(v, e->name), name))
      continue;
    const struct verdict x = {fault ? fault : entry_fault(&r->s, v, e), v, e};
    print_verdict(r, l, &x, !x.fault && !is_answered(done, v, e));
    shown++;
  }
  free(fault);
  return shown;
}

static int explain(struct run *r) {
  struct level l[8];
  static struct answered done;
  const char *word = r->o.count ? r->o.words[0] : NULL;
  if (!word) {
    fputs("ldx-cache: explain what? A library's name, or a program; see ldx-cache --help\n", stderr);
    return 2;
  }
  const char *name = strchr(word, '/') ? NULL : word;
  if (!name)
    r->o.program = word;
  int n = levels(r, r->o.program, l), shown = 0;
  for (int i = 0; i < n; i++) {
    struct cache c;
    int here = 0;
    cache_read(&r->s, l[i].path, &c);
    for (uint32_t k = 0; k < c.view.records; k++) {
      struct ldx_record_view v;
      if (!ldx_cache_read(&c.view, k, &v) && is_for(r, &v))
        here += explain_record(r, &l[i], &v, name, &done);
    }
    if (!here)
      print_verdict(r, &l[i],
                    &(struct verdict){.fault = !c.fault   ? "knows nothing of it"
                                               : *c.fault ? c.fault
                                                          : "is not there"},
                    false);
    shown += here;
    cache_free(&r->s, &c);
  }
  json_end(r);
  return !shown;
}

/* --- drop --- */

static bool wants_drop(void *arg, const struct ldx_record_view *v) {
  struct run *r = arg;
  const char *program = ldx_record_text(v, v->head->program);
  bool named = !r->o.count;
  for (int i = 0; i < r->o.count; i++)
    named |= !strcmp(full_path(r->o.words[i]), program) || !strcmp(r->o.words[i], program);
  if (!named || !r->o.stale)
    return named;
  bool stale = record_fault(&r->s, v);
  for (uint32_t i = 0; i < v->head->entries && !stale; i++)
    stale = entry_fault(&r->s, v, &v->entries[i]);
  return stale;
}

/* The one file that a command writes. */
static const char *own_file(const struct run *r, const char *program) {
  if (r->o.file)
    return r->o.file;
  return r->o.where == BESIDE ? (program ? beside(program) : NULL) : r->o.where == SYSTEM ? SYSTEM_FILE : user_file();
}

static int drop(struct run *r) {
  const char *file = own_file(r, r->o.count ? r->o.words[0] : NULL);
  int n = file ? cache_drop(&r->s, file, wants_drop, r) : 0;
  if (!file || n < 0) {
    fprintf(stderr, "ldx-cache: %s: %s\n", file ? file : "(no file)", file ? strerror(errno) : "name one by --cache");
    return 1;
  }
  printf("%s: %d record%s dropped\n", file, n, n == 1 ? "" : "s");
  return 0;
}

/* --- build --- */

static const char *find_ldx(const struct run *r) {
  static char path[PATH_MAX + 16];
  char self[PATH_MAX];
  if (r->o.ldx)
    return r->o.ldx;
  ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
  static const char *const places[] = {"ldx", "../src/ldx"};
  self[n > 0 ? n : 0] = '\0';
  char *slash = strrchr(self, '/');
  for (size_t i = 0; slash && i < sizeof places / sizeof *places; i++) {
    snprintf(path, sizeof path, "%.*s/%s", (int)(slash - self), self, places[i]);
    if (!access(path, X_OK))
      return path;
  }
  return "ldx";
}

extern char **environ;

static int build_one(struct run *r, const char *program, const char *file) {
  char cache[PATH_MAX + 16], key[64];
  snprintf(cache, sizeof cache, "--cache=%s", file);
  snprintf(key, sizeof key, "--cache-key=%s", r->o.key ? r->o.key : "path");
  char path[PATH_MAX];
  snprintf(path, sizeof path, "%s", full_path(program));
  char *argv[] = {(char *)find_ldx(r),    "--list", cache, r->o.key ? key : "--", r->o.key ? "--" : path,
                  r->o.key ? path : NULL, NULL};
  posix_spawn_file_actions_t quiet;
  posix_spawn_file_actions_init(&quiet);
  posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", O_WRONLY, 0);
  pid_t pid;
  int error = posix_spawnp(&pid, argv[0], &quiet, NULL, argv, environ), status = 0;
  posix_spawn_file_actions_destroy(&quiet);
  if (error) {
    fprintf(stderr, "ldx-cache: %s: %s\n", argv[0], strerror(error));
    return 1;
  }
  waitpid(pid, &status, 0);
  return !WIFEXITED(status) || WEXITSTATUS(status);
}

static int count_of(struct run *r, const char *program, const char *file) {
  struct cache c;
  int n = -1;
  cache_read(&r->s, file, &c);
  for (uint32_t i = 0; i < c.view.records; i++) {
    struct ldx_record_view v;
    if (!ldx_cache_read(&c.view, i, &v) && !strcmp(ldx_record_text(&v, v.head->program), full_path(program)))
      n = (int)v.head->entries > n ? (int)v.head->entries : n;
  }
  cache_free(&r->s, &c);
  return n;
}

static int build(struct run *r) {
  int failed = 0;
  bool tell = isatty(2) && r->o.count > 1;
  if (!r->o.count) {
    fputs("ldx-cache: build for which program? See ldx-cache --help\n", stderr);
    return 2;
  }
  for (int i = 0; i < r->o.count; i++) {
    const char *program = r->o.words[i], *file = own_file(r, program);
    if (!file) {
      fprintf(stderr, "ldx-cache: %s: no file: name one by --cache\n", program);
      failed = 1;
      continue;
    }
    if (tell)
      fprintf(stderr, "\r\033[K[%d/%d] %s", i + 1, r->o.count, program);
    int bad = build_one(r, program, file), n = bad ? -1 : count_of(r, program, file);
    if (tell)
      fputs("\r\033[K", stderr);
    if (n >= 0)
      printf("%s: %d libraries, in %s\n", program, n, file);
    else
      fprintf(stderr, "ldx-cache: %s: %s\n", program,
              bad ? "its libraries cannot be found"
                  : "nothing was kept: a folder that it searches has changed this moment, or cannot be relied upon");
    failed |= n < 0;
  }
  return failed;
}

/* --- the command --- */

enum { OPT_STALE = 256, OPT_LDX };

static bool read_options(struct run *r, int argc, char **argv) {
  static const struct option options[] = {
      {"cache", required_argument, NULL, 'c'}, {"app", no_argument, NULL, 'a'},
      {"user", no_argument, NULL, 'u'},        {"system", no_argument, NULL, 's'},
      {"for", required_argument, NULL, 'f'},   {"key", required_argument, NULL, 'k'},
      {"stale", no_argument, NULL, OPT_STALE}, {"ldx", required_argument, NULL, OPT_LDX},
      {"verbose", no_argument, NULL, 'v'},     {"json", no_argument, NULL, 'j'},
      {"help", no_argument, NULL, 'h'},        {NULL, 0, NULL, 0}};
  for (int c; (c = getopt_long(argc, argv, "c:ausf:k:vjh", options, NULL)) != -1;)
    switch (c) {
    case 'c':
      r->o.file = optarg;
      break;
    case 'a':
      r->o.where = BESIDE;
      break;
    case 'u':
      r->o.where = USER;
      break;
    case 's':
      r->o.where = SYSTEM;
      break;
    case 'f':
      r->o.program = optarg;
      break;
    case 'k':
      r->o.key = optarg;
      break;
    case OPT_STALE:
      r->o.stale = true;
      break;
    case OPT_LDX:
      r->o.ldx = optarg;
      break;
    case 'v':
      r->o.verbose = true;
      break;
    case 'j':
      r->o.json = true;
      break;
    case 'h':
      usage(stdout);
      exit(0);
    default:
      return false;
    }
  r->o.words = argv + optind + 1;
  r->o.count = argc - optind - 1;
  return optind < argc;
}

int main(int argc, char **argv) {
  struct run r = {.self = argv[0]};
  r.s.places.heap = &r.s.heap;
  if (!read_options(&r, argc, argv)) {
    usage(stderr);
    return 2;
  }
  const char *command = argv[optind];
  if (!strcmp(command, "build"))
    return build(&r);
  if (!strcmp(command, "list"))
    return show(&r, r.o.verbose);
  if (!strcmp(command, "explain"))
    return explain(&r);
  if (!strcmp(command, "verify"))
    return show(&r, true);
  if (!strcmp(command, "drop"))
    return drop(&r);
  if (!strcmp(command, "path"))
    return show_path(&r);
  fprintf(stderr, "ldx-cache: no such command: %s\n", command);
  usage(stderr);
  return 2;
}
