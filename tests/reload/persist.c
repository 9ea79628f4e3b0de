/* Memory that is a file: what is written, where it is found, and how it ends.
 *
 * persist MODE LIBRARY [FOLDER] */
#include "common.h"

#include <pthread.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

static void change(void *h) {
  static int elsewhere = 5;
  *(int *)get(h, "counter") = 12345;
  strcpy(get(h, "text"), "what the program wrote");
  ((long *)get(h, "table"))[4999] = 424242;
  *(const char **)get(h, "label") = "of the program";
  *(int **)get(h, "inside") = (int *)get(h, "counter") + 0;
  *(int **)get(h, "none") = NULL;
  *(void **)get(h, "outside") = &elsewhere;
  *(void **)get(h, "list") = (char *)get(h, "text") + 8;
  *(void **)get(h, "chosen") = get(h, "alpha");
  NEED(call(h, "next_of_thread") == 5);
}

static void *open_it(const char *library) {
  void *h = dlopen(library, RTLD_NOW | RTLD_RELOADABLE);
  NEED(h);
  return h;
}

/* Tools walk the dynamic section of a link map, and expect addresses there. */
static bool is_for_tools(void *h) {
  Elf64_Dyn *symbols = entry(h, DT_SYMTAB), *strings = entry(h, DT_STRTAB);
  uintptr_t base = map_of(h)->l_addr;
  return symbols->d_un.d_ptr > base && strings->d_un.d_ptr > base && *(char *)strings->d_un.d_ptr == 0;
}

static void print_places(void *h) {
  static const char *const names[] = {"counter", "text",    "table", "label",  "inside",
                                      "none",    "outside", "list",  "chosen", "alpha"};
  printf("%s %#lx\n", path_of(h), (unsigned long)map_of(h)->l_addr);
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    printf("%s %p\n", names[i], get(h, names[i]));
}

/* Goes on when it is told to. */
static int show(const char *library) {
  void *h = open_it(library);
  change(h);
  Dl_info i;
  NEED(dladdr(get(h, "alpha"), &i) && !strcmp(i.dli_sname, "alpha") && !strcmp(i.dli_fname, map_of(h)->l_name));
  NEED(is_for_tools(h) == !strstr(library, "joined")); /* it has no sealed pages */
  printf("%s\n", map_of(h)->l_name);
  print_places(h);
  wait_for_line();
  NEED(dlclose(h) == 0);
  return 0;
}

static int crash(const char *library, int how) {
  void *h = open_it(library);
  print_places(h);
  fflush(stdout);
  change(h);
  return how == SIGSEGV ? *(volatile int *)8 : kill(getpid(), how);
}

/* A copy whose data was kept. */
static int again(const char *library, int count) {
  void *h = open_it(library);
  int *counter = get(h, "counter");
  NEED(*counter == count && !strcmp(get(h, "text"), "what the program wrote"));
  NEED(((long *)get(h, "table"))[4999] == 424242);
  NEED(!strcmp(*(const char **)get(h, "label"), "built in"));
  NEED(*(int **)get(h, "inside") == counter);
  NEED(*(int **)get(h, "none") == NULL);
  NEED(*(void **)get(h, "outside") == get(h, "label"));
  NEED(!strcmp(*(char **)get(h, "list"), " program wrote"));
  NEED(call(h, "times_constructed") == 2 + count - 12345);
  NEED(((int *(*)(void))get(h, "address_of_counter"))() == counter);
  NEED(call(h, "alpha") == 1);
  NEED(call(h, "next_of_thread") == 5 && call(h, "next_of_thread") == 6);
  ++*counter;
  printf("%s\n", path_of(h));
  return 0;
}

static int refuse(const char *library, int mode) {
  void *h = dlopen(library, RTLD_NOW | mode);
  NEED(!h);
  printf("%s\n", dlerror());
  return 0;
}

/* Functions are bound at once, whatever was asked for. */
static int refuse_lazily(const char *library) {
  void *h = dlopen(library, RTLD_LAZY | RTLD_RELOADABLE);
  NEED(!h);
  printf("%s\n", dlerror());
  NEED(dlopen(library, RTLD_LAZY));
  return 0;
}

static int in_folder(const char *library, const char *folder) {
  void *h = ldx_dlopen_in(library, RTLD_NOW, folder);
  if (!h) {
    printf("%s\n", dlerror());
    NEED(!dlerror());
    return 0;
  }
  change(h);
  printf("%s\n", path_of(h));
  NEED(dlclose(h) == 0);
  return 0;
}

static int limited(const char *library, const char *folder) {
  struct rlimit small = {20000, 20000};
  NEED(setrlimit(RLIMIT_FSIZE, &small) == 0);
  return in_folder(library, folder);
}

