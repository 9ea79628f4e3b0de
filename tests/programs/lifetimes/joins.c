// A constructor that waits for a thread, which must get through without the lock that dlopen() holds meanwhile.
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <stdio.h>
int leaf(void);
static void *program;
static void *call(void *unused) {
  printf("leaf %d\n", leaf());
  return NULL;
}
static void *ask(void *unused) {
  struct link_map *map = NULL;
  Lmid_t namespace = 77;
  int asked = dlinfo(program, RTLD_DI_LINKMAP, &map), asked_too = dlinfo(program, RTLD_DI_LMID, &namespace);
  printf("map %d %d, namespace %d %ld\n", asked, map != NULL, asked_too, (long)namespace);
  return NULL;
}
static void *look_up(void *unused) {
  printf("symbol %d\n", dlsym(program, "puts") != NULL);
  return NULL;
}
__attribute__((constructor)) static void begin(void) {
  pthread_t thread;
  program = dlopen(NULL, RTLD_NOW);
  pthread_create(&thread, NULL, DO, NULL);
  pthread_join(thread, NULL);
  printf("joined\n");
}
