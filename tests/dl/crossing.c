// Two threads are in the constructors of two libraries that open each other. A third that opens one of them meanwhile
// gets it when its constructor has ended, not before.
#include "tell.h"
#include <pthread.h>

#ifdef LIBRARY
int ready;
__attribute__((constructor)) static void begin(void) {
  usleep(FIRST * 1000);
  dlopen(OPENS, RTLD_NOW);
  usleep(THEN * 1000);
  ready = 1;
}
#else
static void *open_it(void *name) {
  void *handle = dlopen(name, RTLD_NOW);
  int *ready = handle ? dlsym(handle, "ready") : NULL;
  return (void *)(long)(ready ? *ready : -1);
}

int main(void) {
  static char x[] = "./libdl-crossing-x.so", y[] = "./libdl-crossing-y.so";
  char *names[] = {y, x, x};
  pthread_t threads[3];
  for (int i = 0; i < 3; i++) {
    pthread_create(&threads[i], NULL, open_it, names[i]);
    usleep(i ? 160000 : 30000);
  }
  for (int i = 0; i < 3; i++) {
    void *ready;
    pthread_join(threads[i], &ready);
    tell("%s ready %ld\n", names[i], (long)ready);
  }
}
#endif
