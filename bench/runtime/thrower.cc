// The library that throws.
#include "thrower.h"

// Some frames to unwind.
__attribute__((noinline)) void bench_throw(int depth) {
  if (depth == 0)
    throw BenchError{depth};
  bench_throw(depth - 1);
  __asm__ volatile("" ::: "memory"); // no tail call
}

uint64_t bench_throw_inside(uint64_t times) {
  uint64_t caught = 0;
  for (uint64_t i = 0; i < times; i++)
    try {
      bench_throw(4);
    } catch (const BenchError &) {
      caught++;
    }
  return caught;
}
