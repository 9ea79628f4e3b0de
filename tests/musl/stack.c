/* The size of threads' stacks is the program's to say, in its headers. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static void *deep(void *arg) {
  volatile char room[3 << 20];
  memset((char *)room, 1, sizeof room);
  return (void *)(uintptr_t)room[(uintptr_t)arg];
}

int main(void) {
  pthread_attr_t a;
  pthread_t t;
  size_t size;
  void *r;
  pthread_attr_init(&a);
  pthread_attr_getstacksize(&a, &size);
  pthread_create(&t, NULL, deep, (void *)5);
  pthread_join(t, &r);
  printf("%zu %d\n", size, (int)(uintptr_t)r);
  return 0;
}
