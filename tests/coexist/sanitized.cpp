// A program for the sanitizers: without a fault it uses threads, a library that comes and goes, exceptions across
// it and thread-local data; with a fault named by its argument it commits that fault, and the sanitizer reports.
#include "sanitized.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

struct announced {
  int n;
  ~announced() { __atomic_add_fetch(&ended, n, __ATOMIC_RELAXED); }
  static int ended;
};
int announced::ended;
static thread_local announced mine{1};
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void *open_plugin(struct plugin *p, const char *library = "./libsanitized.so") {
  void *h = dlopen(library, RTLD_NOW);
  if (!h) {
    printf("%s\n", dlerror());
    exit(1);
  }
  p->raise = (int (*)(int))dlsym(h, "plugin_raise");
  p->count = (int (*)(void))dlsym(h, "plugin_count");
  p->keep = (size_t(*)(size_t))dlsym(h, "plugin_keep");
  p->taint = (void (*)(void))dlsym(h, "plugin_taint");
  p->fault = (int (*)(const char *, int))dlsym(h, "plugin_fault");
  return h;
}

static int caught(const struct plugin *p, int n) {
  try {
    return p->raise(n);
  } catch (const raised &r) {
    return r.n;
  }
}

static void *worker(void *arg) {
  long sum = 0;
  for (int i = 0; i < 20; i++) {
    struct plugin p;
    void *h = open_plugin(&p);
    sum += caught(&p, i) + p.count() + mine.n;
    pthread_mutex_lock(&lock);
    *(long *)arg += i;
    pthread_mutex_unlock(&lock);
    free(malloc(100 + i));
    dlclose(h);
  }
  return (void *)sum;
}

static void clean() {
  pthread_t threads[4];
  long total = 0;
  for (pthread_t &t : threads)
    pthread_create(&t, nullptr, worker, &total);
  for (pthread_t &t : threads) {
    void *sum;
    pthread_join(t, &sum);
    printf("sum %s\n", (long)sum > 0 ? "positive" : "wrong");
  }
  printf("total %ld ended %d\n", total, announced::ended);
}

__attribute__((noinline)) static void clear_stack() {
  volatile char room[10000];
  for (volatile char &c : room)
    c = 0;
}

__attribute__((noinline)) static void keep_in(const char *library) {
  struct plugin p;
  open_plugin(&p, library);
  printf("kept %zu\n", p.keep(1000));
}

// Memory that only a thread-local pointer of a library knows is no leak.
static void keep() {
  keep_in("./libsanitized.so");
  keep_in("./libsanitized-large.so");
  clear_stack();
}

static struct plugin recycled;
static int passing_tid;
static void *passing(void *) {
  recycled.taint();
  __atomic_store_n(&passing_tid, gettid(), __ATOMIC_RELAXED);
  return nullptr;
}

// A thread's block of a library's thread-local data may have been another thread's, of which nothing is to be seen:
// the threads know nothing of each other but that the one before is gone.
static void recycle() {
  open_plugin(&recycled);
  pthread_attr_t detached;
  pthread_attr_init(&detached);
  pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
  for (int i = 0, tid; i < 10; i++) {
    pthread_t t;
    __atomic_store_n(&passing_tid, 0, __ATOMIC_RELAXED);
    pthread_create(&t, &detached, passing, nullptr);
    while (!(tid = __atomic_load_n(&passing_tid, __ATOMIC_RELAXED)) || !tgkill(getpid(), tid, 0))
      usleep(1000);
  }
  pthread_attr_destroy(&detached);
}

static int shared, stage;
static void *racer(void *) {
  shared++;
  pass_stage(&stage, 0);
  await_stage(&stage, 2);
  return nullptr;
}

static void race() {
  pthread_t t;
  pthread_create(&t, nullptr, racer, nullptr);
  await_stage(&stage, 1);
  shared++;
  pass_stage(&stage, 1);
  pthread_join(t, nullptr);
}

int main(int argc, char **argv) {
  const char *what = argc > 1 ? argv[1] : "clean";
  setvbuf(stdout, nullptr, _IONBF, 0);
  if (!strcmp(what, "clean"))
    clean();
  else if (!strcmp(what, "keep"))
    keep();
  else if (!strcmp(what, "recycle"))
    recycle();
  else if (!strcmp(what, "race"))
    race();
  else {
    struct plugin p;
    void *h = open_plugin(&p);
    printf("result %d\n", p.fault(what, argc));
    if (!strcmp(what, "leak-closed"))
      dlclose(h);
  }
  puts("end");
}
