#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
int ifunc_exported(int), ifunc_protected(int), ifunc_through_library(int), ifunc_through_pointers(int),
    other_through(int);
void *ifunc_address(void), *other_address(void);

static int seven(int x) { return x + 7; }
static void *choose(void) { return seven; }
int program_ifunc(int) __attribute__((ifunc("choose")));
static int program_local(int) __attribute__((ifunc("choose")));
static int (*pointers[])(int) = {program_ifunc, program_local, ifunc_exported};

int main(void) {
  printf("%d %d\n", program_ifunc(1), program_local(2));
  printf("%d %d %d\n", pointers[0](1), pointers[1](1), pointers[2](1));
#ifdef WITH_LIBRARY
  printf("%d %d %d %d %d\n", ifunc_exported(1), ifunc_protected(1), ifunc_through_library(1),
         ifunc_through_pointers(1), other_through(1));
  printf("one address: %d %d\n", ifunc_address() == other_address(), (void *)ifunc_exported == ifunc_address());
#endif
#ifdef WITH_DLSYM
  int (*found)(int) = (int (*)(int))dlsym(RTLD_DEFAULT, "ifunc_exported");
  printf("dlsym %d\n", found ? found(1) : -1);
#endif
  printf("strlen %zu %d\n", strlen("through libc's own"), memcmp("a", "b", 1) < 0);
}
#ifndef WITH_LIBRARY
static void *choose_other(void) { return seven; }
int ifunc_exported(int) __attribute__((ifunc("choose_other")));
#endif
