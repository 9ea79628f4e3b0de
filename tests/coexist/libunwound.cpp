// The library of `unwound`: calls that are bound when they are made first, thread-local data, frames with something
// to clean up.
#include <cstdio>
#include <cstdlib>
#include <unistd.h>

#define EACH(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7)

#define DECLARE(n) extern "C" int unwound_bound_##n(int, double);
EACH(DECLARE)

static thread_local volatile char large[3000];
extern thread_local int unwound_elsewhere;

struct watched {
  const char *name;
  ~watched() { printf("destroyed %s\n", name); }
};

extern "C" {
int unwound_call_all(int n) {
  int sum = 0;
#define CALL(i) sum += unwound_bound_##i(n, i * 0.5);
  EACH(CALL)
  return sum;
}

int unwound_locals() {
  large[100] = 1;
  return large[100] + ++unwound_elsewhere;
}

void unwound_block(int fd) {
  watched here{"in the library"};
  char c;
  while (read(fd, &c, 1) >= 0)
    ;
}

void unwound_throw(int n) {
  if (n)
    unwound_throw(n - 1);
  throw n;
}

int unwound_crash(volatile int *p) { return *p + 1; }

void unwound_sort(int (*compare)(const void *, const void *)) {
  int numbers[4] = {3, 1, 4, 1};
  qsort(numbers, 4, sizeof numbers[0], compare);
}
}
