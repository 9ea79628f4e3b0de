// What the sanitizers' runtimes do to a process stands on dlsym, TLS and the order of libraries.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static void *work(void *n) {
  char *text = malloc(100);
  snprintf(text, 100, "thread %ld", (long)n);
  char *copy = strdup(text);
  free(text);
  return copy;
}
int main(int argc, char **argv) {
  for (long i = 0; i < 3; i++) {
    pthread_t thread;
    void *text;
    pthread_create(&thread, NULL, work, (void *)i);
    pthread_join(thread, &text);
    puts(text);
    free(text);
  }
  if (argc > 1) {
    volatile int *block = malloc(4 * sizeof(int));
    block[argc + 2] = 5; // one beyond the block
  }
  int shift = argc > 1 ? 40 : 3;
  printf("%d\n", (1 << shift) != 77);
}
