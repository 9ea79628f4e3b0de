// TLS of libraries that come and go while threads run. Arguments: libraries, each asked in old and new threads.
#include <dlfcn.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static int (*check)(int);
static sem_t go, done;
static void *old_thread(void *unused) {
  for (;;) {
    sem_wait(&go);
    if (!check)
      return NULL;
    printf("old thread: %d", check(3));
    printf(" %d\n", check(0));
    sem_post(&done);
  }
}
static void *new_thread(void *unused) {
  printf("new thread: %d", check(4));
  printf(" %d\n", check(0));
  return NULL;
}
static void ask(void) {
  printf("main: %d", check(1));
  printf(" %d\n", check(0));
  sem_post(&go), sem_wait(&done);
  pthread_t thread;
  pthread_create(&thread, NULL, new_thread, NULL);
  pthread_join(thread, NULL);
}
int main(int argc, char **argv) {
  pthread_t thread;
  sem_init(&go, 0, 0), sem_init(&done, 0, 0);
  pthread_create(&thread, NULL, old_thread, NULL);
  for (int round = 0; round < 3; round++)
    for (int i = 1; i + 1 < argc; i += 2) {
      void *handle = dlopen(argv[i], RTLD_NOW);
      if (!handle) {
        printf("%s\n", dlerror());
        continue;
      }
      char name[50];
      snprintf(name, sizeof name, "%s_check", argv[i + 1]);
      check = (int (*)(int))dlsym(handle, name);
      snprintf(name, sizeof name, "%s_value", argv[i + 1]);
      int *value = dlsym(handle, name);
      printf("%s: dlsym %d\n", argv[i + 1], value ? *value : -1);
      ask();
      Dl_info info;
      printf("dladdr of TLS data %d\n", value && dladdr(value, &info));
      size_t module = 0;
      void *data = NULL;
      printf("dlinfo %d %d", dlinfo(handle, RTLD_DI_TLS_MODID, &module), dlinfo(handle, RTLD_DI_TLS_DATA, &data));
      printf(" %d %d\n", module > 0, data != NULL && (char *)value >= (char *)data);
      if (round != 1)
        printf("close %d\n", dlclose(handle));
    }
  check = NULL;
  sem_post(&go);
  pthread_join(thread, NULL);
}
