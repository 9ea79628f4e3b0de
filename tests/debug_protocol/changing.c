// Does what its arguments say, one after the other, for debuggers and other readers of the block _ldx_debug.
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ldx/debug.h>
#include <ldx/dlfcn.h>

#include "making.h"

#pragma weak ldx_debugger
int ldx_symbols_changed(const void *addr) __attribute__((weak));

static void *handle;

static void change(int count) {
  void *place = handle ? dlsym(handle, "slow_call") : (void *)change;
  for (int i = 0; i < count; i++)
    if (ldx_symbols_changed(place))
      abort();
}

static int released(void) { return !access("released", F_OK); }

// Until somebody says so by a file; the alarm ends what nobody takes care of.
static void await_release(void) {
  puts("waiting");
  while (!released())
    usleep(10000);
}

// Announcements in bursts, with pauses in which a reader may catch a moment of peace.
static void change_for_long(void) {
  puts("changing");
  while (!released()) {
    change(300);
    usleep(300);
  }
}

static void load_for_long(const char *name) {
  puts("loading");
  while (!released())
    dlclose(dlopen(name, RTLD_NOW));
}

// What a tool does that waits for a debugger that knows ldx.
static void hold(void) {
  uint32_t reader;
  puts("held");
  while (ldx_debugger(&reader) <= 0 || !(reader & LDX_DEBUG_READS_CHANGES))
    usleep(10000);
  puts("let go");
}

static void tell_debugger(void) {
  uint32_t reader;
  int pid = ldx_debugger(&reader);
  printf("debugger %d reads %u\n", pid, reader);
}

static void act(const char *word) {
  const char *value = strchr(word, '=');
  value = value ? value + 1 : "";
  if (!strncmp(word, "open=", 5))
    printf("open: %s\n", (handle = dlopen(value, RTLD_NOW)) ? "yes" : dlerror());
  else if (!strncmp(word, "space=", 6))
    printf("space: %s\n", dlmopen(LM_ID_NEWLM, value, RTLD_NOW) ? "yes" : dlerror());
  else if (!strncmp(word, "shared=", 7))
    printf("shared: %s\n", dlmopen(LM_ID_NEWLM, value, RTLD_NOW | RTLD_SHARED) ? "yes" : dlerror());
  else if (!strcmp(word, "close"))
    dlclose(handle);
  else if (!strncmp(word, "change=", 7))
    change(atoi(value));
  else if (!strcmp(word, "change-for-long"))
    change_for_long();
  else if (!strncmp(word, "load-for-long=", 14))
    load_for_long(value);
  else if (!strcmp(word, "debugger"))
    tell_debugger();
  else if (!strcmp(word, "hold"))
    hold();
  else if (!strcmp(word, "wait"))
    await_release();
  else if (!strcmp(word, "stop"))
    getppid(); // where debuggers have a breakpoint
  else if (!strcmp(word, "abort"))
    abort();
  else if (!make(word, value))
    exit(9);
}

int main(int argc, char **argv) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  alarm(100);
  for (int i = 1; i < argc; i++)
    act(argv[i]);
  return 3;
}
