// A library that stays when the one that needed it goes: its calls must still find its own dependencies.
//   outlive LOCAL|GLOBAL [FUNCTION [LIBRARY]]   the function, of that library, makes it stay
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
int main(int argc, char **argv) {
  void *top = dlopen("./liblife-top.so", RTLD_LAZY | (strcmp(argv[1], "GLOBAL") == 0 ? RTLD_GLOBAL : RTLD_LOCAL));
  void *keeper = argc > 3 ? dlopen(argv[3], RTLD_LAZY) : top;
  int (*keep)(void) = argc > 2 ? (int (*)(void))dlsym(keeper, argv[2]) : NULL;
  int (*middle)(void) = (int (*)(void))dlsym(top, "middle");
  printf("keep %d\n", keep ? keep() : 0);
  printf("close %d", dlclose(top));
  printf(", top is open %d\n", dlopen("./liblife-top.so", RTLD_LAZY | RTLD_NOLOAD) != NULL);
  fflush(stdout);
  printf("middle %d\n", middle());
}
