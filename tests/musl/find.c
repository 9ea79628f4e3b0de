/* Which of several libraries of a name is found. */
#include <dlfcn.h>
#include <stdio.h>

#ifdef LIBRARY
int which(void) {
#ifdef NEEDS
  int which_deep(void);
  return which_deep();
#else
  return NUMBER;
#endif
}
#else
int which(void);
int main(int argc, char **argv) {
  printf("%d\n", which());
  for (int i = 1; i < argc; i++)
    puts(dlopen(argv[i], RTLD_NOW) ? "opened" : dlerror());
  return 0;
}
#endif
