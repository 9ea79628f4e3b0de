/* The workloads of bench-runtime, by subject. */
#ifndef BENCH_WORKLOADS_H
#define BENCH_WORKLOADS_H

#include "harness.h"

/* Names in the generated group of libraries (generate.py): libgroup.so needs all others. */
#define GROUP_LIBRARY "libgroup.so"
#define GROUP_LAST_SYMBOL "group_last"
#define GROUP_FIRST_SYMBOL "group000_f00"
#define ABSENT_SYMBOL "bench_nobody_defines_this"

/* In generated libraries too: calls that libcaller.so makes once each, libraries with thread-local variables. */
enum { LAZY_CALLS = 2000, TLS_LIBRARIES = 100 };

/* Opens the group for all, once; its handle. */
void *bench_group(void);

struct bench_workloads {
  const struct bench_workload *at;
  unsigned count;
};
extern const struct bench_workloads open_workloads, symbol_workloads, walk_workloads, tls_workloads, thread_workloads;

#endif
