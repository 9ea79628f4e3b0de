/* What stands on libc's record of a thread: mutexes, keys, cancellation, stacks, names of errors. */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <threads.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static pthread_key_t key;
static atomic_int destroyed, cleaned;
static int shared, turn;

static void destroy(void *p) {
  free(p);
  destroyed++;
}

static void *add(void *arg) {
  pthread_setspecific(key, malloc(100));
  for (int i = 0; i < 10000; i++) {
    pthread_mutex_lock(&lock);
    shared++;
    pthread_mutex_unlock(&lock);
  }
  errno = (int)(intptr_t)arg;
  usleep(1000);
  return (void *)(intptr_t)(errno == (int)(intptr_t)arg);
}

static void *wait_turn(void *arg) {
  pthread_mutex_lock(&lock);
  while (turn != (int)(intptr_t)arg)
    pthread_cond_wait(&condition, &lock);
  turn++;
  pthread_cond_broadcast(&condition);
  pthread_mutex_unlock(&lock);
  return NULL;
}

static void clean(void *arg) {
  (void)arg;
  cleaned++;
}

static void *sleep_for_ever(void *arg) {
  (void)arg;
  pthread_cleanup_push(clean, NULL);
  for (;;)
    pause();
  pthread_cleanup_pop(0);
  return NULL;
}

static sem_t done;
static void *detached(void *arg) {
  (void)arg;
  sem_post(&done);
  pthread_exit(NULL);
}

static void *deep(void *arg) {
  volatile char stack[700 * 1024];
  memset((char *)stack, 1, sizeof stack);
  return (void *)(uintptr_t)(stack[(uintptr_t)arg] == 1);
}

static void stacks(void) {
  pthread_attr_t a;
  pthread_t t;
  void *r = NULL, *at;
  size_t size;
  pthread_attr_init(&a);
  pthread_attr_setstacksize(&a, 1 << 20);
  pthread_create(&t, &a, deep, (void *)17);
  pthread_join(t, &r);
  void *own = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *r2 = NULL;
  pthread_attr_setstack(&a, own, 1 << 20);
  pthread_create(&t, &a, deep, (void *)18);
  pthread_join(t, &r2);
  pthread_getattr_np(pthread_self(), &a);
  pthread_attr_getstack(&a, &at, &size);
  printf("stacks %d %d, main's is %s\n", r != NULL, r2 != NULL,
         (char *)&a > (char *)at && (char *)&a < (char *)at + size ? "known" : "unknown");
}

static int c11(void *arg) { return *(int *)arg * 2; }

int main(void) {
  enum { N = 10 };
  pthread_t t[N];
  thrd_t c;
  int ok = 0, value = 21, result;
  pthread_key_create(&key, destroy);
  for (int i = 0; i < N; i++)
    pthread_create(&t[i], NULL, add, (void *)(intptr_t)(i + 1));
  for (int i = 0; i < N; i++) {
    void *r;
    pthread_join(t[i], &r);
    ok += r != NULL;
  }
  printf("shared %d, errno %d, destroyed %d\n", shared, ok, destroyed);
  for (int i = 0; i < N; i++)
    pthread_create(&t[i], NULL, wait_turn, (void *)(intptr_t)(N - 1 - i));
  for (int i = 0; i < N; i++)
    pthread_join(t[i], NULL);
  pthread_create(&t[0], NULL, sleep_for_ever, NULL);
  pthread_cancel(t[0]);
  void *r;
  pthread_join(t[0], &r);
  printf("turn %d, cancelled %d, cleaned %d\n", turn, r == PTHREAD_CANCELED, cleaned);
  sem_init(&done, 0, 0);
  for (int i = 0; i < 200; i++) {
    pthread_create(&t[0], NULL, detached, NULL);
    pthread_detach(t[0]);
    sem_wait(&done);
  }
  stacks();
  thrd_create(&c, c11, &value);
  thrd_join(c, &result);
  printf("c11 %d\n", result);
  fflush(stdout);
  pthread_exit(NULL); /* the last thread ends the process */
}
