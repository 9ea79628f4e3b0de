// A library that comes and goes: thread-local data of every kind, constructors, a version of its own.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static __thread int counter = 100;
static __thread char zeroed[200] __attribute__((aligned(64)));
__thread int exported = 7;

__attribute__((constructor)) static void begin(void) { printf("module begins\n"); }
__attribute__((destructor)) static void end(void) { printf("module ends\n"); }

int module_count(int by) {
  memset(zeroed, by, sizeof zeroed);
  exported += by;
  return counter += by;
}
