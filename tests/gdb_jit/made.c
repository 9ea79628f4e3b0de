// Makes code at run time, as its arguments say, one after the other: a program for a debugger to follow.
#include <dlfcn.h>
#include <ldx/jit.h>
#include <link.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "debug-protocol/symfile.h"

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
#pragma weak ldx_jit_delete

enum { OBJECTS = 16, FUNCTIONS = 64 };
static struct object {
  char name[32];
  ldx_jit *jit;
} objects[OBJECTS], *now;
static struct function {
  char name[32];
  void *code;
} functions[FUNCTIONS];
static int last_value;

static void need(int result, const char *what) {
  if (result) {
    printf("%s: %d\n", what, result);
    exit(8);
  }
}

// Where debuggers stop, with the code on the stack that called it.
static bool dies;
__attribute__((noinline)) int stop_here(int n) {
  __asm__ volatile("" : "+r"(n)::"memory");
  if (dies)
    abort();
  return n + 1;
}

static void *put_code(ldx_jit *jit, const void *bytes, size_t size) {
  void *at = ldx_jit_alloc(jit, size, 16, LDX_JIT_CODE);
  need(!at, "ldx_jit_alloc");
  memcpy(ldx_jit_writable(jit, at), bytes, size);
  return at;
}

static void bind_as(ldx_jit *jit, const char *name, void *at, size_t size, uint32_t type, uint32_t flags) {
  struct ldx_jit_symbol s = {.size = sizeof s, .flags = flags, .name = name, .addr = at, .bytes = size, .type = type};
  need(ldx_jit_bind(jit, &s), "ldx_jit_bind");
}

static void remember(const char *name, void *code) {
  struct function *f = functions;
  while (f->code && strcmp(f->name, name))
    f++;
  snprintf(f->name, sizeof f->name, "%s", name);
  f->code = code;
}
static void *remembered(const char *name) {
  for (struct function *f = functions; f < functions + FUNCTIONS; f++)
    if (f->code && !strcmp(f->name, name))
      return f->code;
  need(1, name);
  return NULL;
}

// ---- code

enum { LEAF = 6, CALLER = 7 + 5 + 10 + 2 + 7 + 1, POINTER = 4 + 5 + 10 + 2 + 2, FRAME = 0x98 };

static void *leaf(ldx_jit *jit, int value) {
  unsigned char code[LEAF] = {0xb8, 0, 0, 0, 0, 0xc3};
  memcpy(code + 1, &value, 4);
  return put_code(jit, code, sizeof code);
}

// Also a function that is called from there publishes.
static int publish_here(int n) {
  bind_as(now->jit, "jit_meanwhile", leaf(now->jit, n), LEAF, STT_FUNC, 0);
  need(ldx_jit_publish(now->jit), "ldx_jit_publish");
  return n;
}

// mov $n,%edi; movabs $f,%rax; call *%rax
static unsigned char *put_call(unsigned char *p, int (*f)(int)) {
  int n = ++last_value;
  *p++ = 0xbf;
  memcpy(p, &n, 4);
  p[4] = 0x48;
  p[5] = 0xb8;
  memcpy(p + 6, &f, 8);
  p[14] = 0xff;
  p[15] = 0xd0;
  return p + 16;
}

// A frame that nobody finds the end of without being told: sub $0x98,%rsp; ...; add $0x98,%rsp; ret
static void *caller(ldx_jit *jit) {
  unsigned char code[CALLER] = {0x48, 0x81, 0xec, FRAME}, *p = put_call(code + 7, stop_here);
  memcpy(p, (unsigned char[]){0x48, 0x81, 0xc4, FRAME, 0, 0, 0, 0xc3}, 8);
  return put_code(jit, code, sizeof code);
}

static void tell_frames(ldx_jit *jit, void *code) {
  struct __attribute__((packed)) {
    uint32_t cie_size, cie_id;
    uint8_t version, augmentation, code_align, data_align, return_register, cie[11];
    uint32_t fde_size, cie_pointer;
    uint64_t start, size;
    uint8_t fde[16];
  } frames = {20,
              0,
              1,
              0,
              1,
              0x78, // -8
              16,
              {0x0c, 7, 8, 0x90, 1},
              36,
              28,
              (uintptr_t)code,
              CALLER,
              {0x47, 0x0e, FRAME + 8, 1, 0x40 | (CALLER - 8), 0x0e, 8}};
  need(ldx_jit_frames(jit, &frames, sizeof frames, NULL), "ldx_jit_frames");
}

