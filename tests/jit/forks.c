/* Parent and child of a fork compile independently; processes made in other ways are left alone. */
#include "jit_test.h"
#include <spawn.h>
#include <sys/mman.h>

static ldx_jit *jit;

/* One word to the other process and back. */
struct talk {
  int to_child[2], to_parent[2];
};
static void say(int fd) { MUST(write(fd, "x", 1) == 1); }
static void hear(int fd) {
  char c;
  MUST(read(fd, &c, 1) == 1);
}
static struct talk new_talk(void) {
  struct talk t;
  MUST(!pipe(t.to_child) && !pipe(t.to_parent));
  return t;
}
#define CHILD_SAYS say(t.to_parent[1])
#define CHILD_WAITS hear(t.to_child[0])
#define PARENT_SAYS say(t.to_child[1])
#define PARENT_WAITS hear(t.to_parent[0])

static void ended_well(pid_t child) {
  int status = -1;
  MUST(waitpid(child, &status, 0) == child);
  SAME(status, 0);
}

static int call(const char *name) {
  function *f = (function *)find(jit, name);
  return f ? f() : -1;
}

static void independent(void) {
  jit = make_jit("libjit-fork.so", LDX_JIT_GLOBAL);
  void *f = publish_function(jit, "f", 1);
  void *reused = publish_function(jit, "reused", 10);
  int *data = ldx_jit_alloc(jit, 4096, 64, LDX_JIT_DATA);
  data[0] = 5;
  void *library = dlopen("libjit-user-lazy.so", RTLD_LAZY);
  publish_function(jit, "jit_answer", 100);
  function *answer = (function *)find(library, "call_answer");
  SAME(answer(), 100);
  struct talk t = new_talk();
  pid_t child = fork();
  if (child == 0) {
    SAME(((function *)f)(), 1);
    SAME(data[0], 5);
    data[0] = 6;
    void *mine = publish_function(jit, "of_the_child", 2);
    publish_function(jit, "f", 3);
    publish_function(jit, "jit_answer", 101);
    write_returns(ldx_jit_writable(jit, f), 4); /* in place */
    SAME(answer(), 101);
    CHILD_SAYS;
    CHILD_WAITS; /* the parent has done the like */
    SAME(call("of_the_child"), 2);
    SAME(((function *)mine)(), 2);
    SAME(call("f"), 3);
    SAME(((function *)f)(), 4);
    SAME(call("reused"), 10);
    SAME(((function *)reused)(), 10);
    SAME(data[0], 6);
    SAME(answer(), 101);
    CHECK(found_nowhere(jit, "of_the_parent"));
    SAME(ldx_jit_delete(jit), 0);
    _exit(checks_failed != 0);
  }
  PARENT_WAITS;
  SAME(((function *)f)(), 1);
  SAME(call("f"), 1);
  SAME(data[0], 5);
  SAME(answer(), 100);
  CHECK(found_nowhere(jit, "of_the_child"));
  data[0] = 7;
  SAME(ldx_jit_unbind(jit, "reused", NULL), 0);
  SAME(ldx_jit_publish(jit), 0);
  SAME(ldx_jit_free(jit, reused), 0);
  for (int i = 0; i < 100; i++)
    publish_function(jit, "of_the_parent", 20 + i); /* also where `reused` was */
  publish_function(jit, "jit_answer", 102);
  write_returns(ldx_jit_writable(jit, f), 8);
  PARENT_SAYS;
  ended_well(child);
  SAME(((function *)f)(), 8);
  SAME(call("of_the_parent"), 119);
  SAME(data[0], 7);
  SAME(answer(), 102);
}

