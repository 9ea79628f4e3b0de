/* A program without threads that gets libpthread.so.0 by dlopen, and then a library that wants executable stacks:
 * those of the threads are libpthread's. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static __thread int value = 3;

static void *work(void *arg) {
  value += (int)(long)arg;
  free(malloc(100));
  return (void *)(long)value;
}

static void *open_or_leave(const char *name) {
  void *h = dlopen(name, RTLD_NOW | RTLD_GLOBAL);
  if (!h) {
    puts(dlerror());
    exit(1);
  }
  return h;
}

int main(void) {
  void *threads = open_or_leave("libpthread.so.0");
  int (*create)(pthread_t *, void *, void *(*)(void *), void *), (*join)(pthread_t, void **), (*run)(void);
  *(void **)&create = dlsym(threads, "pthread_create");
  *(void **)&join = dlsym(threads, "pthread_join");
  pthread_t t[8];
  void *result;
  long sum = 0;
  for (long i = 0; i < 8; i++)
    create(&t[i], NULL, work, (void *)i);
  for (int i = 0; i < 8; i++) {
    join(t[i], &result);
    sum += (long)result;
  }
  printf("sum %ld\n", sum);
  *(void **)&run = dlsym(open_or_leave("libexec.so"), "run_on_stack");
  printf("here %d\n", run());
  create(&t[0], NULL, (void *(*)(void *))(void *)run, NULL);
  join(t[0], &result);
  printf("in a thread %d\n", (int)(long)result);
  return 0;
}
