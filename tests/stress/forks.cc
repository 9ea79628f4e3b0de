// A storm of forks: one thread loads and unloads libraries with thread-local storage, one asks for addresses all the
// time, one forks as fast as it can. The children load, throw, iterate, start a thread, and fork once more. None may
// hang.
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "set.h"

namespace {

void churn(uint64_t *random) {
  held h = open_piece(bare_piece(random), stress_random(random, 2));
  use_piece(h);
  close_piece(&h);
}

void ask(uint64_t *random) {
  (void)random;
  Dl_info info;
  for (int i = 0; i < 1000; i++)
    CHECK(dladdr(reinterpret_cast<void *>(churn), &info), "dladdr");
  check_iteration(nullptr, 0);
}

void *in_thread(void *seed) {
  uint64_t random = reinterpret_cast<uintptr_t>(seed);
  for (int i = 0; i < 2; i++)
    churn(&random);
  return nullptr;
}

// Two threads at once: the records of the parent's threads are still there, and their stacks are used again.
void threads_in_child(uint64_t *random) {
  pthread_t t;
  uintptr_t seed = stress_random(random, 1u << 31);
  CHECK(!pthread_create(&t, nullptr, in_thread, reinterpret_cast<void *>(seed)), "no thread");
  churn(random);
  CHECK(!pthread_join(t, nullptr), "join");
}

// In one child of many: what it unloads must go, although it was born among the readers and locks of others.
void many_in_child(uint64_t *random) {
  enum { WARM = 30, ROUNDS = 150, ALLOWED = 40 };
  for (int i = 0; i < WARM; i++)
    churn(random);
  int mappings = stress_mappings();
  for (int i = 0; i < ROUNDS; i++)
    churn(random);
  int now = stress_mappings();
  CHECK(now <= mappings + ALLOWED, "mappings of a child grew from %d to %d", mappings, now);
}

void act_in_child(uint64_t *random) {
  free(malloc(stress_random(random, 100000)));
  held h = open_piece(bare_piece(random), false);
  if (stress_random(random, 2))
    threads_in_child(random);
  use_piece(h);
  throw_through(h, 3);
  check_iteration(&h, 1);
  check_address(h);
  if (!stress_random(random, 16))
    many_in_child(random);
  close_piece(&h);
}

void fork_once(uint64_t *random) {
  uint64_t seed = stress_random(random, 1u << 31);
  pid_t child = fork(), grandchild = 0;
  if (!child) {
    act_in_child(&seed);
    grandchild = fork();
    if (!grandchild)
      act_in_child(&seed);
    else
      stress_wait(grandchild);
    _exit(0);
  }
  stress_wait(child);
}

void work(int thread, uint64_t seed) {
  visit_all();
  static void (*const jobs[])(uint64_t *) = {churn, fork_once, ask};
  while (stress_goes_on())
    jobs[thread % 3](&seed);
}

} // namespace

int main(int argc, char **argv) {
  stress_options o = stress_begin(argc, argv);
  stress_plan plan = {};
  plan.work = work;
  plan.between = check_books;
  plan.resident_allowed = 16384; // what waits for a reader that was stopped in the middle
  stress_run(&o, &plan);
}
