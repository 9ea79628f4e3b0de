// Ends in the way that its argument names.
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void at_exit(void) { puts("atexit"); }
__attribute__((destructor)) static void destructor(void) { puts("destructor"); }

static void *leave_main(void *unused) {
  usleep(20000);
  puts("last thread");
  return unused;
}

static void *exit_from_thread(void *unused) {
  puts("exit from a thread");
  exit(13);
  return unused;
}

int main(int argc, char **argv) {
  const char *how = argc > 1 ? argv[1] : "return";
  pthread_t thread;
  atexit(at_exit);
  if (strcmp(how, "exit") == 0)
    exit(5);
  if (strcmp(how, "_exit") == 0)
    _exit(6);
  if (strcmp(how, "quick_exit") == 0)
    quick_exit(7);
  if (strcmp(how, "abort") == 0)
    abort();
  if (strcmp(how, "segv") == 0)
    return *(volatile int *)8;
  if (strcmp(how, "ill") == 0)
    __builtin_trap();
  if (strcmp(how, "term") == 0)
    raise(SIGTERM);
  if (strcmp(how, "thread") == 0) {
    pthread_create(&thread, NULL, exit_from_thread, NULL);
    pthread_join(thread, NULL);
  }
  if (strcmp(how, "pthread_exit") == 0) {
    pthread_create(&thread, NULL, leave_main, NULL);
    pthread_exit(NULL);
  }
  return 259; // only the low eight bits arrive
}