/* Staged things belong to both, too. */
static void staged(void) {
  jit = make_jit("libjit-fork-staged.so", 0);
  void *f = returns(jit, 1), *g = returns(jit, 2);
  SAME(bind_function(jit, "f", f), 0);
  int status = STATUS_OF({
    SAME(bind_function(jit, "g", g), 0);
    SAME(ldx_jit_publish(jit), 0);
    CHECK(find(jit, "f") == f && find(jit, "g") == g);
  });
  SAME(status, 0);
  CHECK(found_nowhere(jit, "f"));
  SAME(ldx_jit_publish(jit), 0);
  CHECK(find(jit, "f") == f && found_nowhere(jit, "g"));
}

/* Children of children; each has code of its own at the same address. */
static void generation(int level, int *data) {
  if (level == 5)
    return;
  SAME(call("level"), level);
  SAME(*data, level);
  pid_t child = fork();
  if (child == 0) {
    publish_function(jit, "level", level + 1);
    *data = level + 1;
    generation(level + 1, data);
    _exit(checks_failed != 0);
  }
  ended_well(child);
  SAME(call("level"), level);
  SAME(*data, level);
}
static void generations(void) {
  jit = make_jit("libjit-generations.so", 0);
  int *data = ldx_jit_alloc(jit, 4, 4, LDX_JIT_DATA);
  publish_function(jit, "level", 0);
  generation(0, data);
}

/* What the path names is the process's own file. */
static void own_files(void) {
  jit = make_jit("libjit-files.so", 0);
  void *f = publish_function(jit, "f", 1);
  unsigned long inode = mapping_at(f).inode;
  int status = STATUS_OF({
    struct stat st;
    Dl_info info;
    struct mapping code = mapping_at(f), alias = mapping_at(ldx_jit_writable(jit, f));
    CHECK(!strncmp(code.perms, "r-x", 3) && !strncmp(alias.perms, "rw-", 3));
    CHECK(code.inode != inode && code.inode == alias.inode);
    CHECK(dladdr(f, &info) && !strcmp(info.dli_sname, "f"));
    CHECK(!strcmp(info.dli_fname, map_of(jit)->l_name));
    CHECK(!stat(info.dli_fname, &st) && st.st_ino == code.inode);
    CHECK(dlopen("libjit-files.so", RTLD_NOW | RTLD_NOLOAD) == (void *)jit);
  });
  SAME(status, 0);
  SAME(mapping_at(f).inode, inode);

  /* In the child of a child whose parent is gone, and in objects that the child makes. */
  status = STATUS_OF({
    ldx_jit *own = make_jit("libjit-files-child.so", 0);
    void *g = publish_function(own, "g", 3);
    int pid = 0;
    CHECK(sscanf(map_of(own)->l_name, "/proc/%d/fd/", &pid) == 1 && pid == getpid());
    int inner = STATUS_OF({
      SAME(((function *)g)(), 3);
      SAME(((function *)f)(), 1);
      publish_function(own, "h", 4);
    });
    SAME(inner, 0);
  });
  SAME(status, 0);
}

static void nothing_is_left(void) {
  jit = make_jit("libjit-often.so", LDX_JIT_GLOBAL);
  publish_function(jit, "f", 1);
  size_t mappings = memory_file_mappings(), descriptors = open_descriptors(), before = 0;
  for (int i = 0; i < 200; i++) {
    int status = STATUS_OF({
      SAME(memory_file_mappings(), mappings);
      SAME(open_descriptors(), descriptors);
    });
    SAME(status, 0);
    if (i == 20)
      before = resident();
  }
  SAME(memory_file_mappings(), mappings);
  SAME(open_descriptors(), descriptors);
  CHECK(resident() < before + 1024);
}

