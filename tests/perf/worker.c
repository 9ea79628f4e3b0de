/* worker CASE [FILES]: a small JIT compiler whose functions profilers and valgrind are to see. FILES: map, dump or
 * both with a comma, as flags of the object. Each function that profilers should know is told on stdout, when it is
 * published: PID NAME ADDRESS BYTES-OF-CODE, and what lines it has as OFFSET:LINE. */
#include <fcntl.h>
#include <ldx/jit.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#pragma weak ldx_jit_new
#pragma weak ldx_jit_alloc
#pragma weak ldx_jit_writable
#pragma weak ldx_jit_free
#pragma weak ldx_jit_bind
#pragma weak ldx_jit_unbind
#pragma weak ldx_jit_frame
#pragma weak ldx_jit_lines
#pragma weak ldx_jit_publish
#pragma weak ldx_jit_delete

enum { STT_DATA = 1, STT_CODE = 2 };
typedef unsigned char byte;

static ldx_jit *jit;

static void need(bool good, const char *what) {
  if (good)
    return;
  fprintf(stderr, "worker: %s\n", what);
  exit(1);
}

static ldx_jit *make(const char *name, const char *files) {
  uint32_t flags = LDX_JIT_GLOBAL;
  ldx_jit *made = NULL;
  flags |= files && strstr(files, "map") ? LDX_JIT_PERF_MAP : 0;
  flags |= files && strstr(files, "dump") ? LDX_JIT_PERF_DUMP : 0;
  need(ldx_jit_new && ldx_jit_new(name, flags, NULL, &made) == 0, "no object");
  return made;
}

static void *put(const void *code, size_t size) {
  void *at = ldx_jit_alloc(jit, size, 16, LDX_JIT_CODE);
  need(at, "no room");
  memcpy(ldx_jit_writable(jit, at), code, size);
  return at;
}

static void bind(const char *name, void *at, size_t size, unsigned type) {
  struct ldx_jit_symbol s = {.size = sizeof s, .name = name, .addr = at, .bytes = size, .type = type};
  need(ldx_jit_bind(jit, &s) == 0, "not bound");
}

static void publish(void) { need(ldx_jit_publish(jit) == 0, "not published"); }

static void tell(const char *name, const void *at, size_t size, const char *lines) {
  printf("%d ", getpid());
  for (const char *p = name; *p; p++)
    printf(*p > ' ' ? "%c" : "\\x%02x", *p);
  printf(" %lx ", (unsigned long)at);
  for (size_t i = 0; i < size; i++)
    printf("%02x", ((const byte *)at)[i]);
  printf("%s%s\n", *lines ? " " : "", lines);
}

/* mov $value, %eax; ret */
enum { RETURNS = 6 };
static void *returning(int value) {
  byte code[RETURNS] = {0xb8, 0, 0, 0, 0, 0xc3};
  memcpy(code + 1, &value, sizeof value);
  return put(code, sizeof code);
}

static void *add(const char *name, int value) {
  void *at = returning(value);
  bind(name, at, RETURNS, STT_CODE);
  publish();
  tell(name, at, RETURNS, "");
  return at;
}

static void call(void *at, int value) { need(((int (*)(void))at)() == value, "it answers something else"); }

/* --- files ------------------------------------------------------------------------------------------------- */

static void add_batch(void) {
  void *one = returning(1), *two = returning(2), *odd = returning(3);
  const struct ldx_jit_line lines[] = {{0, 10}, {5, 11}};
  bind("one", one, RETURNS, STT_CODE);
  bind("two", two, RETURNS, STT_CODE);
  bind("odd name\nof two lines", odd, RETURNS, STT_CODE);
  bind("number", ldx_jit_alloc(jit, 8, 8, LDX_JIT_DATA), 8, STT_DATA);
  need(ldx_jit_lines(jit, two, RETURNS, "two.src", lines, 2) == 0, "no lines");
  publish();
  tell("one", one, RETURNS, "");
  tell("two", two, RETURNS, "two.src 0:10 5:11");
  tell("odd name\nof two lines", odd, RETURNS, "");
}

/* Two functions in one piece of code, the second of which begins in the middle of a line. */
static void add_piece(void) {
  const byte code[12] = {0xb8, 1, 0, 0, 0, 0xc3, 0xb8, 2, 0, 0, 0, 0xc3};
  const struct ldx_jit_line lines[] = {{0, 20}, {5, 21}, {9, 22}};
  byte *at = put(code, sizeof code);
  bind("left", at, 6, STT_CODE);
  bind("right", at + 6, 6, STT_CODE);
  need(ldx_jit_lines(jit, at, sizeof code, "piece.src", lines, 3) == 0, "no lines");
  publish();
  tell("left", at, 6, "piece.src 0:20 5:21");
  tell("right", at + 6, 6, "piece.src 0:21 3:22");
}