// push %rbp; mov %rsp,%rbp; call; pop %rbp; ret
static void *pointer(ldx_jit *jit, int (*f)(int)) {
  unsigned char code[POINTER] = {0x55, 0x48, 0x89, 0xe5}, *p = put_call(code + 4, f);
  memcpy(p, (unsigned char[]){0x5d, 0xc3}, 2);
  return put_code(jit, code, POINTER);
}

static void tell_lines(ldx_jit *jit, void *code) {
  const struct ldx_jit_line lines[] = {{0, 3}, {4, 4}, {21, 6}};
  need(ldx_jit_frame(jit, code, POINTER, LDX_JIT_FRAME_POINTER), "ldx_jit_frame");
  need(ldx_jit_lines(jit, code, POINTER, "made.src", lines, 3), "ldx_jit_lines");
}

// ---- debug information that the program made itself

static void debug(ldx_jit *jit, const char *name, void *code) {
  static struct ldx_heap heap;
  const struct ldx_jit_line lines[] = {{0, 8}, {4, 9}, {21, 10}};
  struct ldx_jit_lines table = {NULL, (uintptr_t)code, POINTER, 3, "made.src", lines};
  struct ldx_symfile_symbol symbol = {name, (uintptr_t)code, POINTER, ELF64_ST_INFO(STB_GLOBAL, STT_FUNC)};
  struct ldx_symfile_run run = {symbol.value, symbol.value + 32, SHF_EXECINSTR};
  uint64_t size;
  char *file = ldx_symfile_make(
      &heap, &(struct ldx_symfile){.symbols = &symbol, .count = 1, .runs = &run, .run_count = 1, .lines = &table},
      &size);
  need(ldx_jit_frame(jit, code, POINTER, LDX_JIT_FRAME_POINTER), "ldx_jit_frame");
  need(ldx_jit_debug(jit, file, size), "ldx_jit_debug");
  memset(file, 0, size); // it was copied
}

// ---- many

static void publish_many(ldx_jit *jit, const char *prefix, int count, int each) {
  char name[64];
  for (int i = 0; i < count; i++) {
    snprintf(name, sizeof name, "%s_%d", prefix, i);
    bind_as(jit, name, leaf(jit, i), LEAF, STT_FUNC, 0);
    if ((i + 1) % each == 0 || i + 1 == count)
      need(ldx_jit_publish(jit), "ldx_jit_publish");
  }
}

struct publisher {
  pthread_t id;
  char name[32];
  int count;
};
static void *publisher(void *arg) {
  struct publisher *p = arg;
  ldx_jit *jit;
  need(ldx_jit_new(p->name, 0, NULL, &jit), "ldx_jit_new");
  publish_many(jit, p->name, p->count, 1);
  return NULL;
}
static void publish_by_threads(int threads, int count) {
  struct publisher p[8];
  for (int i = 0; i < threads; i++) {
    snprintf(p[i].name, sizeof p[i].name, "thread%d", i);
    p[i].count = count;
    need(pthread_create(&p[i].id, NULL, publisher, &p[i]), "pthread_create");
  }
  for (int i = 0; i < threads; i++)
    pthread_join(p[i].id, NULL);
}

// ---- words

static void make_object(const char *name, uint32_t flags) {
  now = objects;
  while (now->jit)
    now++;
  snprintf(now->name, sizeof now->name, "%s", name);
  need(ldx_jit_new(name, flags, NULL, &now->jit), "ldx_jit_new");
}

static void select_object(const char *name) {
  for (now = objects; strcmp(now->name, name); now++)
    need(now == objects + OBJECTS - 1, name);
}

static void add_function(const char *kind, const char *name, uint32_t flags) {
  ldx_jit *jit = now->jit;
  bool is_leaf = !strcmp(kind, "leaf"), is_caller = !strcmp(kind, "caller") || !strcmp(kind, "silent");
  void *code = is_leaf     ? leaf(jit, ++last_value)
               : is_caller ? caller(jit)
                           : pointer(jit, strcmp(kind, "publisher") ? stop_here : publish_here);
  remember(name, code);
  if (!strcmp(kind, "caller"))
    tell_frames(jit, code);
  if (!strcmp(kind, "lines") || !strcmp(kind, "publisher"))
    tell_lines(jit, code);
  if (!strcmp(kind, "pointer"))
    need(ldx_jit_frame(jit, code, POINTER, LDX_JIT_FRAME_POINTER), "ldx_jit_frame");
  if (!strcmp(kind, "debug"))
    debug(jit, name, code);
  else
    bind_as(jit, name, code, is_leaf ? LEAF : is_caller ? CALLER : POINTER, STT_FUNC, flags);
}

