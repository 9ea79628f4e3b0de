/* Futex locks: they exclude, they wake who waits, and the writer lock may be entered again by its holder. */
#include <pthread.h>

#include "base/lock.h"
#include "unit.h"

enum { THREADS = 4, ROUNDS = 20000 };

static struct ldx_rlock rlock;
static long counter; /* changed under the lock only, in two steps that a race would tear */
static long volatile shadow;

static void run_threads(void *(*body)(void *)) {
  pthread_t threads[THREADS];
  counter = shadow = 0;
  for (int i = 0; i < THREADS; i++)
    assert_int_equal(pthread_create(&threads[i], NULL, body, NULL), 0);
  for (int i = 0; i < THREADS; i++)
    pthread_join(threads[i], NULL);
  assert_int_equal(counter, THREADS * ROUNDS);
  assert_int_equal(shadow, THREADS * ROUNDS);
}

static void *count_with_rlock(void *unused) {
  for (int i = 0; i < ROUNDS; i++) {
    unsigned depth = 1 + (unsigned)i % 3;
    for (unsigned k = 0; k < depth; k++)
      ldx_rlock_enter(&rlock);
    long seen = shadow;
    counter++;
    shadow = seen + 1;
    for (unsigned k = 0; k < depth; k++)
      ldx_rlock_leave(&rlock);
  }
  return unused;
}

static void rlock_excludes(void **state) {
  run_threads(count_with_rlock);
  assert_int_equal(rlock.word, 0);
  assert_int_equal(rlock.depth, 0);
}

static void *is_mine(void *unused) { return ldx_rlock_mine(&rlock) ? &rlock : NULL; }

static bool mine_elsewhere(void) {
  pthread_t other;
  void *answer;
  assert_int_equal(pthread_create(&other, NULL, is_mine, NULL), 0);
  pthread_join(other, &answer);
  return answer;
}

static void rlock_knows_its_holder(void **state) {
  assert_false(ldx_rlock_mine(&rlock));
  ldx_rlock_enter(&rlock);
  ldx_rlock_enter(&rlock);
  assert_true(ldx_rlock_mine(&rlock));
  assert_false(mine_elsewhere());
  ldx_rlock_leave(&rlock);
  assert_true(ldx_rlock_mine(&rlock));
  ldx_rlock_leave(&rlock);
  assert_false(ldx_rlock_mine(&rlock));
}

static void *enter_and_leave(void *done) {
  ldx_rlock_enter(&rlock);
  __atomic_store_n((bool *)done, true, __ATOMIC_SEQ_CST);
  ldx_rlock_leave(&rlock);
  return NULL;
}

/* Who waits is in the kernel until the last leave, and comes through then. */
static void rlock_wakes_who_waits(void **state) {
  bool done = false;
  pthread_t other;
  ldx_rlock_enter(&rlock);
  ldx_rlock_enter(&rlock);
  assert_int_equal(pthread_create(&other, NULL, enter_and_leave, &done), 0);
  while (!(__atomic_load_n(&rlock.word, __ATOMIC_SEQ_CST) & 1)) /* waited for */
    sched_yield();
  ldx_rlock_leave(&rlock);
  assert_false(__atomic_load_n(&done, __ATOMIC_SEQ_CST));
  ldx_rlock_leave(&rlock);
  pthread_join(other, NULL);
  assert_true(done);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      CASE(rlock_excludes),
      CASE(rlock_knows_its_holder),
      CASE(rlock_wakes_who_waits),
  };
  return RUN(tests);
}
