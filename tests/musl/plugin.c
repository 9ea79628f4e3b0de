/* A library that is opened at run time, with thread-local variables of its own. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__thread int plugin_number = 42;
static __thread char *name = "plugin";
static __thread char large[5000];
static int opened;

__attribute__((constructor)) static void construct(void) { opened++; }

int plugin_next(void) { return ++plugin_number; }
int plugin_opened(void) { return opened; }
const char *plugin_name(void) { return name; }
/* Writes all of the thread's own, and says whether it was fresh. */
int plugin_fill(int value) {
  int fresh = plugin_number == 42;
  for (size_t i = 0; i < sizeof large; i++)
    fresh &= large[i] == 0;
  memset(large, value, sizeof large);
  plugin_number = value;
  return fresh;
}
int plugin_holds(int value) {
  int ok = plugin_number == value;
  for (size_t i = 0; i < sizeof large; i++)
    ok &= large[i] == (char)value;
  return ok;
}
/* Defined by nobody at first: lazily opened, it is missed only when it is called. */
int late_function(void);
int plugin_call_late(void) { return late_function(); }
