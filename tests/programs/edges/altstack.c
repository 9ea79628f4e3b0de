// First calls through the PLT on stacks as small as they may be: a signal stack, and a thread's with a dlopen on it.
#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t seen;
static void handler(int number) {
  char text[20];
  seen = atoi("42") + (int)strtol("8", NULL, 10) + (strpbrk("abc", "c") != NULL);
  (void)text;
}
static void *small(void *name) {
  void *handle = dlopen(name, RTLD_NOW);
  printf("dlopen on a small stack: %d %s\n", handle != NULL, handle ? "" : dlerror());
  void *found = handle ? dlsym(handle, "one_own") : NULL;
  printf("dlsym %d, dlclose %d\n", found != NULL, handle ? dlclose(handle) : -1);
  return NULL;
}
int main(int argc, char **argv) {
  stack_t stack = {.ss_size = sysconf(_SC_MINSIGSTKSZ) + 3000};
  stack.ss_sp = malloc(stack.ss_size);
  sigaltstack(&stack, NULL);
  sigaction(SIGUSR1, &(struct sigaction){.sa_handler = handler, .sa_flags = SA_ONSTACK}, NULL);
  raise(SIGUSR1);
  printf("handler saw %d\n", seen);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 32768);
  pthread_t thread;
  int failed = pthread_create(&thread, &attributes, small, argv[1]);
  if (!failed)
    pthread_join(thread, NULL);
  printf("thread %d\n", failed);
}
