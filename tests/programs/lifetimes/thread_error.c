// A thread on the stack of one that left an error behind: it has none of its own.
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
static void *fail(void *unused) { return dlopen("./nothing.so", RTLD_NOW); }
static void *ask(void *unused) {
  const char *text = dlerror();
  printf("%s\n", text ? text : "no error");
  return NULL;
}
int main(void) {
  void *(*steps[])(void *) = {fail, ask, fail, fail, ask};
  for (int i = 0; i < 5; i++) {
    pthread_t thread;
    pthread_create(&thread, NULL, steps[i], NULL);
    pthread_join(thread, NULL);
  }
}
