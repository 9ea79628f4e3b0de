/* A program for gdb to follow: it renames a function of a library that it has open, time and again.
 *
 * watched LIBRARY NAME... (one name: nothing is renamed, and a child calls the library) */
#include <sys/wait.h>

#include "tables.h"

__attribute__((noinline)) void opened(void) { __asm__ volatile("" ::: "memory"); }
__attribute__((noinline)) void renamed(void) { __asm__ volatile("" ::: "memory"); }

int main(int argc, char **argv) {
  enum { SLOT = 128 << 10 };
  void *h = dlopen(argv[1], RTLD_NOW | RTLD_RELOADABLE);
  NEED(h);
  int (*function)(void) = (int (*)(void))get(h, argv[2]);
  opened();
  NEED(function() == 1 && call(h, "stays") == 4);
  for (int i = 3; i < argc; i++) {
    struct tables t = make_tables(h, (char *)get(h, "room") + i % 2 * SLOT, argv[i - 1], argv[i]);
    install(h, &t);
    NEED(ldx_reload(h) == 0);
    renamed();
    NEED(call(h, argv[i]) == 1 && function() == 1 && call(h, "stays") == 4);
  }
  if (argc == 3 && !fork()) {
    call(h, "stays");
    printf("child done\n");
    return 0;
  }
  wait(NULL);
  printf("done\n");
  return 0;
}
