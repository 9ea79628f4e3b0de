/* Constructors and destructors tell their turn. As a library: NAME is its name. */
#include <stdio.h>
#include <stdlib.h>

#ifndef NAME
#define NAME "program"
#define PROGRAM
#endif

extern char *__progname;

__attribute__((constructor)) static void construct(void) { printf("construct %s of %s\n", NAME, __progname); }
__attribute__((destructor)) static void destruct(void) { printf("destruct %s\n", NAME); }

#ifndef PROGRAM
int FUNCTION(void) { return 1; }
#else
#include <dlfcn.h>
int one(void), two(void), three(void);

static void at_exit(void) { puts("at exit"); }

int main(int argc, char **argv) {
  atexit(at_exit);
  printf("main %d\n", one() + two() + three());
  for (int i = 1; i < argc; i++) {
    void *p = dlopen(argv[i], RTLD_NOW);
    printf("opened %s %d, closed %d\n", argv[i], p != NULL, p ? dlclose(p) : -1);
  }
  return 0;
}
#endif
