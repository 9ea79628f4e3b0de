// The library that `sanitized` opens: its faults are found in here, in code that came at run time.
#include "sanitized.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef FILLER
#define FILLER 100
#endif

static thread_local volatile char filler[FILLER];
static thread_local char *kept;
static thread_local int calls;

extern "C" int plugin_raise(int n) { throw raised{n}; }

extern "C" int plugin_count() { return ++calls; }

extern "C" size_t plugin_keep(size_t n) {
  filler[sizeof filler - 1] = 1;
  kept = (char *)malloc(n);
  memset(kept, 'k', n - 1);
  kept[n - 1] = 0;
  return strlen(kept);
}

// Leaves in the thread's data what was never given a value, after a look at what the data was before.
extern "C" void plugin_taint() {
  if (filler[50])
    puts("not fresh");
  volatile char *p = (volatile char *)malloc(10);
  filler[50] = p[5];
  free((void *)p);
}

__attribute__((noinline)) static int heap_overflow(int n) {
  volatile char *p = (volatile char *)malloc(10);
  p[9 + n / 2] = 1;
  int r = p[0] * 0;
  free((void *)p);
  return r;
}

__attribute__((noinline)) static int use_after_free(int n) {
  volatile int *p = (volatile int *)calloc(n, sizeof *p);
  free((void *)p);
  return p[0];
}

__attribute__((noinline)) static int leak(int n) {
  for (int i = 0; i < 10; i++) {
    void *volatile p = malloc(1000 + n);
    p = nullptr;
  }
  return n;
}

__attribute__((noinline)) static int signed_overflow(int n) {
  volatile int big = INT_MAX;
  return big + n;
}

__attribute__((noinline)) static int uninitialised(int n) {
  volatile int *p = (volatile int *)malloc(n * sizeof *p);
  int r = p[0] ? 1 : 2;
  free((void *)p);
  return r;
}

static int shared, stage;
static void *racer(void *) {
  shared += 2;
  pass_stage(&stage, 0);
  await_stage(&stage, 2);
  return nullptr;
}

__attribute__((noinline)) static int race(int n) {
  pthread_t t;
  pthread_create(&t, nullptr, racer, nullptr);
  await_stage(&stage, 1);
  shared += n;
  pass_stage(&stage, 1);
  pthread_join(t, nullptr);
  return shared;
}

extern "C" int plugin_fault(const char *what, int n) {
  if (!strcmp(what, "heap-overflow"))
    return heap_overflow(n);
  if (!strcmp(what, "use-after-free"))
    return use_after_free(n);
  if (!strncmp(what, "leak", 4))
    return leak(n);
  if (!strcmp(what, "signed-overflow"))
    return signed_overflow(n);
  if (!strcmp(what, "uninitialised"))
    return uninitialised(n);
  if (!strcmp(what, "library-race"))
    return race(n);
  return 0;
}
