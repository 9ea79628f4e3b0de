// What libc and its loader share for each thread: descriptors, stacks, keys, cancellation, restartable sequences.
#define _GNU_SOURCE
#include <errno.h>
#include <gnu/libc-version.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#if __GLIBC_PREREQ(2, 35)
#include <sys/rseq.h>
#endif

static __thread int initialised = 41, zeroed;
static __thread char aligned[100] __attribute__((aligned(128)));
static pthread_key_t key;
static sem_t ready;
static int destroyed, cleaned;

static void destroy(void *value) { __atomic_add_fetch(&destroyed, *(int *)value, __ATOMIC_SEQ_CST); }
static void clean(void *arg) { __atomic_add_fetch(&cleaned, *(int *)arg, __ATOMIC_SEQ_CST); }

static void *plain(void *arg) {
  int *sum = arg, one = 1;
  static int value = 1;
  pthread_setspecific(key, &value);
  initialised += one;
  zeroed += initialised;
  if ((size_t)aligned % 128 || aligned[99])
    return (void *)1;
  __atomic_add_fetch(sum, zeroed, __ATOMIC_SEQ_CST);
  return NULL;
}

static void *waits(void *arg) {
  pthread_cleanup_push(clean, arg);
  sem_post(&ready);
  for (;;)
    pause();
  pthread_cleanup_pop(1);
  return NULL;
}

static void *exits(void *arg) {
  pthread_cleanup_push(clean, arg);
  pthread_exit((void *)7);
  pthread_cleanup_pop(0);
  return NULL;
}

static void *tells(void *arg) {
  pthread_attr_t attr;
  void *stack;
  size_t size, guard;
  pthread_getattr_np(pthread_self(), &attr);
  pthread_attr_getstack(&attr, &stack, &size);
  pthread_attr_getguardsize(&attr, &guard);
  int inside = (char *)&attr > (char *)stack && (char *)&attr < (char *)stack + size;
  printf("%s: on its stack %d, guard %zu, own id %d\n", (char *)arg, inside, guard,
         syscall(SYS_gettid) == getpid() || strcmp(arg, "main"));
  pthread_attr_destroy(&attr);
#if __GLIBC_PREREQ(2, 35)
  struct rseq *area = (struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);
  printf("%s: rseq size %u offset %td, registered %d, flags %u\n", (char *)arg, __rseq_size, __rseq_offset,
         (int)area->cpu_id >= 0, area->flags);
#endif
  return NULL;
}

static void join_all(pthread_t *threads, int count) {
  for (int i = 0; i < count; i++) {
    void *result;
    if (pthread_join(threads[i], &result) || result)
      printf("thread %d: %p\n", i, result);
  }
}

int main(void) {
  pthread_t threads[16];
  int sum = 0, one = 1, ten = 10;
  void *result;
  pthread_key_create(&key, destroy);
  sem_init(&ready, 0, 0);
  for (int round = 0; round < 20; round++) { // stacks are used again
    for (int i = 0; i < 16; i++)
      if (pthread_create(&threads[i], NULL, plain, &sum))
        return 1;
    join_all(threads, 16);
  }
  printf("sum %d, destroyed %d, main %d %d\n", sum, destroyed, initialised, zeroed);

  pthread_create(&threads[0], NULL, waits, &one);
  sem_wait(&ready);
  pthread_cancel(threads[0]);
  pthread_join(threads[0], &result);
  printf("cancelled %d, cleaned %d\n", result == PTHREAD_CANCELED, cleaned);
  pthread_create(&threads[0], NULL, exits, &ten);
  pthread_join(threads[0], &result);
  printf("left with %ld, cleaned %d\n", (long)result, cleaned);

  tells("main");
  for (int i = 0; i < 2; i++) {
    pthread_create(&threads[0], NULL, tells, "thread");
    pthread_join(threads[0], NULL);
  }
  pthread_attr_t attr;
  pthread_attr_init(&attr);
  pthread_attr_setstacksize(&attr, 256 * 1024);
  pthread_attr_setguardsize(&attr, 8192);
  pthread_create(&threads[0], &attr, tells, "small");
  pthread_join(threads[0], NULL);
  cpu_set_t cpus;
  printf("affinity %d, kill %d\n", pthread_getaffinity_np(pthread_self(), sizeof cpus, &cpus),
         pthread_kill(pthread_self(), 0));
  printf("join of itself: %s\n", strerror(pthread_join(pthread_self(), NULL)));
  return 0;
}
