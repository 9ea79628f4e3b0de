// A library of the set that the programs load and unload: -DPIECE its number, -DFIRST, -DSECOND, -DTHIRD libraries
// that it depends on, -DTLS_SIZE, -DTLS_ALIGN of the thread-local block, -DUNIQUE: with a symbol unique in the
// process, -DDEPARTS: with a thread-local object that is destroyed, -DRESOLVED: with an indirect function, -DBARE:
// without the compiler's start files and without static objects.
#include "piece.h"

#include <dlfcn.h>

#include <stdexcept>
#include <string>

#define GLUE_(a, b, c) a##b##c
#define GLUE(a, b, c) GLUE_(a, b, c)
#define NAME(what) GLUE(piece, PIECE, what)
#define OTHER(id, what) GLUE(piece, id, what)

extern "C" {
#ifdef FIRST
int OTHER(FIRST, _add)(int);
#endif
#ifdef SECOND
int OTHER(SECOND, _add)(int);
#endif
#ifdef THIRD
int OTHER(THIRD, _add)(int);
#endif
}

namespace {

enum { DEAD = 0, ALIVE = 0x600d };

int constructions;

struct {
  int serial, state, guards;
} image;

void come() {
  constructions++;
  image.serial = stress_constructed(PIECE);
  image.state = ALIVE;
}

void go() {
  image.state = DEAD;
  stress_destroyed(PIECE, image.serial);
}

#ifdef BARE
__attribute__((constructor)) void construct() { come(); }
__attribute__((destructor)) void destroy() { go(); }
#else
struct lifetime {
  lifetime() { come(); }
  ~lifetime() { go(); }
} self;
#endif

struct guard { // must be destroyed while an exception passes
  guard() { __atomic_add_fetch(&image.guards, 1, __ATOMIC_RELAXED); }
  ~guard() { __atomic_sub_fetch(&image.guards, 1, __ATOMIC_RELAXED); }
};

#ifndef TLS_SIZE
#define TLS_SIZE 8
#endif
#ifndef TLS_ALIGN
#define TLS_ALIGN 8
#endif
struct alignas(TLS_ALIGN) block {
  long value;
  char rest[TLS_SIZE];
};
thread_local block local = {1000 + PIECE, {PIECE + 1}};
thread_local long zero[4];

struct own_exception {
  int depth;
};

#ifdef DEPARTS
struct departing {
  int count = 0;
  std::string text = "a text that is long enough to be on the heap";
  ~departing() { stress_departed(PIECE, image.state == ALIVE && text.size() == 44 ? count : -1); }
};
thread_local departing object;
#endif

int plain_one() { return 1; }

__attribute__((noinline)) void descend(int depth) {
  guard here;
  if (depth > 0)
    descend(depth - 1);
  else
    throw std::runtime_error("piece " + std::to_string(PIECE));
  asm volatile(""); // no tail call
}

__attribute__((noinline)) void descend_own(int depth, int left) {
  guard here;
  if (left > 0)
    descend_own(depth, left - 1);
  else
    throw own_exception{depth};
  asm volatile("");
}

} // namespace

#ifdef UNIQUE
template <class> struct shared_by_all {
  static int value; // STB_GNU_UNIQUE
};
template <class T> int shared_by_all<T>::value = 77;
#endif

extern "C" {

#ifdef RESOLVED
static int (*choose_one())() { return plain_one; }
int NAME(_one)() __attribute__((ifunc("choose_one")));
#else
int NAME(_one)() { return plain_one(); }
#endif

int NAME(_serial)() {
  if (image.state != ALIVE || constructions != 1)
    return -1;
#ifdef UNIQUE
  if (shared_by_all<int>::value != 77)
    return -2;
#endif
  if ((unsigned long)&local % TLS_ALIGN)
    return -3;
  if (local.rest[0] != PIECE + 1)
    return -4;
  return zero[0] || zero[3] ? -5 : image.serial;
}

void *NAME(_find)(const char *name) {
  void *found = dlsym(RTLD_DEFAULT, name);
  asm volatile(""); // no tail call: the caller is this library
  return found;
}

int NAME(_add)(int x) {
  int sum = x + NAME(_one)();
#ifdef FIRST
  sum += OTHER(FIRST, _add)(x) - x;
#endif
#ifdef SECOND
  sum += OTHER(SECOND, _add)(x) - x;
#endif
#ifdef THIRD
  sum += OTHER(THIRD, _add)(x) - x;
#endif
  return sum;
}

void NAME(_raise)(int depth) { descend(depth); }

int NAME(_handle)(int depth) {
  try {
    descend_own(depth, depth);
  } catch (const own_exception &e) {
    return e.depth;
  }
  return -1;
}

int NAME(_through)(void (*function)(void *), void *argument) {
  guard here;
  function(argument);
  return 1;
}

long *NAME(_local)() { return &local.value; }

int NAME(_departing)() {
#ifdef DEPARTS
  return ++object.count;
#else
  return 0;
#endif
}

extern const piece NAME(_piece);
const piece NAME(_piece) = {PIECE,          NAME(_serial), NAME(_add),       NAME(_raise), NAME(_handle),
                            NAME(_through), NAME(_local),  NAME(_departing), NAME(_find)};
}
