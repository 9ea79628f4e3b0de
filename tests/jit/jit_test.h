/* What the programs of this folder share: checks that name their line, code made by hand, and a list of cases.
 *
 * A program is `PROGRAM CASE`; it says nothing and ends with 0 when all is as it should be. */
#pragma once
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <ldx/jit.h>
#include <link.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Weak: these programs look for them at run time, without libldx.a. Libraries of this folder leave them undefined. */
#pragma weak ldx_jit_new
#pragma weak ldx_jit_alloc
#pragma weak ldx_jit_writable
#pragma weak ldx_jit_free
#pragma weak ldx_jit_bind
#pragma weak ldx_jit_unbind
#pragma weak ldx_jit_frames
#pragma weak ldx_jit_frame
#pragma weak ldx_jit_lines
#pragma weak ldx_jit_debug
#pragma weak ldx_jit_publish
#pragma weak ldx_jit_discard
#pragma weak ldx_jit_delete

static int checks_failed;

__attribute__((format(printf, 3, 4))) static inline void wrong(const char *file, int line, const char *format, ...) {
  char text[1024];
  va_list args;
  va_start(args, format);
  int n = snprintf(text, sizeof text, "%s:%d: ", file, line);
  vsnprintf(text + n, sizeof text - (size_t)n - 1, format, args);
  va_end(args);
  strcat(text, "\n");
  if (__atomic_add_fetch(&checks_failed, 1, __ATOMIC_RELAXED) < 20 && write(2, text, strlen(text)) < 0)
    _exit(99);
}

