/* A library with thread-local storage comes, three threads use it, it goes. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static int *(*value)(void);

static void *use(void *arg) {
  pthread_barrier_wait(arg);
  if (*value() != 11)
    abort();
  *value() = 12;
  pthread_barrier_wait(arg);
  return NULL;
}

int main(int argc, char **argv) {
  pthread_t t[3];
  pthread_barrier_t b;
  void *h = dlopen(argc > 1 ? argv[1] : "libblocks.so", RTLD_NOW);
  if (!h)
    return fprintf(stderr, "%s\n", dlerror()), 1;
  value = (int *(*)(void))dlsym(h, "value");
  pthread_barrier_init(&b, NULL, 3);
  for (int i = 0; i < 3; i++)
    if (pthread_create(&t[i], NULL, use, &b))
      abort();
  for (int i = 0; i < 3; i++)
    pthread_join(t[i], NULL);
  return dlclose(h);
}