/* One is left, for the library's file. */
static int no_descriptors(const char *library) {
  int next = dup(0);
  close(next);
  struct rlimit few = {(rlim_t)next + 1, (rlim_t)next + 1};
  NEED(setrlimit(RLIMIT_NOFILE, &few) == 0);
  return refuse(library, RTLD_RELOADABLE);
}

/* The file has no name any more. */
static int unlinked(const char *library) {
  char path[64];
  int fd = open(library, O_RDONLY);
  NEED(fd >= 0 && unlink(library) == 0);
  sprintf(path, "/proc/self/fd/%d", fd);
  void *h = open_it(path);
  change(h);
  NEED(ldx_reload(h) == 0 && call(h, "alpha") == 1);
  NEED(close(fd) == 0 && dlopen(path, RTLD_NOW | RTLD_NOLOAD) == h && dlclose(h) == 0);
  NEED(dlclose(h) == 0);
  return 0;
}

/* Known by its own name, and by no other way than it was opened. */
static int handles(const char *library) {
  void *h = open_it(library);
  NEED(dlopen(library, RTLD_NOW) == h);
  NEED(open_it(library) == h);
  NEED(dlopen(library, RTLD_NOW | RTLD_NOLOAD | RTLD_RELOADABLE) == h);
  for (int i = 0; i < 4; i++)
    NEED(dlclose(h) == 0);
  NEED(!dlopen(library, RTLD_NOW | RTLD_NOLOAD));
  h = dlopen(library, RTLD_NOW);
  char path[64];
  void *out;
  NEED(h && ldx_reload(h) == -EINVAL && dlerror());
  NEED(ldx_reload_alias(h, get(h, "counter"), &out) == -EINVAL && ldx_reload_path(h, path, sizeof path) == -EINVAL);
  NEED(ldx_reload(&path) == -EINVAL && ldx_reload(NULL) == -EINVAL);
  NEED(!dlopen(library, RTLD_NOW | RTLD_RELOADABLE));
  printf("%s\n", dlerror());
  NEED(!dlopen(NULL, RTLD_NOW | RTLD_RELOADABLE));
  printf("%s\n", dlerror());
  NEED(dlopen(library, RTLD_NOW) == h && call(h, "alpha") == 1);
  return 0;
}

/* Each namespace has its own copy; a shared one is one. */
static int namespaces(const char *library) {
  void *a = dlmopen(LM_ID_BASE, library, RTLD_NOW | RTLD_RELOADABLE);
  void *b = dlmopen(LM_ID_NEWLM, library, RTLD_NOW | RTLD_RELOADABLE);
  NEED(a && b && a != b && get(a, "counter") != get(b, "counter"));
  char first[4096];
  strcpy(first, path_of(a));
  NEED(strcmp(first, path_of(b)));
  *(int *)get(a, "counter") = 1;
  NEED(*(int *)get(b, "counter") == 7);
  Lmid_t id;
  NEED(dlinfo(b, RTLD_DI_LMID, &id) == 0);
  NEED(ldx_reload(b) == 0 && ldx_reload(a) == 0);
  NEED(call(a, "alpha") == 1 && call(b, "alpha") == 1);
  return 0;
}

static int shared(const char *library) {
  void *p = dlmopen(LM_ID_NEWLM, library, RTLD_NOW | RTLD_SHARED | RTLD_RELOADABLE);
  NEED(p);
  void *real = dlopen(library, RTLD_NOW | RTLD_RELOADABLE);
  NEED(real && real != p && get(real, "counter") == get(p, "counter"));
  char path[4096];
  strcpy(path, path_of(p));
  NEED(!strcmp(path, path_of(real)));
  NEED(ldx_reload(p) == 0 && call(p, "alpha") == 1);
  return 0;
}

/* A thread that has something to do. */
static void *writer(void *arg) {
  volatile int *stop = arg;
  while (!*stop)
    ;
  return NULL;
}

/* Parent's and child's memory are each one's own, and the child's is what the parent's was. */
static void check_child(void *h, int *counter, const char *parents, bool reloaded) {
  NEED(*counter == 100 && is_for_tools(h));
  *counter = 200;
  char own[64];
  snprintf(own, sizeof own, "/proc/%d/", getpid());
  if (parents) {
    NEED(!strncmp(path_of(h), own, strlen(own)));
    NEED(!reloaded || !strncmp(map_of(h)->l_name, own, strlen(own)));
    NEED(strcmp(path_of(h), parents));
    *(int *)writable(h, counter) = 201;
    NEED(*counter == 201 && ldx_reload(h) == 0);
  }
  NEED(call(h, "alpha") == 1 && ((long *)get(h, "table"))[4999] == 77);
  usleep(100000);
  NEED(*counter == (parents ? 201 : 200)); /* not what the parent writes */
}

