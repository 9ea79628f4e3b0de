/* The library that `debugged` opens. */
#include <stdio.h>

int library_work(int n) {
  printf("library %d\n", n);
  return n + 1;
}

int library_call(int (*f)(int), int n) { return f(n) + 1; }

__attribute__((noinline)) int library_spin(int n) {
  volatile int sum = 0;
  for (int i = 0; i < 100000; i++)
    sum += i ^ n;
  return sum;
}
