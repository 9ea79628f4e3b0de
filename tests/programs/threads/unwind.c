// backtrace() through a library, from a signal handler, and _Unwind_Backtrace over both.
#include <dlfcn.h>
#include <execinfo.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
int call_shared(int);
static void show(const char *label) {
  void *frames[50];
  int count = backtrace(frames, 50);
  char **names = backtrace_symbols(frames, count);
  int seen_main = 0;
  for (int i = 0; i < count; i++)
    seen_main |= strstr(names[i], "(main+") != NULL;
  printf("%s: main is on the stack %d, deeper than one %d\n", label, seen_main, count > 2);
}
static void handler(int number) { show("handler"); }
__attribute__((noinline)) static int deeper(int n) { return n ? deeper(n - 1) + 1 : (show("deep"), 0); }
int main(void) {
  signal(SIGUSR1, handler);
  deeper(5);
  raise(SIGUSR1);
}