static int forks(const char *library, bool threads, bool closed, bool reloaded) {
  void *h = open_it(library);
  volatile int stop = 0;
  pthread_t th;
  int *counter = get(h, "counter");
  if (threads)
    NEED(pthread_create(&th, NULL, writer, (void *)&stop) == 0);
  char path[4096];
  strcpy(path, path_of(h));
  ((long *)get(h, "table"))[4999] = 77;
  *counter = 100;
  writable(h, counter);
  if (reloaded)
    NEED(ldx_reload(h) == 0);
  if (closed)
    NEED(close(atoi(strrchr(path, '/') + 1)) == 0);
  fflush(stdout);
  pid_t child = fork();
  if (!child) {
    check_child(h, counter, closed ? NULL : path, reloaded);
    pid_t grandchild = fork();
    if (!grandchild)
      _exit(*counter == (closed ? 200 : 201) ? 0 : 1);
    int status;
    NEED(waitpid(grandchild, &status, 0) == grandchild);
    _exit(status ? 1 : 0);
  }
  *counter = 300;
  int status;
  NEED(waitpid(child, &status, 0) == child && !status);
  NEED(*counter == 300);
  if (closed)
    NEED(ldx_reload(h) == -EBADF);
  else
    NEED(!strcmp(path_of(h), path));
  stop = 1;
  return 0;
}

/* There is no descriptor for the child's copy: it has its memory without one. */
static int fork_limited(const char *library) {
  void *h = open_it(library);
  int *counter = get(h, "counter"), status;
  writable(h, counter);
  struct rlimit none = {0, 1024};
  NEED(setrlimit(RLIMIT_NOFILE, &none) == 0);
  *counter = 100;
  pid_t child = fork();
  if (!child) {
    NEED(*counter == 100 && is_for_tools(h) && call(h, "alpha") == 1);
    *counter = 200;
    char path[64];
    NEED(ldx_reload(h) == -EBADF && ldx_reload_path(h, path, sizeof path) == -EBADF);
    _exit(*counter == 200 ? 0 : 1);
  }
  NEED(waitpid(child, &status, 0) == child && !status);
  NEED(*counter == 100);
  return 0;
}

/* How many descriptors are open. */
static int descriptors(void) {
  int n = 0;
  for (int i = 0; i < 1024; i++)
    n += fcntl(i, F_GETFD) >= 0;
  return n;
}

static int leaks(const char *library, const char *broken) {
  int before = descriptors();
  for (int i = 0; i < 20; i++) {
    void *h = open_it(library);
    writable(h, get(h, "counter"));
    NEED(descriptors() == before + 1);
    NEED(ldx_reload(h) == 0 && dlclose(h) == 0);
    NEED(!dlopen(broken, RTLD_NOW | RTLD_RELOADABLE) && dlerror());
  }
  NEED(descriptors() == before);
  FILE *maps = fopen("/proc/self/maps", "r");
  char line[5000];
  while (fgets(line, sizeof line, maps))
    NEED(!strstr(line, "memfd:"));
  return 0;
}

int main(int argc, char **argv) {
  const char *mode = argv[1], *library = argc > 2 ? argv[2] : NULL, *folder = argc > 3 ? argv[3] : NULL;
#define MODE(name, does)                                                                                             \
  if (!strcmp(mode, name))                                                                                           \
    return does;
  MODE("show", show(library))
  MODE("kill", crash(library, SIGKILL))
  MODE("segv", crash(library, SIGSEGV))
  MODE("again", again(library, atoi(folder)))
  MODE("refuse", refuse(library, 0))
  MODE("refuse-reloadable", refuse(library, RTLD_RELOADABLE))
  MODE("refuse-lazy", refuse_lazily(library))
  MODE("in", in_folder(library, folder))
  MODE("limited", limited(library, folder))
  MODE("no-descriptors", no_descriptors(library))
  MODE("unlinked", unlinked(library))
  MODE("handles", handles(library))
  MODE("namespaces", namespaces(library))
  MODE("shared", shared(library))
  MODE("fork", forks(library, false, false, false))
  MODE("fork-reloaded", forks(library, false, false, true))
  MODE("fork-threads", forks(library, true, false, false))
  MODE("fork-closed", forks(library, false, true, false))
  MODE("fork-limited", fork_limited(library))
  MODE("leaks", leaks(library, folder))
  return 2;
}
