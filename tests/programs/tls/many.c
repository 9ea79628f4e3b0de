// Many threads at once, each with its own blocks of all libraries given, which are opened while the threads run.
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#define THREADS 50
static int (*checks[100])(int);
static int count;
static pthread_barrier_t ready, opened;
static void *work(void *number) {
  long sum = 0;
  pthread_barrier_wait(&ready);
  pthread_barrier_wait(&opened);
  for (int round = 0; round < 20; round++)
    for (int i = 0; i < count; i++)
      sum += checks[i]((int)(long)number) % 1000;
  return (void *)sum;
}
int main(int argc, char **argv) {
  pthread_t threads[THREADS];
  pthread_barrier_init(&ready, NULL, THREADS + 1), pthread_barrier_init(&opened, NULL, THREADS + 1);
  for (long i = 0; i < THREADS; i++)
    pthread_create(&threads[i], NULL, work, (void *)i);
  pthread_barrier_wait(&ready);
  for (int i = 1; i + 1 < argc; i += 2) {
    char name[50];
    void *handle = dlopen(argv[i], RTLD_LAZY);
    if (!handle)
      return puts(dlerror());
    snprintf(name, sizeof name, "%s_check", argv[i + 1]);
    checks[count++] = (int (*)(int))dlsym(handle, name);
  }
  pthread_barrier_wait(&opened);
  for (int i = 0; i < THREADS; i++) {
    void *sum;
    pthread_join(threads[i], &sum);
    printf("%d: %ld\n", i, (long)sum);
  }
}