static void add_variable(const char *name, enum ldx_jit_kind kind) {
  int *at = ldx_jit_alloc(now->jit, sizeof *at, sizeof *at, kind);
  need(!at, "ldx_jit_alloc");
  *(int *)ldx_jit_writable(now->jit, at) = 4200 + ++last_value;
  bind_as(now->jit, name, at, sizeof *at, STT_OBJECT, 0);
}

static void call(const char *name) {
  int (*f)(void) = (int (*)(void))dlsym(now->jit, name);
  f = f ? f : (int (*)(void))remembered(name);
  printf("%s: %d\n", name, f());
}

// A library of another namespace makes an object there.
static void make_in_space(const char *name) {
  void *library = dlmopen(LM_ID_NEWLM, "./libgdb-maker.so", RTLD_NOW);
  void (*make)(const char *) = library ? (void (*)(const char *))dlsym(library, "make") : NULL;
  if (!make)
    exit((puts(dlerror()), 7));
  make(name);
}

static void fork_on(void) {
  fflush(NULL);
  pid_t child = fork();
  if (child > 0) {
    waitpid(child, NULL, 0);
    _exit(0);
  }
}

// A child that publishes, and is not waited for before it has.
static void publish_in_child(int count) {
  fflush(NULL);
  pid_t child = fork();
  if (!child) {
    publish_many(now->jit, "child", count, 1);
    _exit(0);
  }
  waitpid(child, NULL, 0);
}

// Until a debugger that has attached says so, by a file; the alarm ends what nobody attaches to.
static void await_release(void) {
  puts("waiting");
  alarm(60);
  while (access("released", F_OK))
    usleep(10000);
}

static bool one_of(const char *word, const char *words) {
  const char *found = strstr(words, word);
  return found && (found == words || found[-1] == ' ') && strchr(" ", found[strlen(word)]);
}

static void act(const char *word, const char *value) {
  if (!strcmp(word, "new"))
    make_object(value, 0);
  else if (!strcmp(word, "quiet"))
    make_object(value, LDX_JIT_QUIET);
  else if (!strcmp(word, "in"))
    select_object(value);
  else if (one_of(word, "leaf caller silent pointer lines publisher debug"))
    add_function(word, value, 0);
  else if (!strcmp(word, "follows"))
    add_function("pointer", value, LDX_JIT_FOLLOWS);
  else if (!strcmp(word, "data"))
    add_variable(value, LDX_JIT_DATA);
  else if (!strcmp(word, "rodata"))
    add_variable(value, LDX_JIT_RODATA);
  else if (!strcmp(word, "outside"))
    bind_as(now->jit, value, (void *)stop_here, 0, STT_FUNC, 0);
  else if (!strcmp(word, "name"))
    bind_as(now->jit, value, remembered(value), POINTER, STT_FUNC, 0);
  else if (!strcmp(word, "frames"))
    tell_frames(now->jit, remembered(value));
  else if (!strcmp(word, "tell"))
    tell_lines(now->jit, remembered(value));
  else if (!strcmp(word, "publish"))
    need(ldx_jit_publish(now->jit), word);
  else if (!strcmp(word, "unbind"))
    need(ldx_jit_unbind(now->jit, value, NULL), word);
  else if (!strcmp(word, "free"))
    need(ldx_jit_free(now->jit, remembered(value)), word);
  else if (!strcmp(word, "delete"))
    need(ldx_jit_delete(now->jit), word);
  else if (!strcmp(word, "call"))
    call(value);
  else if (!strcmp(word, "each"))
    publish_many(now->jit, "each", atoi(value), 1);
  else if (!strcmp(word, "batch"))
    publish_many(now->jit, "batch", atoi(value), 1 << 30);
  else if (!strcmp(word, "threads"))
    publish_by_threads(4, atoi(value));
  else if (!strcmp(word, "space"))
    make_in_space(value);
  else if (!strcmp(word, "child"))
    publish_in_child(atoi(value));
  else if (!strcmp(word, "fork"))
    fork_on();
  else if (!strcmp(word, "stop"))
    getppid();
  else if (!strcmp(word, "wait"))
    await_release();
  else if (!strcmp(word, "dies"))
    dies = true;
  else
    exit((printf("no such word: %s\n", word), 9));
}

int main(int argc, char **argv) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  for (int i = 1; i < argc; i++) {
    char word[256];
    snprintf(word, sizeof word, "%s", argv[i]);
    char *value = strchr(word, '=');
    if (value)
      *value++ = 0;
    act(word, value ? value : "");
  }
  getppid(); // where debuggers stop at the end
  return 3;
}
