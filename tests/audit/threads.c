/* Many threads call through the same slots while others come in. */
#include "abi.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { THREADS = 8, CALLS = 2000 };
static long failures[THREADS];

static void *work(void *arg) {
  long *failed = arg;
  for (long i = 0; i < CALLS; i++) {
    *failed += abi_int((int)i) != i + 1;
    *failed += abi_double((double)i, 2) != (double)i * 2;
    *failed += abi_nine(i, 0, 0, 0, 0, 0, 0, 0, 1) != i + 9;
  }
  return NULL;
}

int main(void) {
  pthread_t t[THREADS];
  long failed = 0;
  for (int i = 0; i < THREADS; i++)
    pthread_create(&t[i], NULL, work, &failures[i]);
  for (int i = 0; i < THREADS; i++) {
    pthread_join(t[i], NULL);
    failed += failures[i];
  }
  printf("failed %ld\n", failed);
  return failed != 0;
}
