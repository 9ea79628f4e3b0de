// A library that is in the middle of something when a debugger comes: its constructor runs (IN_CONSTRUCTOR), or it is
// still being loaded, and its indirect function's resolver runs, which also may open another library (OPENS).
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int inside_value(void);
int inside_mark(void);

#ifndef OPENS
static void await(void) {
  puts("waiting");
  fflush(stdout);
  alarm(60);
  while (access("released", F_OK))
    usleep(10000);
}
#endif

int inside_mark(void) { return 6; }

#ifdef IN_CONSTRUCTOR
__attribute__((constructor)) static void inside_begin(void) {
  await();
  inside_mark();
}
#else
static int chosen(void) { return 5; }

static int (*choose(void))(void) {
#ifdef OPENS
  if (!dlopen("./libgdb-under.so", RTLD_NOW))
    abort();
#else
  await();
#endif
  return chosen;
}

int inside_value(void) __attribute__((ifunc("choose")));
int (*inside_function)(void) = inside_value; // relocated at once, not lazily

__attribute__((constructor)) static void inside_begin(void) { inside_mark(); }
#endif
