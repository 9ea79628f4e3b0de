/* Thread-local variables of libraries: one operation is one access. */
#include <dlfcn.h>
#include <stddef.h>
#include <stdio.h>

#include "workloads.h"

void general_access(uint64_t times);    /* a library that the program needs: static space */
void descriptor_access(uint64_t times); /* likewise, with descriptors */

static void (*late_general)(uint64_t), (*late_descriptor)(uint64_t), (*late_small)(uint64_t);

static void *access_of(const char *file, const char *name) {
  return bench_symbol(bench_open(bench_path(file), RTLD_NOW), name);
}

static void prepare(void) {
  late_general = (void (*)(uint64_t))access_of("libbench-late-general.so", "late_general_access");
  late_descriptor = (void (*)(uint64_t))access_of("libbench-late-descriptor.so", "late_descriptor_access");
  late_small = (void (*)(uint64_t))access_of("libbench-late-small.so", "late_small_access");
}

/* Every library with thread-local variables that is loaded is a new generation of the modules. */
static void prepare_many(void) {
  prepare();
  late_general(1);
  late_descriptor(1);
  for (unsigned i = 0; i < TLS_LIBRARIES; i++) {
    char name[32];
    snprintf(name, sizeof name, "libtls%03u.so", i);
    bench_open(bench_path(name), RTLD_NOW);
  }
}

static void run_late_general(uint64_t times) { late_general(times); }
static void run_late_descriptor(uint64_t times) { late_descriptor(times); }
static void run_late_small(uint64_t times) { late_small(times); }

static const struct bench_workload table[] = {
    {.name = "tls-start", .prepare = prepare, .run = general_access},
    {.name = "tls-late", .prepare = prepare, .run = run_late_general},
    {.name = "tlsdesc-start", .prepare = prepare, .run = descriptor_access},
    {.name = "tlsdesc-late", .prepare = prepare, .run = run_late_descriptor},
    {.name = "tlsdesc-late-small", .prepare = prepare, .run = run_late_small},
    {.name = "tls-start-100", .prepare = prepare_many, .run = general_access},
    {.name = "tls-late-100", .prepare = prepare_many, .run = run_late_general},
    {.name = "tlsdesc-late-100", .prepare = prepare_many, .run = run_late_descriptor},
};
const struct bench_workloads tls_workloads = {table, sizeof table / sizeof table[0]};
