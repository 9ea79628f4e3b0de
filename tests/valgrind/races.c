/* races NAME: threads that share against the rules. */
#include <pthread.h>
#include <string.h>

static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER, two = PTHREAD_MUTEX_INITIALIZER;
static volatile int counter;

static void *count_unprotected(void *unused) {
  for (int i = 0; i < 10; i++)
    counter++;
  return unused;
}

static void lock_both(pthread_mutex_t *a, pthread_mutex_t *b) {
  pthread_mutex_lock(a);
  pthread_mutex_lock(b);
  counter++;
  pthread_mutex_unlock(b);
  pthread_mutex_unlock(a);
}

static void *lock_in_order(void *unused) {
  lock_both(&one, &two);
  return unused;
}

static void *lock_against_order(void *unused) {
  lock_both(&two, &one);
  return unused;
}

static void run(void *(*function)(void *), int together) {
  pthread_t thread;
  pthread_create(&thread, NULL, function, NULL);
  if (together)
    function(NULL);
  pthread_join(thread, NULL);
}

int main(int argc, char **argv) {
  if (argc > 1 && !strcmp(argv[1], "data"))
    run(count_unprotected, 1);
  else if (argc > 1 && !strcmp(argv[1], "order")) {
    run(lock_in_order, 0);
    run(lock_against_order, 0);
  } else
    return 2;
  return 0;
}
