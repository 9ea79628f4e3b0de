// A constructor asks whether the library is global already.
#include <dlfcn.h>
#include <stdio.h>
int global_early(void) { return 1; }
static void ask(const char *when) {
  void *program = dlopen(NULL, RTLD_NOW);
  printf("  %s: %d\n", when, dlsym(program, "global_early") != NULL);
  dlclose(program);
}
__attribute__((constructor)) static void begin(void) { ask("constructor"); }
__attribute__((destructor)) static void end(void) { ask("destructor"); }
