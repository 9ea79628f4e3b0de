#include "set.h"

#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <stdexcept>

namespace {

struct {
  int constructed[PIECES], destroyed[PIECES];
} books;

// Sum of an addition of 0: one, and the dependencies' sums.
const int sums[PIECES] = {1, 2, 2, 5, 1, 2, 8, 1, 2, 1, 2, 1, 2, 1, 3, 1, 3, 1, 1, 12};

struct seen { // what the thread left in a library's variable, and in which load of it
  int serial;
  long value;
};
enum { LOADS = 8 }; // an old load may be there beside a new one, while it is being closed, and in a child for good
thread_local seen last[PIECES][LOADS];
thread_local volatile bool opening;

const char *text_of(const char *s) { return s ? s : "(none)"; }

void name_of(char *out, size_t size, int id) { snprintf(out, size, "./libpiece%d.so", id); }

} // namespace

extern "C" {

static int loads(int id) { return __atomic_load_n(&books.constructed[id], __ATOMIC_SEQ_CST); }

int stress_constructed(int id) { return __atomic_add_fetch(&books.constructed[id], 1, __ATOMIC_SEQ_CST); }

void stress_destroyed(int id, int serial) {
  CHECK(serial > 0 && serial <= loads(id), "piece %d: destroyed in load %d", id, serial);
  __atomic_add_fetch(&books.destroyed[id], 1, __ATOMIC_SEQ_CST);
}

void stress_departed(int id, int count) { CHECK(count >= 0, "piece %d: gone before a thread's object", id); }
}

int traits_of(int id) {
  static const int traits[PIECES] = {BARE,          BARE,    BARE,    BARE,         BARE, BARE,
                                     BARE,          DEPARTS, DEPARTS, STAYS,        0,    GLOBAL | BARE,
                                     GLOBAL | BARE, DEEP,    DEEP,    KEEP | STAYS, BARE, VERSIONED};
  return traits[id];
}

int bare_piece(uint64_t *random) {
  int id;
  do
    id = (int)stress_random(random, PIECES);
  while (!(traits_of(id) & BARE));
  return id;
}

// Sanitizers refuse RTLD_DEEPBIND.
held open_piece(int id, bool now) {
  char name[64], symbol[64];
  int traits = traits_of(id);
  held h;
  name_of(name, sizeof name, id);
  snprintf(symbol, sizeof symbol, "piece%d_piece", id);
  int mode = (now ? RTLD_NOW : RTLD_LAZY) | (traits & GLOBAL ? RTLD_GLOBAL : 0) |
             (traits & DEEP && !getenv("STRESS_PLAIN") ? RTLD_DEEPBIND : 0) | (traits & KEEP ? RTLD_NODELETE : 0);
  h.id = id;
  opening = true;
  h.handle = dlopen(name, mode);
  opening = false;
  CHECK(h.handle, "dlopen: %s", text_of(dlerror()));
  h.library = static_cast<const piece *>(dlsym(h.handle, symbol));
  CHECK(h.library, "dlsym: %s", text_of(dlerror()));
  CHECK(h.library->id == id, "%s is piece %d", name, h.library->id);
  return h;
}

bool is_opening() { return opening; }

void close_piece(held *h) {
  CHECK(!dlclose(h->handle), "dlclose of piece %d: %s", h->id, text_of(dlerror()));
  *h = held();
}

void use_piece(const held &h) {
  int serial = h.library->serial(), sum = h.library->add(1000);
  CHECK(serial > 0 && serial <= loads(h.id), "piece %d: serial number %d", h.id, serial);
  CHECK(sum == 1000 + sums[h.id], "piece %d: sum %d, not %d", h.id, sum, 1000 + sums[h.id]);
  seen *s = &last[h.id][serial % LOADS];
  long *variable = h.library->local(), want = s->serial == serial ? s->value : 1000 + h.id;
  CHECK(*variable == want, "piece %d: thread-local value %ld, not %ld (load %d, last seen %d)", h.id, *variable, want,
        serial, s->serial);
  s->serial = serial;
  s->value = *variable = want + 1;
  if (traits_of(h.id) & DEPARTS)
    CHECK(h.library->departing() > 0, "piece %d: thread's object", h.id);
}

void throw_through(const held &h, int depth) {
  char want[32];
  bool caught = false;
  snprintf(want, sizeof want, "piece %d", h.id);
  try {
    h.library->raise(depth);
  } catch (const std::exception &e) {
    CHECK(!strcmp(e.what(), want), "caught '%s' of %s", e.what(), want);
    caught = true;
  }
  CHECK(caught, "nothing thrown by %s", want);
  CHECK(h.library->handle(depth) == depth, "%s does not catch its own", want);
  caught = false;
  try {
    h.library->through([](void *number) { throw *static_cast<int *>(number); }, &depth);
  } catch (int n) {
    caught = n == depth;
  }
  CHECK(caught, "no exception through %s", want);
}

