/* jit-run FILE.c FUNCTION [NUMBER...]: compiles a file of C into an object made at run time, and calls a function of
 * it. The file's other users are a debugger (break FUNCTION), perf (LDX_PERF=map) and whatever looks symbols up by
 * name. */
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compile.h"
#include "object.h"

static char *read_text(const char *path) {
  FILE *file = fopen(path, "r");
  char *text = NULL;
  size_t room = 0;
  if (!file || getdelim(&text, &room, '\0', file) < 0)
    perror(path);
  if (file)
    fclose(file);
  return text;
}

/* 0 when the file's functions are there for everybody. */
static int compile(ldx_jit *jit, const char *path) {
  char error[256], *source = read_text(path), *bytes = NULL;
  size_t size;
  int r = source ? compile_with_tcc(source, path, &bytes, &size) : -1;
  if (!r && (r = jit_add_object(jit, bytes, size, JIT_FRAME_POINTERS, error, sizeof error)))
    fprintf(stderr, "%s: %s\n", path, error);
  if (!r && (r = ldx_jit_publish(jit)))
    fprintf(stderr, "%s: cannot be published: %s\n", path, strerror(-r));
  free(bytes);
  free(source);
  return r;
}

int main(int argc, char **argv) {
  enum { MOST = 6 };
  long a[MOST] = {0};
  ldx_jit *jit;
  if (argc < 3 || argc > 3 + MOST) {
    fprintf(stderr, "usage: ldx %s FILE.c FUNCTION [NUMBER...] (at most %d)\n", argv[0], MOST);
    return 2;
  }
  for (int i = 3; i < argc; i++)
    a[i - 3] = strtol(argv[i], NULL, 0);
  int r = ldx_jit_new("libjit-run.so", LDX_JIT_GLOBAL, NULL, &jit);
  if (r)
    fprintf(stderr, "%s: %s\n", argv[0], r == -ENOSYS ? "run me with ldx" : strerror(-r));
  if (r || compile(jit, argv[1]))
    return 1;
  long (*f)(long, long, long, long, long, long);
  *(void **)&f = dlsym(jit, argv[2]);
  if (!f) {
    fprintf(stderr, "%s\n", dlerror());
    return 1;
  }
  printf("%ld\n", f(a[0], a[1], a[2], a[3], a[4], a[5]));
  return 0;
}
