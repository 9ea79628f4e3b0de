// Constructors and destructors that wait for a thread which loads libraries, looks up, throws and is bound lazily
// itself.
#include <pthread.h>
#include <string.h>

#include <stdexcept>

#include "inside.h"

namespace {

bool busy; // the hooks of the libraries that the thread loads do nothing

void *loads(void *) {
  void *handle = open_hooked(3, RTLD_LAZY);
  check_value(handle, 3, 11);
  close_hooked(handle);
  return nullptr;
}

void *loads_global(void *) {
  close_hooked(open_hooked(5, RTLD_LAZY | RTLD_GLOBAL));
  CHECK(!dlsym(RTLD_DEFAULT, "no_such_symbol") && dlerror(), "a symbol that does not exist is found");
  return nullptr;
}

void *throws(void *) {
  try {
    throw std::runtime_error("thrown");
  } catch (const std::exception &e) {
    CHECK(!strcmp(e.what(), "thrown"), "caught '%s'", e.what());
  }
  return nullptr;
}

void wait_for(void *(*what)(void *)) {
  pthread_t t;
  CHECK(!pthread_create(&t, nullptr, what, nullptr), "no thread");
  CHECK(!pthread_join(t, nullptr), "join");
}

void work(int, uint64_t) {
  while (stress_goes_on()) {
    void *handle = open_hooked(2, RTLD_LAZY);
    check_value(handle, 2, 11);
    close_hooked(handle);
  }
}

} // namespace

void stress_hook(int library, hooked_event) {
  if (library != 2 || __atomic_exchange_n(&busy, true, __ATOMIC_SEQ_CST))
    return;
  wait_for(loads);
  wait_for(loads_global);
  wait_for(throws);
  __atomic_store_n(&busy, false, __ATOMIC_SEQ_CST);
}

int main(int argc, char **argv) {
  stress_options o = stress_begin(argc, argv);
  o.threads = 1;
  stress_plan plan = {};
  plan.work = work;
  stress_run(&o, &plan);
}