static void check_versions(void *handle) {
  int (*one)() = reinterpret_cast<int (*)()>(dlvsym(handle, "piece17_versioned", "PIECE_1"));
  int (*two)() = reinterpret_cast<int (*)()>(dlvsym(handle, "piece17_versioned", "PIECE_2"));
  CHECK(one && two && one() == 1 && two() == 2, "versions: %s", text_of(dlerror()));
  CHECK(!dlvsym(handle, "piece17_versioned", "PIECE_3"), "a version that does not exist is found");
  const char *error = dlerror();
  CHECK(error && strstr(error, "PIECE_3"), "dlerror after dlvsym: %s", text_of(error));
}

void check_lookups(const held &h) {
  char symbol[64], absent[64];
  snprintf(symbol, sizeof symbol, "piece%d_add", h.id);
  snprintf(absent, sizeof absent, "piece%d_absent", h.id);
  CHECK(dlsym(h.handle, symbol), "dlsym: %s", text_of(dlerror()));
  CHECK(!dlerror(), "an error is left by a dlsym that found");
  CHECK(!dlsym(h.handle, absent), "%s is found", absent);
  const char *error = dlerror();
  CHECK(error && strstr(error, absent), "dlerror after dlsym: %s", text_of(error));
  CHECK(!dlerror(), "dlerror tells an error twice");
  CHECK(!h.library->find(absent), "%s is found", absent);
  error = dlerror();
  CHECK(error && strstr(error, absent), "dlerror after dlsym of the default scope: %s", text_of(error));
  if (traits_of(h.id) & GLOBAL) {
    snprintf(symbol, sizeof symbol, "piece%d_local", h.id);
    void *anywhere = h.library->find(symbol); // by the program it would stay for good
    CHECK(anywhere == dlsym(h.handle, symbol), "%s: %p in the default scope", symbol, anywhere);
  }
  if (traits_of(h.id) & VERSIONED)
    check_versions(h.handle);
}

void check_address(const held &h) {
  char symbol[64], file[64];
  Dl_info info;
  snprintf(symbol, sizeof symbol, "piece%d_serial", h.id);
  snprintf(file, sizeof file, "libpiece%d.so", h.id);
  CHECK(dladdr(reinterpret_cast<void *>(h.library->serial), &info), "dladdr knows nothing of %s", file);
  const char *end = strrchr(info.dli_fname, '/');
  CHECK(end && !strcmp(end + 1, file), "%s lies in %s", symbol, info.dli_fname);
  CHECK(info.dli_sname && !strcmp(info.dli_sname, symbol), "%s is called %s", symbol, text_of(info.dli_sname));
  CHECK(!dladdr(&info, &info), "dladdr knows the stack: %s", text_of(info.dli_fname));
}

namespace {

struct walk {
  const held *h;
  int count;
  int *seen; // how often each of h
};
thread_local unsigned long long most_adds, most_subs;

int on_object(dl_phdr_info *info, size_t size, void *data) {
  walk *w = static_cast<walk *>(data);
  CHECK(size >= offsetof(dl_phdr_info, dlpi_tls_data) && info->dlpi_name && strlen(info->dlpi_name) < 4096,
        "no name");
  CHECK(info->dlpi_phdr && info->dlpi_phnum > 0, "%s: no program headers", info->dlpi_name);
  bool loads = false;
  for (int i = 0; i < info->dlpi_phnum; i++)
    loads = loads || info->dlpi_phdr[i].p_type == PT_LOAD;
  CHECK(loads, "%s: nothing to load", info->dlpi_name);
  CHECK(info->dlpi_adds >= most_adds && info->dlpi_subs >= most_subs && info->dlpi_adds > info->dlpi_subs,
        "counters went from %llu, %llu to %llu, %llu", most_adds, most_subs, info->dlpi_adds, info->dlpi_subs);
  most_adds = info->dlpi_adds;
  most_subs = info->dlpi_subs;
  for (int i = 0; i < w->count; i++) // by address: a load that is being closed may have the same name
    if (w->h[i].handle && static_cast<link_map *>(w->h[i].handle)->l_addr == info->dlpi_addr)
      w->seen[i]++;
  return 0;
}

} // namespace

void check_iteration(const held *h, int count) {
  int seen[PIECES] = {};
  walk w = {h, count, seen};
  CHECK(!dl_iterate_phdr(on_object, &w), "dl_iterate_phdr");
  for (int i = 0; i < count; i++)
    if (h[i].handle)
      CHECK(seen[i] == 1, "dl_iterate_phdr tells %d times of piece %d", seen[i], h[i].id);
}

void visit_all() {
  for (int id = 0; id < PIECES; id++) {
    held h = open_piece(id, false);
    use_piece(h);
    throw_through(h, 2);
    check_lookups(h);
    close_piece(&h);
  }
}

void check_books() {
  void *any = dlopen("./libpiece0.so", RTLD_LAZY); // what waited for readers goes
  if (any)
    dlclose(any);
  for (int id = 0; id < PIECES; id++) {
    int alive = books.constructed[id] - books.destroyed[id], stays = traits_of(id) & STAYS ? 1 : 0;
    CHECK(alive == stays, "piece %d: %d loads, %d constructed and %d destroyed", id, alive, books.constructed[id],
          books.destroyed[id]);
  }
}
