/* What a call through the PLT costs: nanoseconds, one number on stdout. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int callee(int a);

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

int main(int argc, char **argv) {
  long count = argc > 1 ? atol(argv[1]) : 1000000;
  double best = 1e9;
  int sum = callee(0);
  for (int round = 0; round < 5; round++) {
    double start = now();
    for (long i = 0; i < count; i++)
      sum = callee(sum);
    double cost = (now() - start) / (double)count;
    best = cost < best ? cost : best;
  }
  printf("%.3f\n", best);
  return sum == -1;
}
