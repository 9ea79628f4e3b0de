/* Thread-local variables of libraries that are opened while threads run: every thread has its own, from before and
 * after; ended threads leave nothing behind. */
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int (*fill)(int), (*holds)(int);
static int *(*number_of_thread)(void);
static void *plugin;
static pthread_barrier_t barrier;

static void *early(void *arg) {
  int self = (int)(intptr_t)arg, ok;
  pthread_barrier_wait(&barrier); /* running */
  pthread_barrier_wait(&barrier); /* opened */
  ok = fill(self);
  pthread_barrier_wait(&barrier); /* all have filled */
  ok &= holds(self);
  int *p = dlsym(plugin, "plugin_number");
  return (void *)(intptr_t)(ok && *p == self);
}

static void *late(void *arg) {
  int self = (int)(intptr_t)arg;
  return (void *)(intptr_t)(fill(self) && holds(self));
}

static int join(pthread_t t) {
  void *r;
  pthread_join(t, &r);
  return r != NULL;
}

static long resident(void) {
  long pages = 0, all;
  FILE *f = fopen("/proc/self/statm", "r");
  if (f && fscanf(f, "%ld %ld", &all, &pages) != 2)
    pages = 0;
  if (f)
    fclose(f);
  return pages;
}

/* 5 KB a thread: 20,000 threads would leave 100 MB. */
static void churn(void) {
  long before = 0;
  int ok = 0;
  for (int i = 0; i < 20000; i++) {
    pthread_t t;
    if (i == 1000)
      before = resident();
    if (pthread_create(&t, NULL, late, (void *)(intptr_t)(i % 100 + 1)) == 0)
      ok += join(t);
  }
  printf("%d threads, %s\n", ok, resident() - before < 4096 ? "no growth" : "growth");
}

static volatile sig_atomic_t in_handler;
static void handler(int sig) {
  (void)sig;
  in_handler = holds(99);
}

static volatile int timer_result;
static void expired(union sigval v) { timer_result = fill(3) + 2 * holds(3) + v.sival_int; }

/* The thread of a timer is used again; each time it finds its variables as new. */
static void timer(void) {
  struct sigevent e = {.sigev_notify = SIGEV_THREAD, .sigev_notify_function = expired, .sigev_value.sival_int = 10};
  timer_t t;
  int results[3];
  timer_create(CLOCK_MONOTONIC, &e, &t);
  for (int i = 0; i < 3; i++) {
    struct itimerspec when = {.it_value.tv_nsec = 1000000};
    timer_result = 0;
    timer_settime(t, 0, &when, NULL);
    while (!timer_result)
      usleep(1000);
    results[i] = timer_result;
  }
  timer_delete(t);
  printf("timer %d %d %d\n", results[0], results[1], results[2]);
}

int main(int argc, char **argv) {
  enum { EARLY = 6, LATE = 6 };
  pthread_t t[EARLY + LATE];
  int ok = 0;
  pthread_barrier_init(&barrier, NULL, EARLY + 1);
  for (int i = 0; i < EARLY; i++)
    pthread_create(&t[i], NULL, early, (void *)(intptr_t)(i + 1));
  pthread_barrier_wait(&barrier);
  plugin = dlopen(argv[argc - 1], RTLD_LAZY);
  if (!plugin) {
    puts(dlerror());
    return 1;
  }
  fill = (int (*)(int))dlsym(plugin, "plugin_fill");
  holds = (int (*)(int))dlsym(plugin, "plugin_holds");
  printf("main %d\n", fill(99));
  pthread_barrier_wait(&barrier);
  pthread_barrier_wait(&barrier);
  for (int i = 0; i < EARLY; i++)
    ok += join(t[i]);
  for (int i = 0; i < LATE; i++)
    pthread_create(&t[i], NULL, late, (void *)(intptr_t)(50 + i));
  for (int i = 0; i < LATE; i++)
    ok += join(t[i]);
  signal(SIGUSR1, handler);
  raise(SIGUSR1);
  printf("threads %d, main %d, handler %d\n", ok, holds(99), in_handler);
  timer();
  churn();
  return 0;
}
