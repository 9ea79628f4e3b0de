/* Lazy binding of the same slots from all threads at once, and from a signal handler in between; the library that is
 * bound to is closed while it is needed. */
#include <dlfcn.h>
#include <pthread.h>

#include "callee.h"
#include "stress.h"

typedef int binder_function(int which, int x);

static struct {
  pthread_barrier_t barrier;
  int threads;
  bool over;
  void *binder, *callee;
  binder_function *call;
} round_;

static __thread volatile bool calling;

static void *open_library(const char *name, int mode) {
  void *handle = dlopen(name, mode);
  CHECK(handle, "dlopen: %s", dlerror());
  return handle;
}

static void close_library(void *handle) { CHECK(!dlclose(handle), "dlclose: %s", dlerror()); }

static void check_gone(const char *name) {
  CHECK(!dlopen(name, RTLD_LAZY | RTLD_NOLOAD), "%s stays, although nothing needs it", name);
}

/* By its dependencies the binder has its functions, or from the global scope. */
static void begin(bool global) {
  if (global)
    round_.callee = open_library("./libcallee.so", RTLD_LAZY | RTLD_GLOBAL);
  round_.binder = open_library(global ? "./libfree.so" : "./libbinder.so", RTLD_LAZY);
  round_.call = (binder_function *)dlsym(round_.binder, "binder_call");
  CHECK(round_.call, "dlsym: %s", dlerror());
}

static void end(void) {
  close_library(round_.binder);
  round_.binder = round_.callee = NULL;
  check_gone("./libbinder.so");
  check_gone("./libfree.so");
  check_gone("./libcallee.so");
}

static void call_all(uint64_t *random) {
  int first = (int)stress_random(random, CALLEES);
  for (int i = 0; i < CALLEES; i++) {
    int which = (first + i) % CALLEES;
    CHECK(round_.call(which, i) == 1, "function %d, called through a slot", which);
  }
}

/* One of the threads gives the bound library back while all call into it. */
static void use(int thread, uint64_t *random) {
  if (!thread && round_.callee) {
    CHECK(round_.call(5, 3) == 1, "function 5");
    close_library(round_.callee);
  }
  calling = true;
  call_all(random);
  call_all(random);
  calling = false;
}

static void work(int thread, uint64_t random) {
  for (int round = 0;; round++) {
    if (!thread) {
      round_.over = !stress_goes_on();
      if (!round_.over)
        begin(round % 2);
    }
    pthread_barrier_wait(&round_.barrier);
    if (round_.over)
      return;
    use(thread, &random);
    pthread_barrier_wait(&round_.barrier);
    if (!thread)
      end();
  }
}

static void signalled(void *pc) {
  static __thread unsigned turn;
  (void)pc;
  for (int i = 0; calling && i < 3; i++)
    CHECK(round_.call((int)(turn++ * 7 % CALLEES), 9) == 1, "function called in a signal handler");
}

int main(int argc, char **argv) {
  struct stress_options o = stress_begin(argc, argv);
  struct stress_plan plan = {.work = work, .signalled = signalled};
  pthread_barrier_init(&round_.barrier, NULL, (unsigned)o.threads);
  stress_run(&o, &plan);
}
