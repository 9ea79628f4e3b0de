// The mix: threads that load, unload, look up, throw, iterate, fork and start threads at random, while a signal
// handler that unwinds and asks for addresses interrupts them.
#include <dlfcn.h>
#include <execinfo.h>
#include <link.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <unwind.h>

#include "set.h"

namespace {

enum { HOLD = 4 };
bool plain; // no forks and no signals: a checker of memory or of threads looks on

struct mixer {
  uint64_t random;
  bool child;
  held h[HOLD];
};

held *random_held(mixer *m) {
  held *h = &m->h[stress_random(&m->random, HOLD)];
  return h->handle ? h : nullptr;
}

void exchange(mixer *m) {
  held *h = &m->h[stress_random(&m->random, HOLD)];
  if (h->handle)
    close_piece(h);
  *h = open_piece(m->child ? bare_piece(&m->random) : (int)stress_random(&m->random, PIECES),
                  stress_random(&m->random, 2));
  use_piece(*h);
}

void use(mixer *m) {
  if (held *h = random_held(m))
    use_piece(*h);
}

void raise(mixer *m) {
  if (held *h = random_held(m))
    throw_through(*h, (int)stress_random(&m->random, 6));
}

void look_up(mixer *m) {
  char symbol[64];
  held *h = random_held(m);
  if (!h)
    return;
  check_lookups(*h);
  if (traits_of(h->id) & STAYS) // what it finds would stay with it
    return;
  // what another thread may be closing: found or not, nothing may break
  snprintf(symbol, sizeof symbol, "piece%d_add", 11 + (int)stress_random(&m->random, 2));
  if (!h->library->find(symbol)) {
    const char *error = dlerror();
    CHECK(error && strstr(error, symbol), "dlerror of %s: %s", symbol, error ? error : "(none)");
  }
}

void ask_address(mixer *m) {
  if (held *h = random_held(m))
    check_address(*h);
}

// Two callbacks that iterate with each other, as a callback may.
int one(dl_phdr_info *, size_t, void *inner);
int other(dl_phdr_info *, size_t, void *inner) { return inner ? dl_iterate_phdr(one, nullptr) : 1; }
int one(dl_phdr_info *, size_t, void *inner) { return inner ? dl_iterate_phdr(other, nullptr) : 1; }

void iterate(mixer *m) {
  bool first = stress_random(&m->random, 2);
  check_iteration(m->h, HOLD);
  for (int i = 0; i < 50; i++)
    CHECK(dl_iterate_phdr(first ? one : other, m) == 1, "an iteration inside an iteration");
}

void in_child(mixer *m) {
  *m = {m->random, true, {}}; // what was open stays open: its destructors are not for a child
  for (int i = 0; i < 3; i++) {
    exchange(m);
    raise(m);
    look_up(m);
    iterate(m);
  }
  for (held &h : m->h)
    if (h.handle)
      close_piece(&h);
  _exit(0);
}

void fork_once(mixer *m) {
  if (plain || stress_random(&m->random, 8))
    return;
  pid_t child = fork();
  if (!child)
    in_child(m);
  stress_wait(child);
}

void *short_thread(void *seed) {
  uint64_t random = (uintptr_t)seed;
  for (int i = 0; i < 3; i++) {
    held h = open_piece((int)stress_random(&random, PIECES), false);
    use_piece(h);
    use_piece(h);
    throw_through(h, 1);
    close_piece(&h);
  }
  return nullptr;
}

void start_thread(mixer *m) {
  pthread_t t;
  uintptr_t seed = stress_random(&m->random, 1u << 31);
  CHECK(!pthread_create(&t, nullptr, short_thread, reinterpret_cast<void *>(seed)), "no thread");
  pthread_join(t, nullptr);
}

void work(int thread, uint64_t seed) {
  static void (*const steps[])(mixer *) = {exchange, exchange, exchange, use,       use,          raise,      look_up,
                                           look_up,  iterate,  iterate,  fork_once, start_thread, ask_address};
  mixer m = {seed, false, {}};
  (void)thread;
  visit_all();
  while (stress_goes_on())
    steps[stress_random(&m.random, sizeof steps / sizeof *steps)](&m);
  for (held &h : m.h)
    if (h.handle)
      close_piece(&h);
}

struct trail {
  bool complete;
  void *last;
};

_Unwind_Reason_Code on_frame(_Unwind_Context *context, void *data) {
  trail *t = static_cast<trail *>(data);
  int interrupted = 0; // not: the address is behind a call
  uintptr_t ip = _Unwind_GetIPInfo(context, &interrupted);
  t->last = reinterpret_cast<void *>(interrupted ? ip : ip - 1);
  if (_Unwind_FindEnclosingFunction(t->last) == reinterpret_cast<void *>(work))
    t->complete = true;
  return _URC_NO_REASON;
}

// The start files' functions (_init, __do_global_dtors_aux) have no unwind information; resolvers run before their
// object is found by address.
bool ends_rightly(const trail &t) {
  Dl_info info;
  if (!dladdr(t.last, &info))
    return is_opening();
  return strstr(info.dli_fname, "libpiece") && !_Unwind_FindEnclosingFunction(t.last);
}

// Only workers are signalled, and only inside of work(): the walk must come there.
void signalled(void *pc) {
  Dl_info info;
  void *frames[64];
  trail t = {false, nullptr};
  bool known = dladdr(pc, &info);
  const char *file = known ? info.dli_fname : "nowhere";
  uintptr_t offset = reinterpret_cast<uintptr_t>(pc) - (known ? reinterpret_cast<uintptr_t>(info.dli_fbase) : 0);
  CHECK(file && strlen(file) < 4096, "a name that cannot be read");
  if (strstr(file, "libgcc_s")) // where it moves the stack pointer to the handler's frame there is nothing to walk
    return;
  _Unwind_Backtrace(on_frame, &t);
  int n = backtrace(frames, 64);
  CHECK(n >= 2, "backtrace of %d frames from %#lx in %s", n, offset, file);
  CHECK(t.complete || ends_rightly(t), "unwinding from %#lx in %s (%p) ends at %p", offset, file, pc, t.last);
}

} // namespace

int main(int argc, char **argv) {
  stress_options o = stress_begin(argc, argv);
  plain = getenv("STRESS_PLAIN");
  void *frames[4];
  backtrace(frames, 4); // the first call loads the unwinder
  stress_plan plan = {};
  plan.work = work;
  plan.between = check_books;
  plan.resident_allowed = 8192; // what waits for a reader that was stopped in the middle
  plan.signalled = plain ? nullptr : signalled;
  stress_run(&o, &plan);
}
