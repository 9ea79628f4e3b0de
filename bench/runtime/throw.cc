// bench-throw: exceptions, thrown by one thread or by two at once, within a library and out of another one.
#include <dlfcn.h>
#include <pthread.h>

#include "harness.h"
#include "thrower.h"

static void prepare() { bench_open(bench_path("libgroup.so"), RTLD_NOW | RTLD_GLOBAL); }

static void inside(uint64_t times) {
  if (bench_throw_inside(times) != times)
    bench_fail("throw", "not caught");
}

static void across(uint64_t times) {
  if (bench_catch_across(times) != times)
    bench_fail("throw", "not caught");
}

struct Work {
  void (*run)(uint64_t);
  uint64_t times;
  pthread_barrier_t *start;
};

static void *work(void *arg) {
  auto *w = static_cast<Work *>(arg);
  pthread_barrier_wait(w->start);
  w->run(w->times);
  return nullptr;
}

// One operation is a throw by each of the two threads; what they wait for each other, they wait in the processor or
// in the kernel, and it is seen in the time of both.
static void both(void (*run)(uint64_t), uint64_t times) {
  pthread_barrier_t start;
  pthread_barrier_init(&start, nullptr, 2);
  Work w{run, times, &start};
  pthread_t other;
  if (pthread_create(&other, nullptr, work, &w))
    bench_fail("pthread_create", "failed");
  work(&w);
  pthread_join(other, nullptr);
  pthread_barrier_destroy(&start);
}

static void both_inside(uint64_t times) { both(inside, times); }
static void both_across(uint64_t times) { both(across, times); }

static const bench_workload table[] = {
    {"throw", inside, prepare, nullptr, nullptr, BENCH_THREAD_CPU, 0},
    {"throw-across", across, prepare, nullptr, nullptr, BENCH_THREAD_CPU, 0},
    {"throw-2-threads", both_inside, prepare, nullptr, nullptr, BENCH_PROCESS_CPU, 0},
    {"throw-across-2-threads", both_across, prepare, nullptr, nullptr, BENCH_PROCESS_CPU, 0},
};

int main(int argc, char **argv) { return bench_main(argc, argv, table, sizeof table / sizeof table[0]); }
