/* Threads and processes. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "workloads.h"

enum { MODULES = 10 };
static int *(*addresses[MODULES])(void);

static void prepare(void) {
  for (unsigned i = 0; i < MODULES; i++) {
    char name[32];
    snprintf(name, sizeof name, "libtls%03u.so", i);
    void *handle = bench_open(bench_path(name), RTLD_NOW);
    snprintf(name, sizeof name, "tls%03u_address", i);
    addresses[i] = (int *(*)(void))bench_symbol(handle, name);
  }
}

static void *nothing(void *arg) { return arg; }

static void *touch(void *arg) {
  for (unsigned i = 0; i < MODULES; i++)
    ++*addresses[i]();
  return arg;
}

static void start_and_join(void *(*function)(void *), uint64_t times) {
  for (uint64_t i = 0; i < times; i++) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, function, NULL) || pthread_join(thread, NULL))
      bench_fail("pthread_create", "failed");
  }
}

static void threads_idle(uint64_t times) { start_and_join(nothing, times); }
static void threads_touch(uint64_t times) { start_and_join(touch, times); }

static void prepare_fork(void) { bench_group(); }

static void forks(uint64_t times) {
  for (uint64_t i = 0; i < times; i++) {
    int status;
    pid_t pid = fork();
    if (pid == 0)
      _exit(0);
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
      bench_fail("fork", "failed");
  }
}

static const struct bench_workload table[] = {
    {.name = "thread", .prepare = prepare, .run = threads_idle, .clock = BENCH_PROCESS_CPU},
    {.name = "thread-touch", .prepare = prepare, .run = threads_touch, .clock = BENCH_PROCESS_CPU},
    {.name = "fork", .prepare = prepare_fork, .run = forks, .clock = BENCH_FAMILY_CPU},
};
const struct bench_workloads thread_workloads = {table, sizeof table / sizeof table[0]};
