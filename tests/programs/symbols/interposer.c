// Wraps functions of libc and of a library of ours by RTLD_NEXT; counts what passes.
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static int calls;
#ifdef SECOND
#define LABEL "second"
#else
#define LABEL "first"
#endif
int puts(const char *text) {
  int (*next)(const char *) = (int (*)(const char *))dlsym(RTLD_NEXT, "puts");
  calls++;
  char line[200];
  snprintf(line, sizeof line, LABEL "(%s)", text);
  return next(line);
}
const char *who(void) {
  const char *(*next)(void) = (const char *(*)(void))dlsym(RTLD_NEXT, "who");
  static char line[200];
  snprintf(line, sizeof line, LABEL "<%s>", next ? next() : "nobody");
  return line;
}
time_t time(time_t *out) {
  if (out)
    *out = 1000;
  return 1000;
}
static void *(*next_malloc)(size_t);
void *malloc(size_t size) {
  if (!next_malloc)
    next_malloc = (void *(*)(size_t))dlsym(RTLD_NEXT, "malloc");
  calls++;
  return next_malloc(size);
}
__attribute__((destructor)) static void report(void) { fprintf(stderr, LABEL " saw calls: %d\n", calls > 0); }
