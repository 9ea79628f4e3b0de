// Publishes functions one by one, in one object or several, in turn; tells nanoseconds of one publish.
//
//   jit publish FUNCTIONS OBJECTS   new functions
//   jit rebind ROUNDS FUNCTIONS     one function of many, again and again; its old code is freed
//   jit wait FUNCTIONS OBJECTS      publishes, says so, and waits for a line on the standard input
#include <ldx/jit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#pragma weak ldx_jit_new
#pragma weak ldx_jit_alloc
#pragma weak ldx_jit_writable
#pragma weak ldx_jit_free
#pragma weak ldx_jit_bind
#pragma weak ldx_jit_publish

enum { SIZE = 6, FUNCTION = 2 };

static void need(int result, const char *what) {
  if (result) {
    fprintf(stderr, "%s: %d\n", what, result);
    exit(1);
  }
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void *bind(ldx_jit *jit, const char *name, int value) {
  unsigned char code[SIZE] = {0xb8, 0, 0, 0, 0, 0xc3};
  memcpy(code + 1, &value, sizeof value);
  void *at = ldx_jit_alloc(jit, sizeof code, 16, LDX_JIT_CODE);
  need(!at, "ldx_jit_alloc");
  memcpy(ldx_jit_writable(jit, at), code, sizeof code);
  struct ldx_jit_symbol s = {.size = sizeof s, .name = name, .addr = at, .bytes = sizeof code, .type = FUNCTION};
  need(ldx_jit_bind(jit, &s), "ldx_jit_bind");
  return at;
}

static ldx_jit **objects(int count) {
  ldx_jit **all = calloc((size_t)count, sizeof *all);
  const struct ldx_jit_limits limits = {.size = sizeof limits, .code = 1 << 23, .data = 4096, .rodata = 4096};
  for (int i = 0; i < count; i++) {
    char name[32];
    snprintf(name, sizeof name, "object%d", i);
    need(ldx_jit_new(name, 0, &limits, &all[i]), "ldx_jit_new");
  }
  return all;
}

static void publish(ldx_jit **all, int object_count, int functions) {
  char name[32];
  for (int i = 0; i < functions; i++) {
    ldx_jit *jit = all[i % object_count];
    snprintf(name, sizeof name, "function_%d", i);
    bind(jit, name, i);
    need(ldx_jit_publish(jit), "ldx_jit_publish");
  }
}

static void rebind(ldx_jit *jit, int functions, int rounds) {
  char name[32];
  void **code = calloc((size_t)functions, sizeof *code);
  for (int i = 0; i < functions; i++) {
    snprintf(name, sizeof name, "function_%d", i);
    code[i] = bind(jit, name, i);
  }
  need(ldx_jit_publish(jit), "ldx_jit_publish");
  double begin = now();
  for (int i = 0; i < rounds; i++) {
    int k = (int)(i * 7919L % functions);
    snprintf(name, sizeof name, "function_%d", k);
    void *old = code[k];
    code[k] = bind(jit, name, i);
    need(ldx_jit_publish(jit), "ldx_jit_publish");
    need(ldx_jit_free(jit, old), "ldx_jit_free");
  }
  printf("%.0f\n", (now() - begin) / rounds);
}

int main(int argc, char **argv) {
  if (argc != 4)
    return 2;
  int first = atoi(argv[2]), second = atoi(argv[3]);
  if (!strcmp(argv[1], "rebind")) {
    rebind(*objects(1), second, first);
    return 0;
  }
  ldx_jit **all = objects(second);
  double begin = now();
  publish(all, second, first);
  printf("%.0f\n", (now() - begin) / first);
  fflush(stdout);
  if (!strcmp(argv[1], "wait"))
    return getchar() == EOF;
  getppid(); // where debuggers stop at the end
  return 0;
}
