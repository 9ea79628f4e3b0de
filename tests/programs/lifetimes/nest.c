// The constructor of a dependency opens the very library that is being opened, whose own turn has not come.
#include <dlfcn.h>
#include <stdio.h>
int inner(void);
#ifdef OUTER
int outer(void) { return inner(); }
__attribute__((constructor)) static void begin(void) { printf("outer begins\n"); }
__attribute__((destructor)) static void end(void) { printf("outer ends\n"); }
#else
int inner(void) { return 1; }
__attribute__((constructor)) static void begin(void) {
  printf("inner begins\n");
  printf("inner has opened outer: %d\n", dlopen("liblife-outer.so", RTLD_NOW) != NULL);
}
__attribute__((destructor)) static void end(void) { printf("inner ends\n"); }
#endif
