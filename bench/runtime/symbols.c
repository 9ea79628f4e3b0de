/* dlsym and dlvsym, and the first call of functions that are bound lazily. */
#include <dlfcn.h>
#include <stdbool.h>
#include <stddef.h>

#include "workloads.h"

static void *group, *many_calls;
static void (*call_all)(void);

static void prepare(void) { group = bench_group(); }

/* RTLD_DEFAULT and RTLD_NEXT depend on who asks: always this program. */
static void find(void *handle, const char *name, bool wanted, uint64_t times) {
  for (uint64_t i = 0; i < times; i++)
    if ((dlsym(handle, name) != NULL) != wanted)
      bench_fail(name, wanted ? dlerror() : "found, against expectation");
}

static void find_version(const char *version, bool wanted, uint64_t times) {
  for (uint64_t i = 0; i < times; i++)
    if ((dlvsym(RTLD_DEFAULT, "memcpy", version) != NULL) != wanted)
      bench_fail(version, wanted ? dlerror() : "found, against expectation");
}

static void handle_first(uint64_t times) { find(group, GROUP_FIRST_SYMBOL, true, times); }
static void handle_last(uint64_t times) { find(group, GROUP_LAST_SYMBOL, true, times); }
static void handle_miss(uint64_t times) { find(group, ABSENT_SYMBOL, false, times); }
static void default_libc(uint64_t times) { find(RTLD_DEFAULT, "getpid", true, times); }
static void default_last(uint64_t times) { find(RTLD_DEFAULT, GROUP_LAST_SYMBOL, true, times); }
static void default_miss(uint64_t times) { find(RTLD_DEFAULT, ABSENT_SYMBOL, false, times); }
static void next_libc(uint64_t times) { find(RTLD_NEXT, "getpid", true, times); }
static void next_last(uint64_t times) { find(RTLD_NEXT, GROUP_LAST_SYMBOL, true, times); }
static void next_miss(uint64_t times) { find(RTLD_NEXT, ABSENT_SYMBOL, false, times); }
static void version_hit(uint64_t times) { find_version("GLIBC_2.2.5", true, times); }
static void version_miss(uint64_t times) { find_version("GLIBC_1.99", false, times); }

/* Each batch needs the library anew: its calls are bound once. */
static void open_calls(void) {
  many_calls = bench_open(bench_path("libcaller.so"), RTLD_LAZY);
  call_all = (void (*)(void))bench_symbol(many_calls, "call_all");
}

static void close_calls(void) { dlclose(many_calls); }

static void first_calls(uint64_t times) {
  (void)times; /* as many as the library has calls */
  call_all();
}

/* Stays loaded, so that closing the caller takes nothing else away. */
static void prepare_calls(void) {
  prepare();
  bench_open(bench_path("libcallee.so"), RTLD_NOW);
  open_calls();
  int count = ((int (*)(void))bench_symbol(many_calls, "call_count"))();
  if (count != LAZY_CALLS)
    bench_fail("libcaller.so", "other number of calls than expected");
  close_calls();
}

static const struct bench_workload table[] = {
    {.name = "dlsym-handle-first", .prepare = prepare, .run = handle_first},
    {.name = "dlsym-handle-last", .prepare = prepare, .run = handle_last},
    {.name = "dlsym-handle-miss", .prepare = prepare, .run = handle_miss},
    {.name = "dlsym-default-libc", .prepare = prepare, .run = default_libc},
    {.name = "dlsym-default-last", .prepare = prepare, .run = default_last},
    {.name = "dlsym-default-miss", .prepare = prepare, .run = default_miss},
    {.name = "dlsym-next-libc", .prepare = prepare, .run = next_libc},
    {.name = "dlsym-next-last", .prepare = prepare, .run = next_last},
    {.name = "dlsym-next-miss", .prepare = prepare, .run = next_miss},
    {.name = "dlvsym-hit", .prepare = prepare, .run = version_hit},
    {.name = "dlvsym-miss", .prepare = prepare, .run = version_miss},
    {.name = "lazy-call",
     .prepare = prepare_calls,
     .before = open_calls,
     .run = first_calls,
     .after = close_calls,
     .times = LAZY_CALLS},
};
const struct bench_workloads symbol_workloads = {table, sizeof table / sizeof table[0]};