#define CHECK(condition)                                                                                             \
  do {                                                                                                               \
    if (!(condition))                                                                                                \
      wrong(__FILE__, __LINE__, "%s", #condition);                                                                   \
  } while (0)
/* Two integers; both are told. */
#define SAME(a, b)                                                                                                   \
  do {                                                                                                               \
    long a_ = (long)(a), b_ = (long)(b);                                                                             \
    if (a_ != b_)                                                                                                    \
      wrong(__FILE__, __LINE__, "%s is %ld (%#lx), not %ld (%#lx)", #a, a_, (unsigned long)a_, b_,                   \
            (unsigned long)b_);                                                                                      \
  } while (0)
/* Without it the rest makes no sense. */
#define MUST(condition)                                                                                              \
  do {                                                                                                               \
    if (!(condition)) {                                                                                              \
      wrong(__FILE__, __LINE__, "cannot go on without: %s (%s)", #condition, dlerror());                             \
      exit(98);                                                                                                      \
    }                                                                                                                \
  } while (0)

typedef int function(void);

static inline ldx_jit *make_jit(const char *name, uint32_t flags) {
  ldx_jit *jit = NULL;
  int r = ldx_jit_new(name, flags, NULL, &jit);
  if (r || !jit) {
    wrong(__FILE__, __LINE__, "ldx_jit_new(%s): %d", name, r);
    exit(98);
  }
  return jit;
}

/* Code of these bytes. */
static inline void *put_code(ldx_jit *jit, const void *bytes, size_t size) {
  void *at = ldx_jit_alloc(jit, size, 16, LDX_JIT_CODE);
  MUST(at);
  memcpy(ldx_jit_writable(jit, at), bytes, size);
  return at;
}

enum { RETURNS_SIZE = 6 };
/* int f(void) { return value; } */
static inline void write_returns(void *to, int value) {
  unsigned char code[RETURNS_SIZE] = {0xb8, 0, 0, 0, 0, 0xc3};
  memcpy(code + 1, &value, 4);
  memcpy(to, code, sizeof code);
}
static inline void *returns(ldx_jit *jit, int value) {
  unsigned char code[RETURNS_SIZE];
  write_returns(code, value);
  return put_code(jit, code, sizeof code);
}

static inline int bind_as(ldx_jit *jit, const char *name, const char *version, void *addr, size_t bytes,
                          uint32_t type, uint32_t flags) {
  struct ldx_jit_symbol s = {
      .size = sizeof s, .flags = flags, .name = name, .version = version, .addr = addr, .bytes = bytes, .type = type};
  return ldx_jit_bind(jit, &s);
}
static inline int bind_function(ldx_jit *jit, const char *name, void *addr) {
  return bind_as(jit, name, NULL, addr, RETURNS_SIZE, STT_FUNC, 0);
}
/* A published function that returns a value. */
static inline void *publish_function(ldx_jit *jit, const char *name, int value) {
  void *at = returns(jit, value);
  SAME(bind_function(jit, name, at), 0);
  SAME(ldx_jit_publish(jit), 0);
  return at;
}

static inline void *find(void *handle, const char *name) { return dlsym(handle, name); }
static inline bool found_nowhere(void *handle, const char *name) {
  dlerror();
  return !dlsym(handle, name) && dlerror();
}

static inline struct link_map *map_of(void *handle) {
  struct link_map *map = NULL;
  MUST(dlinfo(handle, RTLD_DI_LINKMAP, &map) == 0);
  return map;
}

/* --- what the kernel says of the process -------------------------------------------------------------------- */

struct mapping {
  uintptr_t low, high;
  char perms[5];
  unsigned long inode;
  char name[256];
};
static inline void each_mapping(void (*each)(void *arg, const struct mapping *), void *arg) {
  FILE *f = fopen("/proc/self/maps", "r");
  char line[1024];
  MUST(f);
  while (fgets(line, sizeof line, f)) {
    struct mapping m;
    memset(&m, 0, sizeof m);
    if (sscanf(line, "%lx-%lx %4s %*x %*s %lu %255[^\n]", &m.low, &m.high, m.perms, &m.inode, m.name) >= 4)
      each(arg, &m);
  }
  fclose(f);
}

struct search_mapping {
  uintptr_t at;
  struct mapping found;
};
static inline void match_mapping(void *arg, const struct mapping *m) {
  struct search_mapping *s = (struct search_mapping *)arg;
  if (s->at >= m->low && s->at < m->high)
    s->found = *m;
}
static inline struct mapping mapping_at(const void *address) {
  struct search_mapping s;
  memset(&s, 0, sizeof s);
  s.at = (uintptr_t)address;
  each_mapping(match_mapping, &s);
  return s.found;
}

static inline void count_memory_file(void *arg, const struct mapping *m) {
  *(size_t *)arg += strstr(m->name, "memfd:") != NULL;
}
/* How many mappings of files in memory there are. */
static inline size_t memory_file_mappings(void) {
  size_t n = 0;
  each_mapping(count_memory_file, &n);
  return n;
}

static inline size_t open_descriptors(void) {
  size_t n = 0;
  for (int fd = 0; fd < 1024; fd++)
    n += fcntl(fd, F_GETFD) >= 0;
  return n;
}

/* Kilobytes in memory, whoever shares them. */
static inline size_t resident(void) {
  unsigned long size = 0, pages = 0;
  FILE *f = fopen("/proc/self/statm", "r");
  MUST(f && fscanf(f, "%lu %lu", &size, &pages) == 2);
  fclose(f);
  return pages * 4;
}

static inline int count_one(struct dl_phdr_info *info, size_t size, void *data) {
  (void)info, (void)size;
  ++*(size_t *)data;
  return 0;
}
static inline size_t loaded_objects(void) {
  size_t n = 0;
  dl_iterate_phdr(count_one, &n);
  return n;
}

/* Runs something in a child, and answers with its status as waitpid has it. */
#define STATUS_OF(...)                                                                                               \
  ({                                                                                                                 \
    fflush(NULL);                                                                                                    \
    pid_t child_ = fork();                                                                                           \
    if (child_ == 0) {                                                                                               \
      __VA_ARGS__;                                                                                                   \
      _exit(checks_failed ? 97 : 0);                                                                                 \
    }                                                                                                                \
    int status_ = -1;                                                                                                \
    waitpid(child_, &status_, 0);                                                                                    \
    status_;                                                                                                         \
  })

/* --- cases -------------------------------------------------------------------------------------------------- */

struct test_case {
  const char *name;
  void (*run)(void);
};

static inline int run_case(const struct test_case *cases, size_t count, int argc, char **argv) {
  if (argc == 2 && !strcmp(argv[1], "--list")) {
    for (size_t i = 0; i < count; i++)
      puts(cases[i].name);
    return 0;
  }
  if (!ldx_jit_new) {
    fprintf(stderr, "nobody offers ldx_jit_new\n");
    return 96;
  }
  for (size_t i = 0; i < count; i++) {
    if (argc == 2 && !strcmp(argv[1], cases[i].name)) {
      cases[i].run();
      fflush(NULL);
      return checks_failed ? 1 : 0;
    }
  }
  fprintf(stderr, "no such case: %s\n", argc > 1 ? argv[1] : "");
  return 95;
}
#define CASES(...)                                                                                                   \
  int main(int argc, char **argv) {                                                                                  \
    static const struct test_case cases[] = {__VA_ARGS__};                                                           \
    return run_case(cases, sizeof cases / sizeof *cases, argc, argv);                                                \
  }
