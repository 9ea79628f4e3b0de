#include <dlfcn.h>
#include <stdio.h>
extern char absolute_symbol[], absolute_zero[];
extern int untyped_data;
int untyped_function(void);
static char *table[] = {absolute_symbol, absolute_symbol + 1};
int main(void) {
  printf("%#lx %#lx %#lx %#lx\n", (long)absolute_symbol, (long)table[0], (long)table[1], (long)absolute_zero);
  printf("dlsym %#lx\n", (long)dlsym(RTLD_DEFAULT, "absolute_symbol"));
  printf("zero by dlsym %#lx %s\n", (long)dlsym(RTLD_DEFAULT, "absolute_zero"), dlerror() ? "error" : "no error");
  printf("%d %d\n", untyped_function(), untyped_data);
}
