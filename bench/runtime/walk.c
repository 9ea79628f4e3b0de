/* Questions about addresses and about all that is loaded. */
#include <dlfcn.h>
#include <execinfo.h>
#include <link.h>
#include <stdbool.h>
#include <stdlib.h>

#include "workloads.h"

static void *in_first, *in_last, *in_libc, *in_heap;

static void prepare(void) {
  void *group = bench_group();
  in_first = bench_symbol(group, GROUP_FIRST_SYMBOL);
  in_last = bench_symbol(group, GROUP_LAST_SYMBOL);
  in_libc = bench_symbol(RTLD_DEFAULT, "getpid");
  in_heap = malloc(1);
}

static int count_one(struct dl_phdr_info *info, size_t size, void *seen) {
  (void)info, (void)size;
  ++*(unsigned *)seen;
  return 0;
}

static void iterate(uint64_t times) {
  unsigned seen = 0;
  for (uint64_t i = 0; i < times; i++)
    dl_iterate_phdr(count_one, &seen);
  if (seen / times <= *(const unsigned *)bench_symbol(bench_group(), "group_count"))
    bench_fail("dl_iterate_phdr", "too few objects");
}

static void find_objects(uint64_t times) {
  void *where[] = {in_first, in_last, in_libc, (void *)iterate};
  struct dl_find_object found;
  for (uint64_t i = 0; i < times; i++)
    if (_dl_find_object(where[i % 4], &found))
      bench_fail("_dl_find_object", "not found");
}

static void find_nothing(uint64_t times) {
  struct dl_find_object found;
  for (uint64_t i = 0; i < times; i++)
    if (!_dl_find_object(in_heap, &found))
      bench_fail("_dl_find_object", "found the heap");
}

static void names_of(void *address, bool wanted, uint64_t times) {
  Dl_info info;
  for (uint64_t i = 0; i < times; i++)
    if ((dladdr(address, &info) != 0) != wanted)
      bench_fail("dladdr", wanted ? "not found" : "found the heap");
}

static void dladdr_small(uint64_t times) { names_of(in_last, true, times); }
static void dladdr_libc(uint64_t times) { names_of(in_libc, true, times); }
static void dladdr_miss(uint64_t times) { names_of(in_heap, false, times); }

enum { DEPTH = 20 };

__attribute__((noinline)) static uint64_t descend(unsigned depth, uint64_t times) {
  void *frames[DEPTH];
  uint64_t seen = 0;
  if (depth)
    seen = descend(depth - 1, times);
  for (uint64_t i = 0; !depth && i < times; i++)
    seen += (unsigned)backtrace(frames, DEPTH);
  __asm__ volatile("" ::: "memory"); /* no tail call */
  return seen;
}

static void trace_back(uint64_t times) {
  if (descend(DEPTH, times) != DEPTH * times)
    bench_fail("backtrace", "wrong number of frames");
}

static const struct bench_workload table[] = {
    {.name = "iterate", .prepare = prepare, .run = iterate},
    {.name = "find-object", .prepare = prepare, .run = find_objects},
    {.name = "find-object-miss", .prepare = prepare, .run = find_nothing},
    {.name = "dladdr", .prepare = prepare, .run = dladdr_small},
    {.name = "dladdr-libc", .prepare = prepare, .run = dladdr_libc},
    {.name = "dladdr-miss", .prepare = prepare, .run = dladdr_miss},
    {.name = "backtrace", .prepare = prepare, .run = trace_back},
};
const struct bench_workloads walk_workloads = {table, sizeof table / sizeof table[0]};
