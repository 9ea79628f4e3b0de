#include <dlfcn.h>
#include <stdio.h>
int filtered(void), own(void);
int main(void) {
  printf("%d %d\n", filtered(), own());
  int (*only)(void) = (int (*)(void))dlsym(RTLD_DEFAULT, "only_real");
  printf("%d\n", only ? only() : -1);
}