/* Other threads compile while this one forks. */
static bool ending;
static void *compile(void *arg) {
  int me = (int)(intptr_t)arg;
  for (int i = 0; !__atomic_load_n(&ending, __ATOMIC_ACQUIRE); i++) {
    char name[32];
    snprintf(name, sizeof name, "of_%d_%d", me, i % 50);
    void *f = publish_function(jit, name, i);
    SAME(((function *)f)(), i);
    if (i % 100 == 99) {
      snprintf(name, sizeof name, "libjit-of-thread%d.so", me);
      ldx_jit *other = make_jit(name, LDX_JIT_GLOBAL);
      publish_function(other, name, 1);
      SAME(ldx_jit_delete(other), 0);
    }
  }
  return NULL;
}
static void threaded(void) {
  jit = make_jit("libjit-threads.so", LDX_JIT_GLOBAL);
  void *fixed = publish_function(jit, "fixed", 7);
  pthread_t threads[2];
  for (intptr_t i = 0; i < 2; i++)
    MUST(!pthread_create(&threads[i], NULL, compile, (void *)i));
  for (int i = 0; i < 60 && !checks_failed; i++) {
    int status = STATUS_OF({
      alarm(60);
      SAME(((function *)fixed)(), 7);
      CHECK(find(RTLD_DEFAULT, "fixed") == fixed);
      for (int k = 0; k < 20; k++) {
        SAME(((function *)publish_function(jit, "in_child", k))(), k);
        SAME(call("in_child"), k);
      }
      ldx_jit *own = make_jit("libjit-own.so", LDX_JIT_GLOBAL);
      publish_function(own, "g", 1);
      SAME(ldx_jit_delete(own), 0);
      SAME(ldx_jit_delete(jit), 0);
    });
    SAME(status, 0);
  }
  __atomic_store_n(&ending, true, __ATOMIC_RELEASE);
  for (int i = 0; i < 2; i++)
    pthread_join(threads[i], NULL);
  CHECK(found_nowhere(jit, "in_child"));
}

/* vfork and posix_spawn share the memory until the new program runs, which inherits nothing. */
static char *const looks_for_memory_files[] = {
    "sh", "-c", "for d in /proc/$$/fd/*; do readlink $d; done | grep -q memfd && exit 3; exit 0", NULL};

__attribute__((noinline)) static void by_vfork(function *f, int *data, int add) {
  pid_t child = vfork();
  if (child == 0) {
    *data = f() + add;
    execv("/bin/sh", looks_for_memory_files);
    _exit(99);
  }
  ended_well(child);
}
static void other_ways(void) {
  jit = make_jit("libjit-spawn.so", 0);
  void *f = publish_function(jit, "f", 9);
  int *data = ldx_jit_alloc(jit, 4, 4, LDX_JIT_DATA);
  unsigned long inode = mapping_at(f).inode;
  for (int i = 0; i < 20; i++) {
    pid_t child = -1;
    MUST(!posix_spawn(&child, "/bin/sh", NULL, NULL, looks_for_memory_files, environ));
    ended_well(child);
    by_vfork((function *)f, data, i);
    SAME(*data, 9 + i);
  }
  SAME(mapping_at(f).inode, inode);
  SAME(system("exit 0"), 0);
  publish_function(jit, "f", 10);
  SAME(call("f"), 10);
}

/* The child's memory is its own, also where it cannot be a file. */
static void without_file(void *f, int *data) {
  *data = 5;
  int status = STATUS_OF({
    SAME(((function *)f)(), 1);
    SAME(*data, 5);
    *data = 6;
    write_returns(ldx_jit_writable(jit, f), 7);
    SAME(((function *)f)(), 7);
    SAME(((function *)publish_function(jit, "of_the_child", 8))(), 8);
    *data = 6 + STATUS_OF(*data = call("of_the_child"));
    SAME(*data, 6);
  });
  SAME(status, 0);
  SAME(*data, 5);
  SAME(((function *)f)(), 1);
  SAME(call("of_the_child"), -1);
}

