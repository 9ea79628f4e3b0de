#include "harness.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { MAX_BATCHES = 1000 };

static const char *folder;

void bench_fail(const char *what, const char *why) {
  fprintf(stderr, "%s: %s\n", what, why ? why : "no reason told");
  exit(1);
}

const char *bench_path(const char *file) {
  char *path;
  if (asprintf(&path, "%s/%s", folder, file) < 0)
    bench_fail(file, "out of memory");
  return path;
}

void *bench_open(const char *file, int mode) {
  void *handle = dlopen(file, mode);
  if (!handle)
    bench_fail(file, dlerror());
  return handle;
}

void *bench_symbol(void *handle, const char *name) {
  void *address = dlsym(handle, name);
  if (!address)
    bench_fail(name, dlerror());
  return address;
}

static uint64_t used_by(int who) {
  struct rusage r;
  getrusage(who, &r);
  return (uint64_t)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1000000000u +
         (uint64_t)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) * 1000u;
}

static uint64_t now(enum bench_clock clock) {
  static const clockid_t ids[] = {CLOCK_THREAD_CPUTIME_ID, CLOCK_PROCESS_CPUTIME_ID};
  struct timespec t;
  if (clock == BENCH_FAMILY_CPU)
    return used_by(RUSAGE_SELF) + used_by(RUSAGE_CHILDREN);
  clock_gettime(ids[clock], &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t batch(const struct bench_workload *w, uint64_t times) {
  if (w->before)
    w->before();
  uint64_t begin = now(w->clock);
  w->run(times);
  uint64_t end = now(w->clock);
  if (w->after)
    w->after();
  return end - begin;
}

/* Grows until a batch takes as long as asked for; warms caches up, too. */
static uint64_t choose_times(const struct bench_workload *w, uint64_t nanoseconds) {
  uint64_t times = w->times ? w->times : 1, spent = batch(w, times);
  while (!w->times && spent < nanoseconds) {
    uint64_t wanted = spent ? times * nanoseconds / spent + 1 : times * 10;
    times = wanted > times * 10 ? times * 10 : wanted;
    spent = batch(w, times);
  }
  return times;
}

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static void measure(const struct bench_workload *w, unsigned batches, uint64_t nanoseconds) {
  double each[MAX_BATCHES];
  if (w->prepare)
    w->prepare();
  uint64_t times = choose_times(w, nanoseconds);
  for (unsigned i = 0; i < batches; i++)
    each[i] = (double)batch(w, times) / (double)times;
  qsort(each, batches, sizeof each[0], by_value);
  printf("%s %.3f %.3f %u %lu\n", w->name, each[0], each[batches / 2], batches, (unsigned long)times);
  fflush(stdout);
}

static bool named(char **names, const char *name) {
  for (; *names; names++)
    if (!strcmp(*names, name))
      return true;
  return false;
}

int bench_main(int argc, char **argv, const struct bench_workload *table, unsigned count) {
  if (argc < 5) {
    fprintf(stderr, "usage: %s FOLDER BATCHES MICROSECONDS WORKLOAD...\nworkloads:", argv[0]);
    for (unsigned i = 0; i < count; i++)
      fprintf(stderr, " %s", table[i].name);
    fprintf(stderr, "\n");
    return 2;
  }
  folder = argv[1];
  unsigned batches = (unsigned)strtoul(argv[2], NULL, 10);
  uint64_t nanoseconds = strtoul(argv[3], NULL, 10) * 1000;
  if (batches < 1 || batches > MAX_BATCHES)
    bench_fail(argv[2], "not a number of batches");
  for (unsigned i = 0; i < count; i++)
    if (named(argv + 4, table[i].name))
      measure(&table[i], batches, nanoseconds);
  return 0;
}
