/* cases CASE: libdlbind's interface, call by call. Silent, and 0, when all is as it should be. With -DUNDEFINED
 * nothing is linked that has the functions: ldx offers them. */
#include <dlfcn.h>
#include <errno.h>
#include <ldx/dlbind.h>
#include <link.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef UNDEFINED
#pragma weak __libdlbind_do_init
#pragma weak dlcreate
#pragma weak dlcreate_with_mmap
#pragma weak dlalloc
#pragma weak dlbind
#pragma weak dldelete
#pragma weak dldsym
#endif

static int wrong;
#define CHECK(condition)                                                                                             \
  do {                                                                                                               \
    if (!(condition) && ++wrong < 20)                                                                                \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                                \
  } while (0)
#define MUST(condition)                                                                                              \
  do {                                                                                                               \
    if (!(condition)) {                                                                                              \
      fprintf(stderr, "%s:%d: %s (%s)\n", __FILE__, __LINE__, #condition, dlerror());                                \
      exit(2);                                                                                                       \
    }                                                                                                                \
  } while (0)

typedef int function(void);
enum { SIZE = 6 };

static void write_code(char *at, int value) {
  unsigned char code[SIZE] = {0xb8, 0, 0, 0, 0, 0xc3};
  memcpy(code + 1, &value, sizeof value);
  memcpy(at, code, SIZE);
}

static char *code_of(void *lib, int value) {
  char *at = dlalloc(lib, SIZE, SHF_EXECINSTR);
  MUST(at);
  write_code(at + LDX_DLBIND_ALIAS, value);
  return at;
}

static void *create(const char *name) {
  void *lib = dlcreate(name);
  MUST(lib);
  return lib;
}

static int answer_of(void *lib, const char *name) {
  function *f = (function *)dlsym(lib, name);
  MUST(f);
  return f();
}

static bool failed_with(const char *text) {
  const char *error = dlerror();
  bool good = error && strstr(error, text);
  if (!good)
    fprintf(stderr, "dlerror: %s, not %s\n", error ? error : "nothing", text);
  return good;
}

/* What /proc/self/maps says of the page of an address. */
static const char *permissions(const void *at) {
  static char found[8], line[512];
  unsigned long low, high;
  FILE *f = fopen("/proc/self/maps", "r");
  strcpy(found, "none");
  while (f && fgets(line, sizeof line, f)) {
    char text[8];
    if (sscanf(line, "%lx-%lx %4s", &low, &high, text) == 3 && (unsigned long)at >= low && (unsigned long)at < high)
      strcpy(found, text);
    CHECK(!strstr(line, "wx"));
  }
  fclose(f);
  return found;
}
#define PERMISSIONS(at, text) CHECK(!strncmp(permissions(at), text, 3))

static void aliases(void) {
  void *lib = create("libaliases");
  for (int i = 0; i < 3; i++) {
    char *at = dlalloc(lib, 200, i == 0 ? SHF_EXECINSTR : i == 1 ? 0 : SHF_WRITE | SHF_ALLOC);
    MUST(at);
    memset(i < 2 ? at + LDX_DLBIND_ALIAS : at, 0x90 + i, 100);
    memset(i < 2 ? at + LDX_DLBIND_FAR_ALIAS + 100 : at + 100, 0xa0 + i, 100);
    CHECK((unsigned char)at[0] == 0x90 + i && (unsigned char)at[99] == 0x90 + i);
    CHECK((unsigned char)at[100] == 0xa0 + i && (unsigned char)at[199] == 0xa0 + i);
    PERMISSIONS(at, i == 0 ? "r-x" : i == 1 ? "r--" : "rw-");
  }
  char *code = dlalloc(lib, 1, SHF_EXECINSTR), *constants = dlalloc(lib, 1, 0);
  PERMISSIONS(code + LDX_DLBIND_ALIAS, "rw-");
  PERMISSIONS(code + LDX_DLBIND_FAR_ALIAS, "rw-");
  PERMISSIONS(constants + LDX_DLBIND_ALIAS, "rw-");
  PERMISSIONS(constants + LDX_DLBIND_FAR_ALIAS, "rw-");
}

/* All of the room is reached by the aliases. */
static void ends(void) {
  enum { MIB = 1 << 20 };
  void *lib = create("libends");
  for (int i = 0; i < 2; i++) {
    unsigned flags = i ? SHF_EXECINSTR : 0;
    size_t all = 0;
    for (char *at; (at = dlalloc(lib, MIB, flags)); all++) {
      int last = (int)all;
      memcpy(at + MIB - 4 + LDX_DLBIND_ALIAS, &last, 4);
      memcpy(at + LDX_DLBIND_FAR_ALIAS, &last, 4);
      CHECK(*(int *)at == last && *(int *)(at + MIB - 4) == last);
    }
    CHECK(failed_with("no room"));
    CHECK(all >= (i ? 24 : 8) - 1);
  }
  MUST(dlalloc(lib, 8 * MIB, SHF_WRITE));
}

static void errors(void) {
  void *lib = create("liberrors");
  int local;
  CHECK(!dlalloc(lib, 8, SHF_WRITE | SHF_EXECINSTR) && failed_with("SHF_WRITE"));
  CHECK(!dlalloc(lib, (size_t)1 << 40, SHF_WRITE) && failed_with("no room"));
  char *code = code_of(lib, 1);
  CHECK(!dlbind(lib, "name", code, SIZE, STT_TLS) && failed_with("type"));
  CHECK(!dlbind(lib, "", code, SIZE, STT_FUNC) && dlerror());
  CHECK(!dlbind(lib, NULL, code, SIZE, STT_FUNC) && dlerror());
  CHECK(!dldsym(lib, "name", NULL, 0, NULL) && failed_with("name"));
  void *program = dlopen(NULL, RTLD_NOW), *library = dlopen("libc.so.6", RTLD_NOW);
  void *const not_ours[] = {NULL, &local, program, library};
  for (size_t i = 0; i < 4; i++) {
    CHECK(!dlalloc(not_ours[i], 8, SHF_WRITE) && failed_with("not made by dlcreate"));
    CHECK(!dlbind(not_ours[i], "name", code, SIZE, STT_FUNC) && failed_with("not made by dlcreate"));
    CHECK(dldelete(not_ours[i]) == -1 && failed_with("not made by dlcreate"));
  }
  CHECK(dlbind(lib, "name", code, SIZE, STT_FUNC) == lib && !dlerror());
  CHECK(answer_of(lib, "name") == 1);
}

static void names(void) {
  void *first = create("libnamed"), *second = create("libnamed"), *nameless = create(NULL), *other = create("");
  CHECK(first != second && nameless != other && nameless != second);
  void *again = dlopen("libnamed", RTLD_NOW | RTLD_NOLOAD);
  CHECK(again == first);
  CHECK(dlbind(second, "of_second", code_of(second, 2), SIZE, STT_FUNC) == second);
  CHECK(answer_of(second, "of_second") == 2 && !dlsym(first, "of_second"));
  dlerror();
}

/* What theirs asks for with assertions: handle and base stay. */
static void stable(void) {
  void *lib = create("libstable");
  struct link_map before = *(struct link_map *)lib;
  char name[32];
  char *first = code_of(lib, 7);
  CHECK(dlbind(lib, "first", first, SIZE, STT_FUNC) == lib);
  for (int i = 0; i < 10000; i++) {
    snprintf(name, sizeof name, "f%d", i);
    CHECK(dlbind(lib, name, code_of(lib, i), SIZE, STT_FUNC) == lib);
  }
  const struct link_map *after = lib;
  CHECK(after->l_addr == before.l_addr && after->l_ld == before.l_ld && !strcmp(after->l_name, before.l_name));
  CHECK(dlsym(lib, "first") == first && answer_of(lib, "f9999") == 9999);
}

static void global(void) {
  void *lib = create("libglobal");
  int *data = dlalloc(lib, sizeof *data, SHF_WRITE);
  MUST(data);
  *data = 69;
  CHECK(dlbind(lib, "dlbind_data", data, sizeof *data, STT_OBJECT) == lib);
  CHECK(dlsym(RTLD_DEFAULT, "dlbind_data") == data);
  CHECK(dldsym(lib, "dlbind_data", NULL, 0, NULL) == data);
  CHECK(dlbind(lib, "of_program", (void *)global, 10, STT_FUNC) == lib); /* anywhere: an absolute symbol */
  CHECK(dlsym(lib, "of_program") == (void *)global);
  Dl_info info;
  CHECK(dladdr(data, &info) && !strcmp(info.dli_sname, "dlbind_data") && info.dli_saddr == data);
  char *first = code_of(lib, 1), *second = code_of(lib, 2);
  CHECK(dlbind(lib, "twice", first, SIZE, STT_FUNC) == lib && answer_of(lib, "twice") == 1);
  CHECK(dlbind(lib, "twice", second, SIZE, STT_FUNC) == lib && answer_of(lib, "twice") == 2);
}

static void many(void) {
  enum { OBJECTS = 40, SYMBOLS = 70000 };
  void *libs[OBJECTS];
  char name[32];
  for (int i = 0; i < OBJECTS; i++) {
    snprintf(name, sizeof name, "lib%d", i);
    libs[i] = create(name);
    CHECK(dlbind(libs[i], "who", code_of(libs[i], i), SIZE, STT_FUNC) == libs[i]);
  }
  for (int i = 0; i < OBJECTS; i++)
    CHECK(answer_of(libs[i], "who") == i);
  for (int i = 0; i < SYMBOLS; i++) {
    snprintf(name, sizeof name, "symbol_%d", i);
    MUST(dlbind(libs[1], name, code_of(libs[1], i), SIZE, STT_FUNC) == libs[1]);
  }
  for (int i = 0; i < SYMBOLS; i += 997) {
    snprintf(name, sizeof name, "symbol_%d", i);
    CHECK(answer_of(libs[1], name) == i);
  }
  for (int i = 0; i < OBJECTS; i++)
    CHECK(dldelete(libs[i]) == 0);
}

static void deleted(void) {
  for (int i = 0; i < 100; i++) { /* 13 GiB of addresses, if nothing went */
    void *lib = create("libdeleted");
    char *code = code_of(lib, i);
    CHECK(dlbind(lib, "f", code, SIZE, STT_FUNC) == lib && answer_of(lib, "f") == i);
    CHECK(dldelete(lib) == 0);
    PERMISSIONS(code, "none");
    PERMISSIONS(code + LDX_DLBIND_ALIAS, "none");
    PERMISSIONS(code + LDX_DLBIND_FAR_ALIAS, "none");
    CHECK(dldelete(lib) == -1 && dlerror());
    CHECK(!dlopen("libdeleted", RTLD_NOW | RTLD_NOLOAD));
  }
  void *lib = create("libclosed");
  CHECK(dlclose(lib) == 0 && dldelete(lib) == -1);
}

static size_t mapped;
static void *mapped_at;
static void *map(void *at, size_t size, int prot, int flags, int fd, off_t offset) {
  mapped++;
  CHECK(!at && prot == (PROT_READ | PROT_WRITE) && flags == MAP_SHARED && fd >= 0 && offset == 0);
  return mapped_at = mmap(at, size, prot, flags, fd, offset);
}
static void *map_nothing(void *at, size_t size, int prot, int flags, int fd, off_t offset) {
  (void)at, (void)size, (void)prot, (void)flags, (void)fd, (void)offset;
  errno = ENOMEM;
  return MAP_FAILED;
}

/* The view that ldx itself writes by is made by the program's function. */
static void mapping(void) {
  void *lib = dlcreate_with_mmap("libmapped", map);
  MUST(lib && mapped == 1);
  CHECK(dlbind(lib, "f", code_of(lib, 3), SIZE, STT_FUNC) == lib && answer_of(lib, "f") == 3);
  CHECK(!memcmp(mapped_at, ELFMAG, SELFMAG));
  PERMISSIONS(mapped_at, "rw-");
  CHECK(dldelete(lib) == 0);
  PERMISSIONS(mapped_at, "none");
  CHECK(!dlcreate_with_mmap("libfails", map_nothing) && failed_with("libfails"));
  CHECK(!dlopen("libfails", RTLD_NOW | RTLD_NOLOAD));
  MUST(dlcreate_with_mmap("libusual", NULL));
}

/* What one process writes by the aliases is not the other's. */
static void forked(void) {
  void *lib = create("libforked");
  char *code = code_of(lib, 1), *constants = dlalloc(lib, 8, 0);
  CHECK(dlbind(lib, "f", code, SIZE, STT_FUNC) == lib);
  pid_t child = fork();
  if (!child) {
    write_code(code + LDX_DLBIND_FAR_ALIAS, 2);
    strcpy(constants + LDX_DLBIND_ALIAS, "child");
    CHECK(answer_of(lib, "f") == 2 && !strcmp(constants, "child"));
    write_code(code + LDX_DLBIND_ALIAS, 3);
    CHECK(answer_of(lib, "f") == 3);
    CHECK(dlbind(lib, "g", code_of(lib, 4), SIZE, STT_FUNC) == lib && answer_of(lib, "g") == 4);
    _exit(wrong != 0);
  }
  int status;
  CHECK(waitpid(child, &status, 0) == child && status == 0);
  CHECK(answer_of(lib, "f") == 1 && *constants == 0 && !dlsym(lib, "g"));
  dlerror();
}

static void *bind_some(void *lib) {
  char name[48];
  for (int i = 0; i < 2000; i++) {
    char *code = code_of(lib, i);
    snprintf(name, sizeof name, "%lx_%d", (unsigned long)pthread_self(), i);
    CHECK(dlbind(lib, name, code, SIZE, STT_FUNC) == lib && dldsym(lib, name, NULL, 0, NULL) == code);
    CHECK(((function *)code)() == i);
  }
  return NULL;
}

static void threads(void) {
  enum { THREADS = 4 };
  pthread_t all[THREADS];
  void *lib = create("libthreads");
  for (int i = 0; i < THREADS; i++)
    MUST(pthread_create(&all[i], NULL, bind_some, lib) == 0);
  for (int i = 0; i < THREADS; i++)
    pthread_join(all[i], NULL);
}

/* For readelf: what has been given out when the line is printed. */
static void tags(void) {
  static char long_name[2000];
  void *lib = create("libtags");
  const struct link_map *l = lib;
  char *code = NULL, *data = NULL, *constants = NULL;
  for (int i = 0; i < 2; i++) {
    code = dlalloc(lib, 1000, SHF_EXECINSTR);
    data = dlalloc(lib, 3000, SHF_WRITE);
    constants = dlalloc(lib, 500, 0);
    memset(long_name, 'a' + i, sizeof long_name - 1);
    CHECK(dlbind(lib, long_name, code, 1000, STT_FUNC) == lib);
    printf("%s %lx %lx %lx\n", l->l_name, (unsigned long)code - l->l_addr + 1000,
           (unsigned long)constants - l->l_addr + 500, (unsigned long)data - l->l_addr + 3000);
    fflush(stdout);
    (void)!getchar();
  }
}

static void init(void) {
  __libdlbind_do_init();
  create("libinit");
  __libdlbind_do_init();
}

int main(int argc, char **argv) {
  static const struct {
    const char *name;
    void (*run)(void);
  } cases[] = {{"aliases", aliases}, {"ends", ends}, {"errors", errors},   {"names", names},     {"stable", stable},
               {"global", global},   {"many", many}, {"deleted", deleted}, {"mapping", mapping}, {"forked", forked},
               {"threads", threads}, {"tags", tags}, {"init", init}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    if (argc == 2 && !strcmp(argv[1], cases[i].name)) {
      cases[i].run();
      return wrong != 0;
    }
  return 3;
}
