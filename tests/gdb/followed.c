// Does what its arguments say, one after the other: a program for a debugger to follow.
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static __thread int own_number = 1;
static pthread_barrier_t started;
static void *last;

static void *thread(void *number) {
  int (*set)(int) = last ? (int (*)(int))dlsym(last, "later_set") : NULL;
  own_number = (int)(long)number;
  if (set)
    set(100 * own_number);
  pthread_barrier_wait(&started);
  pause();
  return NULL;
}

static void start_threads(int count) {
  pthread_barrier_init(&started, NULL, (unsigned)count + 1);
  for (long i = 0; i < count; i++) {
    pthread_t id;
    if (pthread_create(&id, NULL, thread, (void *)(i + 2)))
      abort();
  }
  pthread_barrier_wait(&started);
}

static int called_back(int n) { return n + own_number; }

static void call(void) {
  int (*f)(int (*)(int), int) = (int (*)(int (*)(int), int))dlsym(last, "later_call");
  printf("called %d\n", f(called_back, 5));
}

// Until a debugger that has attached says so, by a file; the alarm ends what nobody attaches to.
static void await_release(void) {
  puts("waiting");
  alarm(60);
  while (access("released", F_OK))
    usleep(10000);
}

// Numbered libraries, as the benchmark makes them.
static void open_many(int count) {
  for (int i = 0; i < count; i++) {
    char name[64];
    snprintf(name, sizeof name, "./many/lib%d.so", i);
    if (!dlopen(name, RTLD_LAZY))
      exit((puts(dlerror()), 1));
  }
}

static void act(const char *word) {
  const char *value = strchr(word, '=');
  value = value ? value + 1 : "";
  if (!strncmp(word, "open=", 5) || !strncmp(word, "now=", 4) || !strncmp(word, "space=", 6)) {
    int mode = *word == 'n' ? RTLD_NOW : RTLD_LAZY;
    void *handle = *word == 's' ? dlmopen(LM_ID_NEWLM, value, mode) : dlopen(value, mode);
    printf("%s: %s\n", word, handle ? "yes" : "no");
    last = handle ? handle : last;
  } else if (!strcmp(word, "close"))
    dlclose(last);
  else if (!strcmp(word, "call"))
    call();
  else if (!strncmp(word, "threads=", 8))
    start_threads(atoi(value));
  else if (!strncmp(word, "many=", 5))
    open_many(atoi(value));
  else if (!strcmp(word, "wait"))
    await_release();
  else if (!strcmp(word, "abort"))
    abort();
  else
    exit(9);
}

int main(int argc, char **argv) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  for (int i = 1; i < argc; i++)
    act(argv[i]);
  getppid(); // where debuggers stop at the end
  return 3;
}
