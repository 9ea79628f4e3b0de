/* dlopen and dlclose. One operation is both. */
#include <dlfcn.h>
#include <stddef.h>

#include "workloads.h"

static const char *small, *held, *cxx, *tls, *never, *missing_path;

static void prepare(void) {
  bench_group();
  small = bench_path("libbench-small.so");
  held = bench_path("libbench-held.so");
  cxx = bench_path("libbench-cxx.so");
  tls = bench_path("libbench-tls.so");
  never = bench_path("libbench-never.so");
  missing_path = bench_path("libbench-missing.so");
  bench_open(held, RTLD_NOW);
  /* libstdc++ has unique symbols and stays for ever once it was bound to: it is to be there from the start */
  bench_open("libstdc++.so.6", RTLD_NOW);
}

static void open_close(const char *file, int mode, uint64_t times) {
  for (uint64_t i = 0; i < times; i++) {
    void *handle = bench_open(file, mode);
    if (dlclose(handle))
      bench_fail(file, dlerror());
  }
}

static void open_held(uint64_t times) { open_close(held, RTLD_NOW, times); }
static void open_small(uint64_t times) { open_close(small, RTLD_NOW, times); }
static void open_global(uint64_t times) { open_close(small, RTLD_NOW | RTLD_GLOBAL, times); }
static void open_cxx(uint64_t times) { open_close(cxx, RTLD_NOW, times); }
static void open_named(uint64_t times) { open_close("libBrokenLocale.so.1", RTLD_NOW, times); }

/* Its block in this thread is used each time, so that it is made and taken away. */
static void open_tls(uint64_t times) {
  for (uint64_t i = 0; i < times; i++) {
    void *handle = bench_open(tls, RTLD_NOW);
    void (*touch)(uint64_t) = (void (*)(uint64_t))bench_symbol(handle, "tls_access");
    touch(1);
    dlclose(handle);
  }
}

static void refused(const char *file, int mode, uint64_t times) {
  for (uint64_t i = 0; i < times; i++)
    if (dlopen(file, mode))
      bench_fail(file, "opened, against expectation");
}

static void open_noload(uint64_t times) { refused(never, RTLD_NOW | RTLD_NOLOAD, times); }
static void open_missing(uint64_t times) { refused("libbench-missing.so", RTLD_NOW, times); }
static void open_missing_path(uint64_t times) { refused(missing_path, RTLD_NOW, times); }

static const struct bench_workload table[] = {
    {.name = "open-held", .prepare = prepare, .run = open_held},
    {.name = "open-small", .prepare = prepare, .run = open_small},
    {.name = "open-global", .prepare = prepare, .run = open_global},
    {.name = "open-named", .prepare = prepare, .run = open_named},
    {.name = "open-cxx", .prepare = prepare, .run = open_cxx},
    {.name = "open-tls", .prepare = prepare, .run = open_tls},
    {.name = "open-noload", .prepare = prepare, .run = open_noload},
    {.name = "open-missing", .prepare = prepare, .run = open_missing},
    {.name = "open-missing-path", .prepare = prepare, .run = open_missing_path},
};
const struct bench_workloads open_workloads = {table, sizeof table / sizeof table[0]};
