// Exceptions through the frames of some of 500 libraries, on one thread without pause, while another thread unloads
// and loads the others.
#include <dlfcn.h>
#include <stdio.h>

#include "stress.h"

namespace {

enum { MANY = 500, STAYING = 250, DEPTH = 12 };

struct library {
  void *handle;
  int (*through)(int (*)(void *), void *);
  int (*guards)();
} libraries[MANY];

void open_library(int i) {
  char name[64];
  library *l = &libraries[i];
  snprintf(name, sizeof name, "./libmany%d.so", i);
  l->handle = dlopen(name, RTLD_LAZY);
  CHECK(l->handle, "dlopen: %s", dlerror());
  l->through = reinterpret_cast<decltype(l->through)>(dlsym(l->handle, "many_through"));
  l->guards = reinterpret_cast<decltype(l->guards)>(dlsym(l->handle, "many_guards"));
  CHECK(l->through && l->guards, "dlsym: %s", dlerror());
}

void close_library(int i) {
  CHECK(!dlclose(libraries[i].handle), "dlclose: %s", dlerror());
  libraries[i] = {};
}

struct passage {
  uint64_t random;
  int limit, left, number;
};

int deeper(void *data) {
  passage *p = static_cast<passage *>(data);
  if (!p->left--)
    throw p->number;
  return libraries[stress_random(&p->random, (uint32_t)p->limit)].through(deeper, data);
}

void throw_once(uint64_t *random, int limit) {
  int depth = (int)stress_random(random, DEPTH);
  passage p = {*random, limit, depth, (int)stress_random(random, 1000000)};
  int number = p.number, caught = -1;
  try {
    deeper(&p);
  } catch (int n) {
    caught = n;
  }
  CHECK(caught == number, "caught %d, not %d", caught, number);
}

void throw_all_the_time(uint64_t *random) {
  while (stress_goes_on())
    throw_once(random, STAYING);
}

void exchange_the_others(uint64_t *random) {
  while (stress_goes_on()) {
    int first = STAYING + (int)stress_random(random, MANY - STAYING - 20);
    for (int i = first; i < first + 20; i++)
      close_library(i);
    throw_once(random, STAYING);
    for (int i = first + 20; i-- > first;)
      open_library(i);
    libraries[first].through([](void *) { return 0; }, nullptr);
  }
}

void work(int thread, uint64_t random) { thread % 2 ? exchange_the_others(&random) : throw_all_the_time(&random); }

void none_left() {
  close_library(MANY - 1); // what waited for readers goes
  open_library(MANY - 1);
  for (int i = 0; i < MANY; i++)
    CHECK(!libraries[i].guards(), "library %d: %d objects were not destroyed", i, libraries[i].guards());
}

} // namespace

int main(int argc, char **argv) {
  stress_options o = stress_begin(argc, argv);
  o.threads = 2;
  for (int i = 0; i < MANY; i++)
    open_library(i);
  stress_plan plan = {};
  plan.work = work;
  plan.between = none_left;
  plan.resident_allowed = 16384; // what waits for a reader that was stopped in the middle: the tables of 500 objects
  stress_run(&o, &plan);
}
