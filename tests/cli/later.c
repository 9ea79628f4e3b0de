// A library of the program's start refers to what only a library opened later has.
#include <dlfcn.h>
#include <stdio.h>
#if defined(STARTS)
int later(void);
int call_later(void) { return later(); }
#elif defined(LATER)
int call_later(void);
int later(void) { return 7; }
int go(void) { return call_later(); }
#else
int call_later(void);
int main(int argc, char **argv) {
  void *handle = dlopen("./liblater-one.so", RTLD_LAZY | (argc > 1 ? RTLD_GLOBAL : 0));
  int (*go)(void) = handle ? (int (*)(void))dlsym(handle, "go") : NULL;
  printf("found %d\n", go != NULL), fflush(stdout);
  printf("%d\n", argc > 9 ? call_later() : go());
  printf("closed %d\n", dlclose(handle));
  printf("closed %d\n", dlclose(handle));
}
#endif
