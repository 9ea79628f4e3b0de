// Functions that throw, in libraries.
#ifndef BENCH_THROWER_H
#define BENCH_THROWER_H

#include <cstdint>

struct BenchError {
  int depth;
};

// Throws and catches in one library; how often it caught.
uint64_t bench_throw_inside(uint64_t times);
// Catches what bench_throw() of the other library throws.
uint64_t bench_catch_across(uint64_t times);
[[noreturn]] void bench_throw(int depth);

#endif