/* There is no descriptor for the copy, or no room: parent and child go on. */
static void short_of_memory(void) {
  jit = make_jit("libjit-fork-short.so", 0);
  void *f = publish_function(jit, "f", 1);
  int *data = ldx_jit_alloc(jit, sizeof *data, 4, LDX_JIT_DATA);
  struct rlimit usual, none;
  MUST(!getrlimit(RLIMIT_NOFILE, &usual));
  none = usual;
  none.rlim_cur = 3;
  while (fcntl((int)none.rlim_cur, F_GETFD) >= 0)
    none.rlim_cur++;
  MUST(!setrlimit(RLIMIT_NOFILE, &none)); /* no descriptor for a new file */
  without_file(f, data);
  MUST(!setrlimit(RLIMIT_NOFILE, &usual));
  MUST(!getrlimit(RLIMIT_FSIZE, &usual));
  none = usual;
  none.rlim_cur = 65536; /* no file as large as the object */
  MUST(!setrlimit(RLIMIT_FSIZE, &none));
  without_file(f, data);
  MUST(!setrlimit(RLIMIT_FSIZE, &usual));
  SAME(((function *)publish_function(jit, "f", 2))(), 2);
  int status = STATUS_OF({
    SAME(call("f"), 2);
    publish_function(jit, "f", 3);
  });
  SAME(status, 0);
  SAME(call("f"), 2);
}

/* Large data is copied as it is. */
static void contents(void) {
  jit = make_jit("libjit-contents.so", 0);
  enum { SIZE = 4 << 20 };
  unsigned *data = ldx_jit_alloc(jit, SIZE, 4096, LDX_JIT_DATA);
  const unsigned *rodata = ldx_jit_alloc(jit, SIZE, 4096, LDX_JIT_RODATA);
  unsigned *to = ldx_jit_writable(jit, rodata);
  MUST(data && rodata && to);
  for (unsigned i = 0; i < SIZE / 4; i += 1 + i % 700)
    data[i] = to[i] = i * 2654435761u;
  int status = STATUS_OF({
    for (unsigned i = 0; i < SIZE / 4; i += 1 + i % 700) {
      SAME(data[i], i * 2654435761u);
      SAME(rodata[i], i * 2654435761u);
      data[i] = 0;
      *(unsigned *)ldx_jit_writable(jit, &rodata[i]) = 1;
    }
  });
  SAME(status, 0);
  for (unsigned i = 0; i < SIZE / 4; i += 1 + i % 700) {
    SAME(data[i], i * 2654435761u);
    SAME(rodata[i], i * 2654435761u);
  }
}

/* A program that closes what it does not know, and has another file there next. */
static void descriptor_lost(void) {
  jit = make_jit("libjit-lost.so", LDX_JIT_GLOBAL);
  void *f = publish_function(jit, "f", 1);
  int *data = ldx_jit_alloc(jit, 4096, 4, LDX_JIT_DATA), fd = -1;
  data[0] = 1;
  data[700] = 2;
  CHECK(sscanf(map_of(jit)->l_name, "/proc/%*d/fd/%d", &fd) == 1);
  for (int other = 0; other < 2; other++) { /* closed; another file */
    close(fd);
    if (other)
      CHECK(dup2(0, fd) == fd);
    SAME(((function *)publish_function(jit, "g", 5))(), 5);
    int status = STATUS_OF({
      SAME(((function *)f)(), 1);
      SAME(call("g"), 5);
      SAME(data[0] + data[700], 3);
      data[0] = 9;
      publish_function(jit, "g", 6);
      SAME(call("g"), 6);
      SAME(STATUS_OF(SAME(call("g"), 6); publish_function(jit, "g", 7); SAME(call("g"), 7)), 0);
      SAME(call("g"), 6);
      SAME(ldx_jit_delete(jit), 0);
    });
    SAME(status, 0);
    SAME(call("g"), 5);
    SAME(data[0], 1);
  }
  SAME(ldx_jit_delete(jit), 0);
  CHECK(fcntl(fd, F_GETFD) >= 0); /* the program's */
}

CASES({"independent", independent}, {"staged", staged}, {"generations", generations}, {"own-files", own_files},
      {"nothing-is-left", nothing_is_left}, {"threaded", threaded}, {"other-ways", other_ways},
      {"short-of-memory", short_of_memory}, {"contents", contents}, {"descriptor-lost", descriptor_lost})