static void add_many(void) {
  enum { MANY = 5000 };
  static void *at[MANY];
  char name[32];
  for (int i = 0; i < MANY; i++) {
    snprintf(name, sizeof name, "many_%d", i);
    bind(name, at[i] = returning(i), RETURNS, STT_CODE);
  }
  publish();
  for (int i = 0; i < MANY; i++) {
    snprintf(name, sizeof name, "many_%d", i);
    tell(name, at[i], RETURNS, "");
  }
}

/* A function whose size nobody has told is as large as its block, which is one of 16 bytes; and one whose address is
 * that of a jump to its code, which is known by its name. */
static void add_unusual(void) {
  enum { BLOCK = 16 };
  byte code[BLOCK] = {0xb8, 8, 0, 0, 0, 0xc3};
  struct ldx_jit_symbol s = {
      .size = sizeof s, .flags = LDX_JIT_FOLLOWS, .name = "follows", .bytes = RETURNS, .type = STT_CODE};
  void *sizeless = put(code, BLOCK);
  s.addr = returning(9);
  bind("sizeless", sizeless, 0, STT_CODE);
  need(ldx_jit_bind(jit, &s) == 0, "not bound");
  publish();
  tell("sizeless", sizeless, BLOCK, "");
  tell("follows", s.addr, RETURNS, "");
}

/* A record larger than what is written at once. */
static void add_large(void) {
  enum { LARGE = 300000 };
  byte *code = malloc(LARGE);
  memset(code, 0x90, LARGE);
  code[LARGE - 1] = 0xc3;
  void *at = put(code, LARGE);
  free(code);
  bind("large", at, LARGE, STT_CODE);
  publish();
  tell("large", at, LARGE, "");
}

static void write_files(const char *files) {
  jit = make("libperf-files.so", files);
  add_batch();
  add_piece();
  void *at = add("one", 100); /* other code */
  need(ldx_jit_unbind(jit, "one", NULL) == 0, "not unbound");
  publish();
  need(ldx_jit_free(jit, at) == 0, "not freed");
  call(add("in_its_place", 4), 4);
  add_many();
  add_unusual();
  add_large();
  ldx_jit *first = jit;
  jit = make("libperf-second.so", files);
  add("of_the_second", 5);
  jit = first;
  add("last", 6);
}

/* A daemon closes what it does not know, and goes elsewhere. */
static void close_all(const char *files) {
  jit = make("libperf-closed.so", files);
  add("before", 1);
  int own = open("/dev/null", O_WRONLY);
  for (int fd = 3; fd < 1024; fd++)
    if (!isatty(fd) && fd != own)
      close(fd);
  need(dup2(own, 200) == 200 && dup2(own, 201) == 201, "no descriptor");
  need(chdir("/") == 0, "no folder");
  add("after", 2);
}

static void wait_for(long child) {
  int status;
  need(waitpid((pid_t)child, &status, 0) == child && status == 0, "the child failed");
}

static long by_libc(void) { return fork(); }
static long by_nobody(void) { return syscall(SYS_fork); }

/* A child that libc did not fork can only change objects of its own. */
static void fork_by(long (*forking)(void), const char *name, const char *files) {
  char text[64];
  fflush(stdout);
  long child = forking();
  if (child)
    wait_for(child);
  else if (forking == by_nobody)
    jit = make("libperf-own.so", files);
  snprintf(text, sizeof text, "%s_%s", name, child ? "parent" : "child");
  call(add(text, 7), 7);
  if (!child) {
    fflush(stdout);
    _exit(0);
  }
}

static void fork_both(const char *files) {
  jit = make("libperf-fork.so", files);
  add("common", 1);
  fork_by(by_libc, "libc", files);
  fork_by(by_nobody, "kernel", files);
}

/* --- profiles ------------------------------------------------------------------------------------------------ */

/* int hot(int n): counts down; its frame is one. */
static const byte hot[] = {0x55, 0x48, 0x89, 0xe5, 0x89, 0xf8, 0xff, 0xc8, 0x75, 0xfc, 0x5d, 0xc3};
/* int calls(int n, int (*f)(int)): returns f(n) */
static const byte calls[] = {0x55, 0x48, 0x89, 0xe5, 0xff, 0xd6, 0x5d, 0xc3};

