// Threads that open at the same time. What a library's constructor does is done before anybody has its handle, and
// two threads whose libraries open each other's do not wait for ever.  ./race LIBRARY LIBRARY...: a thread each
#include "tell.h"
#include <pthread.h>
#ifdef LIBRARY
int ready;
static void *other;
__attribute__((constructor)) static void begin(void) {
  usleep(1000);
#ifdef OPENS
  other = dlopen(OPENS, RTLD_NOW);
#endif
  ready = 1;
}
__attribute__((destructor)) static void end(void) {
  if (other)
    dlclose(other);
}
#else
enum { ROUNDS = 30 };
static pthread_barrier_t barrier;
static long unready, failed;

static void count(long *counter) { __atomic_fetch_add(counter, 1, __ATOMIC_RELAXED); }

static void *work(void *name) {
  for (int i = 0; i < ROUNDS; i++) {
    pthread_barrier_wait(&barrier);
    void *handle = dlopen(name, i & 1 ? RTLD_NOW : RTLD_LAZY);
    int *ready = handle ? dlsym(handle, "ready") : NULL;
    if (!ready)
      count(&failed);
    else if (*ready != 1)
      count(&unready);
    if (handle && dlclose(handle) != 0)
      count(&failed);
  }
  return NULL;
}

int main(int argc, char **argv) {
  pthread_t threads[16];
  int threads_made = argc - 1;
  pthread_barrier_init(&barrier, NULL, threads_made);
  for (int i = 0; i < threads_made; i++)
    pthread_create(&threads[i], NULL, work, argv[i + 1]);
  for (int i = 0; i < threads_made; i++)
    pthread_join(threads[i], NULL);
  tell("failed %ld, unready %ld\n", failed, unready);
  for (int i = 1; i < argc; i++)
    tell("%s is left: %d\n", argv[i], dlopen(argv[i], RTLD_NOW | RTLD_NOLOAD) != NULL);
}
#endif
