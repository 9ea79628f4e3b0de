// A constructor is given the environment as it is when the library is opened.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef LIBRARY
__attribute__((constructor)) static void begin(int argc, char **argv, char **envp) {
  int count = 0;
  const char *added = "none";
  for (; envp[count]; count++)
    if (strncmp(envp[count], "ADDED=", 6) == 0)
      added = envp[count];
  printf("%d %s, %d variables, %s\n", argc, argv[0], count, added);
}
#else
#include <dlfcn.h>
extern char **environ;
static void open_once(void) { dlclose(dlopen("./liblife-environment.so", RTLD_NOW)); }
int main(void) {
  open_once();
  setenv("ADDED", "1", 1);
  open_once();
  setenv("ADDED", "2", 1);
  open_once();
  char *other[] = {"A=1", "ADDED=3", NULL};
  environ = other;
  open_once();
}
#endif
