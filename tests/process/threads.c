/* Threads that end in every way. Each says what pthread_getattr_np tells of it; the tool says what it was told. */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <threads.h>
#include <unistd.h>

static void describe(const char *what) {
  pthread_attr_t attr;
  void *low;
  size_t size;
  if (pthread_getattr_np(pthread_self(), &attr) || pthread_attr_getstack(&attr, &low, &size))
    abort();
  printf("%s tid=%ld low=%p high=%p tcb=%#lx\n", what, syscall(SYS_gettid), low, (void *)((char *)low + size),
         (unsigned long)pthread_self());
  fflush(stdout);
  pthread_attr_destroy(&attr);
}

static void *returns(void *arg) {
  describe("thread");
  return arg;
}
static void *exits(void *arg) {
  describe("thread");
  pthread_exit(arg);
}
static void *is_cancelled(void *arg) {
  describe("thread");
  for (;;)
    pause();
  return arg;
}
static int c11(void *arg) {
  describe("thread");
  return *(int *)arg;
}

static void *run(void *(*start)(void *), const pthread_attr_t *attr, int cancel) {
  pthread_t t;
  void *result;
  if (pthread_create(&t, attr, start, (void *)7l))
    abort();
  if (cancel)
    pthread_cancel(t);
  if (pthread_join(t, &result))
    abort();
  return result;
}

static pthread_key_t key;
static int destroyed;
static void destroy(void *p) {
  (void)p;
  destroyed++;
}
static void *with_key(void *arg) {
  pthread_setspecific(key, "x");
  return returns(arg);
}

static void *waits(void *arg) {
  pthread_barrier_wait(arg);
  describe("thread");
  pthread_barrier_wait(arg);
  return NULL;
}

/* Eight that live at the same time. */
static void eight(void) {
  pthread_t t[8];
  pthread_barrier_t b;
  pthread_barrier_init(&b, NULL, 8);
  for (int i = 0; i < 8; i++)
    if (pthread_create(&t[i], NULL, waits, &b))
      abort();
  for (int i = 0; i < 8; i++)
    pthread_join(t[i], NULL);
}

static void own_stack(void) {
  pthread_attr_t attr;
  static char stack[1 << 18] __attribute__((aligned(64)));
  pthread_attr_init(&attr);
  pthread_attr_setstack(&attr, stack, sizeof stack);
  run(returns, &attr, 0);
}

static void as_c11(void) {
  thrd_t t;
  int value = 42, result;
  if (thrd_create(&t, c11, &value) != thrd_success || thrd_join(t, &result) != thrd_success || result != 42)
    abort();
}

static void by_name(const char *how) {
  if (!strcmp(how, "eight"))
    eight();
  else if (!strcmp(how, "return") && run(returns, NULL, 0) != (void *)7l)
    abort();
  else if (!strcmp(how, "exit") && run(exits, NULL, 0) != (void *)7l)
    abort();
  else if (!strcmp(how, "cancel") && run(is_cancelled, NULL, 1) != PTHREAD_CANCELED)
    abort();
  else if (!strcmp(how, "key") && (run(with_key, NULL, 0) != (void *)7l || destroyed != 1))
    abort();
  else if (!strcmp(how, "own-stack"))
    own_stack();
  else if (!strcmp(how, "c11"))
    as_c11();
}

int main(int argc, char **argv) {
  pthread_key_create(&key, destroy);
  describe("main");
  for (int i = 1; i < argc; i++)
    by_name(argv[i]);
  return 0;
}
