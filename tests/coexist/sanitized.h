// What the program and the library of the sanitizer cases share.
#pragma once

#include <stddef.h>
#include <sched.h>

struct raised {
  int n;
};

struct plugin {
  int (*raise)(int);
  int (*count)(void);
  size_t (*keep)(size_t);
  void (*taint)(void);
  int (*fault)(const char *, int);
};

// An order in time that is no synchronisation, so that a race is there, and is reported in one way only.
static inline void pass_stage(int *stage, int now) { __atomic_store_n(stage, now + 1, __ATOMIC_RELAXED); }

static inline void await_stage(const int *stage, int wanted) {
  while (__atomic_load_n(stage, __ATOMIC_RELAXED) < wanted)
    sched_yield();
}
