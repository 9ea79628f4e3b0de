// A library whose constructor waits, when it is told to, until a file is there: somebody attaches meanwhile.
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int under_call(int n);

__attribute__((noinline)) void slow_mark(void) { __asm__ volatile("" ::: "memory"); }

__attribute__((constructor)) static void slow_begin(void) {
  if (getenv("SLOW")) {
    puts("constructing");
    while (access("released", F_OK))
      usleep(10000);
  }
  slow_mark();
}

int slow_call(int n) { return under_call(n) + 1; }
