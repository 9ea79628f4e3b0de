/* How many libraries that want static storage find it, when they come one after the other, with a thread there; and
 * how deep a thread's stack is. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static pthread_barrier_t b;
static void *stay(void *arg) {
  pthread_barrier_wait(&b);
  pthread_barrier_wait(&b);
  return arg;
}

int main(int argc, char **argv) {
  int opened = 0;
  pthread_t t;
  pthread_barrier_init(&b, NULL, 2);
  pthread_create(&t, NULL, stay, NULL);
  pthread_barrier_wait(&b);
  for (int i = 1; i < argc; i++)
    opened += dlopen(argv[i], RTLD_NOW) != NULL;
  pthread_barrier_wait(&b);
  pthread_join(t, NULL);
  printf("%d\n", opened);
  return 0;
}
