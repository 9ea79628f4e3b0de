// What constructors and destructors themselves may do: open, close, look up, print, make threads, leave.
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static void *handle;
static void *in_thread(void *unused) {
  puts("a thread of a constructor");
  return unused;
}
__attribute__((constructor)) static void begin(int argc, char **argv) {
  printf("constructor: %s %s\n", argv[0], getenv("HOW") ? getenv("HOW") : "-");
  const char *how = getenv("HOW") ? getenv("HOW") : "";
  if (strcmp(how, "open") == 0) {
    handle = dlopen("./libinit-d.so", RTLD_NOW);
    printf("opened %d\n", handle != NULL);
  }
  if (strcmp(how, "thread") == 0) {
    pthread_t thread;
    pthread_create(&thread, NULL, in_thread, NULL);
    pthread_join(thread, NULL);
  }
  if (strcmp(how, "exit") == 0)
    exit(21);
  if (strcmp(how, "lookup") == 0)
    printf("found %d %d\n", dlsym(RTLD_DEFAULT, "puts") == (void *)puts, dlsym(RTLD_NEXT, "main") != NULL);
  fflush(stdout);
}
__attribute__((destructor)) static void end(void) {
  puts("destructor");
  if (handle)
    printf("closed %d\n", dlclose(handle));
  if (getenv("HOW") && strcmp(getenv("HOW"), "open-late") == 0)
    printf("opened late %d\n", dlopen("./libinit-d.so", RTLD_NOW) != NULL);
  fflush(stdout);
}
int within(void) { return 1; }
