// Thousands of short threads, many at once, that use thread-local variables of libraries they load themselves and of
// some that are there, while other libraries with thread-local storage come and go: module ids are used again, values
// are always those of the image at first, and what ended threads had is given back.
#include <pthread.h>

#include "set.h"

namespace {

enum { AT_ONCE = 200 };
held standing[4];

void touch(const held *h) {
  use_piece(*h);
  use_piece(*h); // what was written is there
}

void *short_life(void *seed) {
  uint64_t random = reinterpret_cast<uintptr_t>(seed);
  for (const held &h : standing)
    touch(&h);
  held own = open_piece(stress_random(&random, 2) ? 4 + (int)stress_random(&random, 3) : bare_piece(&random), false);
  touch(&own);
  touch(&standing[stress_random(&random, 4)]);
  if (stress_random(&random, 4))
    touch(&own);
  close_piece(&own);
  return nullptr;
}

void many_threads(uint64_t *random, int count) {
  pthread_t t[AT_ONCE];
  pthread_attr_t a;
  pthread_attr_init(&a);
  pthread_attr_setstacksize(&a, 128 * 1024);
  for (int i = 0; i < count; i++) {
    uintptr_t seed = stress_random(random, 1u << 31);
    CHECK(!pthread_create(&t[i], &a, short_life, reinterpret_cast<void *>(seed)), "no thread %d", i);
  }
  for (int i = 0; i < count; i++)
    pthread_join(t[i], nullptr);
  pthread_attr_destroy(&a);
}

void churn(uint64_t *random) {
  held h[3];
  for (held &one : h)
    one = open_piece((int)stress_random(random, PIECES), stress_random(random, 2));
  for (held &one : h)
    touch(&one);
  for (held &one : h)
    close_piece(&one);
}

void work(int thread, uint64_t seed) {
  if (thread)
    while (stress_goes_on())
      churn(&seed);
  else
    for (int round = 0; stress_goes_on(); round++)
      many_threads(&seed, round % 4 ? 20 : AT_ONCE);
}

// Not on the main thread: what has a destructor there stays to the end.
void *warm_up(void *) {
  visit_all();
  return nullptr;
}

} // namespace

int main(int argc, char **argv) {
  static const int ids[] = {5, 6, 8, 16};
  stress_options o = stress_begin(argc, argv);
  pthread_t t;
  pthread_create(&t, nullptr, warm_up, nullptr);
  pthread_join(t, nullptr);
  for (int i = 0; i < 4; i++)
    standing[i] = open_piece(ids[i], false);
  stress_plan plan = {};
  plan.work = work;
  stress_run(&o, &plan);
  for (held &h : standing)
    close_piece(&h);
  check_books();
}
