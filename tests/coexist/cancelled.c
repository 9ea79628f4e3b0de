/* Links no unwinder: libc opens one by itself, for pthread_cancel or for backtrace in a signal handler. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <execinfo.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void clean(void *text) { puts(text); }

static void *sleeper(void *arg) {
  pthread_cleanup_push(clean, "cleaned up");
  for (;;)
    pause();
  pthread_cleanup_pop(0);
  return arg;
}

static const char *unwinder(void) { return dlopen("libgcc_s.so.1", RTLD_NOLOAD | RTLD_LAZY) ? "there" : "not there"; }

static void cancel(void) {
  printf("unwinder %s\n", unwinder());
  for (int i = 0; i < 2; i++) {
    pthread_t thread;
    void *result = NULL;
    pthread_create(&thread, NULL, sleeper, NULL);
    pthread_cancel(thread);
    pthread_join(thread, &result);
    puts(result == PTHREAD_CANCELED ? "cancelled" : "ended");
  }
  printf("unwinder %s\n", unwinder());
}

static void on_signal(int signal) {
  (void)signal;
  void *frames[30];
  int n = backtrace(frames, 30);
  for (int i = 0; i < n; i++) {
    Dl_info info = {0};
    if (dladdr(frames[i], &info) && info.dli_sname &&
        (!strcmp(info.dli_sname, "main") || !strcmp(info.dli_sname, "raise_it")))
      printf("  %s\n", info.dli_sname);
  }
}

__attribute__((noinline)) void raise_it(void) {
  raise(SIGUSR1);
  puts("raised");
}

int main(int argc, char **argv) {
  (void)argv;
  if (argc == 1)
    return cancel(), 0;
  signal(SIGUSR1, on_signal);
  raise_it();
  return 0;
}
