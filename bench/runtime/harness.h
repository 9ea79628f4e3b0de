/* Measures what a loader does while a program runs: a workload is an operation repeated many times, in batches. For
 * each workload one line is printed: its name, nanoseconds an operation takes in the fastest batch, and in the median
 * one, and how many batches and operations there were. */
#ifndef BENCH_HARNESS_H
#define BENCH_HARNESS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Processor time: what other programs of the machine take does not count. */
enum bench_clock { BENCH_THREAD_CPU, BENCH_PROCESS_CPU, BENCH_FAMILY_CPU /* with its children's */ };

struct bench_workload {
  const char *name;
  void (*run)(uint64_t times); /* what is measured */
  void (*prepare)(void);       /* once, before all batches; or NULL, as the next two */
  void (*before)(void);        /* before each batch */
  void (*after)(void);         /* after each batch */
  enum bench_clock clock;
  uint64_t times; /* operations of a batch; 0: as many as fill the time of a batch */
};

/* PROGRAM FOLDER BATCHES MICROSECONDS WORKLOAD...: runs the named ones, in the order of the table. */
int bench_main(int argc, char **argv, const struct bench_workload *table, unsigned count);

/* The path of a file in the folder of generated libraries; valid until the process ends. */
const char *bench_path(const char *file);

/* Ends the program: what was to be measured did not work. */
void bench_fail(const char *what, const char *why) __attribute__((noreturn));

/* dlopen, which must succeed. */
void *bench_open(const char *file, int mode);
/* dlsym, likewise. */
void *bench_symbol(void *handle, const char *name);

#ifdef __cplusplus
}
#endif

#endif