static void spin(const char *files) {
  enum { TURNS = 400000000 };
  const struct ldx_jit_line lines[] = {{0, 5}, {6, 7}, {10, 9}};
  jit = make("libperf-spin.so", files);
  void *inner = put(hot, sizeof hot), *outer = put(calls, sizeof calls);
  bind("jit_hot_spot", inner, sizeof hot, STT_CODE);
  bind("jit_caller", outer, sizeof calls, STT_CODE);
  need(ldx_jit_lines(jit, inner, sizeof hot, "hot.src", lines, 3) == 0, "no lines");
  need(ldx_jit_frame(jit, inner, sizeof hot, LDX_JIT_FRAME_POINTER) == 0, "no frame");
  need(ldx_jit_frame(jit, outer, sizeof calls, LDX_JIT_FRAME_POINTER) == 0, "no frame");
  publish();
  tell("jit_hot_spot", inner, sizeof hot, "hot.src 0:5 6:7 10:9");
  tell("jit_caller", outer, sizeof calls, "");
  fflush(stdout);
  ((int (*)(int, void *))outer)(TURNS, inner);
  void *late = put(hot, sizeof hot); /* the name goes to other code, with another size of samples */
  bind("jit_hot_spot", late, sizeof hot, STT_CODE);
  publish();
  tell("jit_hot_spot", late, sizeof hot, "");
  ((int (*)(int, void *))outer)(TURNS, late);
}

static void spin_in_child(const char *files) {
  jit = make("libperf-child.so", files);
  void *at = put(hot, sizeof hot);
  bind("jit_inherited", at, sizeof hot, STT_CODE);
  publish();
  tell("jit_inherited", at, sizeof hot, "");
  fflush(stdout);
  pid_t child = fork();
  if (child) {
    wait_for(child);
    return;
  }
  tell("jit_inherited", at, sizeof hot, "");
  fflush(stdout);
  ((int (*)(int))at)(400000000);
  _exit(0);
}

/* --- valgrind ------------------------------------------------------------------------------------------------ */

static void use_again(void) {
  enum { ROUNDS = 200 };
  void *before = NULL;
  int same = 0;
  jit = make("libperf-again.so", NULL);
  for (int i = 0; i < ROUNDS; i++) {
    void *at = returning(i);
    same += at == before;
    bind("again", at, RETURNS, STT_CODE);
    publish();
    call(at, i);
    need(ldx_jit_unbind(jit, "again", NULL) == 0, "not unbound");
    publish();
    need(ldx_jit_free(jit, at) == 0, "not freed");
    before = at;
  }
  printf("%d of %d\n", same, ROUNDS - 1);
  need(same > 0, "no place was used twice");
}

/* Changes code where it stands, and says so by publishing it again. */
static void patch(void) {
  jit = make("libperf-patch.so", NULL);
  void *at = add("patched", 1);
  for (int i = 1; i < 50; i++) {
    call(at, i);
    int next = i + 1;
    memcpy((byte *)ldx_jit_writable(jit, at) + 1, &next, sizeof next);
    bind("patched", at, RETURNS, STT_CODE);
    publish();
  }
  call(at, 50);
}

__attribute__((noinline)) static int here(int n) {
  __asm__ volatile("");
  return n + 1;
}

static void stop(void) {
  jit = make("libperf-stop.so", NULL);
  void *at = put(calls, sizeof calls);
  bind("jit_calls", at, sizeof calls, STT_CODE);
  need(ldx_jit_frame(jit, at, sizeof calls, LDX_JIT_FRAME_POINTER) == 0, "no frame");
  publish();
  printf("%d\n", ((int (*)(int, int (*)(int)))at)(41, here));
}

int main(int argc, char **argv) {
  const char *name = argc > 1 ? argv[1] : "", *files = argc > 2 ? argv[2] : NULL;
  if (!strcmp(name, "files"))
    write_files(files);
  else if (!strcmp(name, "close"))
    close_all(files);
  else if (!strcmp(name, "fork"))
    fork_both(files);
  else if (!strcmp(name, "spin"))
    spin(files);
  else if (!strcmp(name, "child"))
    spin_in_child(files);
  else if (!strcmp(name, "again"))
    use_again();
  else if (!strcmp(name, "patch"))
    patch();
  else if (!strcmp(name, "stop"))
    stop();
  else
    need(false, "no such case");
  return 0;
}
