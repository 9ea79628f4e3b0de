// The library that catches what another one throws.
#include "thrower.h"

uint64_t bench_catch_across(uint64_t times) {
  uint64_t caught = 0;
  for (uint64_t i = 0; i < times; i++)
    try {
      bench_throw(4);
    } catch (const BenchError &) {
      caught++;
    }
  return caught;
}
