// Constructors and destructors that call the dl functions themselves, and threads that load the same libraries at
// once.
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "inside.h"

namespace {

hook current;
void *inner; // what a constructor opened
int constructions[6];

void loads_another(int library, hooked_event event) {
  if (library != 2)
    return;
  if (event == CONSTRUCTOR) {
    inner = open_hooked(3);
    check_value(inner, 3, 11);
  } else {
    check_value(inner, 3, 11);
    close_hooked(inner);
  }
}

void loads_itself(int library, hooked_event event) {
  if (library != 4 || event != CONSTRUCTOR)
    return;
  void *again = open_hooked(4), *known = open_hooked(4, RTLD_NOW | RTLD_NOLOAD);
  CHECK(again && again == known, "two handles of one library: %p and %p", again, known);
  check_value(again, 4, 0); // it is under construction: nobody else has it
  close_hooked(again);
  close_hooked(known);
}

void asks_of_itself(int library, hooked_event) {
  Dl_info info;
  char file[32], symbol[32];
  snprintf(file, sizeof file, "libhooked%d.so", library);
  snprintf(symbol, sizeof symbol, "hooked_value_%d", library);
  void *found = dladdr(__builtin_return_address(0), &info) ? info.dli_fbase : nullptr;
  CHECK(found, "the caller is in no object");
  void *here = dlopen(nullptr, RTLD_NOW);
  CHECK(!dlsym(here, "no_such_symbol") && dlerror(), "a symbol that does not exist is found");
  CHECK(dlsym(here, "stress_hook"), "the program's own function is not found: %s", dlerror());
  dlclose(here);
}

// A destructor loads what is gone in the same round, and something else.
void loads_when_going(int library, hooked_event event) {
  if (library != 2 || event != DESTRUCTOR)
    return;
  void *other = open_hooked(5);
  check_value(other, 5, 1);
  close_hooked(other);
  void *needed = open_hooked(0);
  check_value(needed, 0, 1);
  close_hooked(needed);
}

void takes_time(int library, hooked_event event) {
  if (event == CONSTRUCTOR)
    __atomic_add_fetch(&constructions[library], 1, __ATOMIC_SEQ_CST);
  usleep(300);
}

// The constructor of 4 loads 5, that of 5 loads 4: in two threads at once, and in one.
void loads_across(int library, hooked_event event) {
  if (event != CONSTRUCTOR || (library != 4 && library != 5))
    return;
  usleep(200);
  close_hooked(open_hooked(9 - library));
}

struct alone {
  hook what;
  int library, value;
};
const alone alones[] = {{loads_another, 2, 11},    {loads_itself, 4, 1}, {asks_of_itself, 3, 11},
                        {loads_when_going, 2, 11}, {takes_time, 3, 11},  {loads_across, 4, 1}};

void one_alone(const alone &a) {
  current = a.what;
  void *handle = open_hooked(a.library);
  check_value(handle, a.library, a.value);
  close_hooked(handle);
}

void *open_same(void *library) {
  int id = (int)(intptr_t)library;
  void *handle = open_hooked(id);
  check_value(handle, id, id == 2 || id == 3 ? 11 : 1); // whoever was first: its constructors have ended
  close_hooked(handle);
  return nullptr;
}

void together(hook what, int first, int second) {
  pthread_t a, b;
  current = what;
  CHECK(!pthread_create(&a, nullptr, open_same, reinterpret_cast<void *>((intptr_t)first)) &&
            !pthread_create(&b, nullptr, open_same, reinterpret_cast<void *>((intptr_t)second)),
        "no thread");
  pthread_join(a, nullptr);
  pthread_join(b, nullptr);
}

void work(int, uint64_t random) {
  while (stress_goes_on()) {
    one_alone(alones[stress_random(&random, sizeof alones / sizeof *alones)]);
    together(takes_time, 2, 2);
    together(takes_time, 0, 2);
    together(takes_time, 3, 2);
    together(loads_across, 4, 5);
  }
}

void all_gone() {
  current = nullptr;
  for (int id = 0; id < 6; id++)
    CHECK(!open_hooked(id, RTLD_NOW | RTLD_NOLOAD), "library %d is still loaded", id);
}

} // namespace

void stress_hook(int library, hooked_event event) {
  if (current)
    current(library, event);
}

int main(int argc, char **argv) {
  stress_options o = stress_begin(argc, argv);
  o.threads = 1; // which starts two at a time
  stress_plan plan = {};
  plan.work = work;
  plan.between = all_gone;
  stress_run(&o, &plan);
}
