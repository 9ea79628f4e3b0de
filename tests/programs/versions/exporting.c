// A program that itself defines versioned symbols, for its plugins.
#include <dlfcn.h>
#include <stdio.h>
__asm__(".symver host_old, host@HOST_1");
__asm__(".symver host_new, host@@HOST_2");
int host_old(void) { return 1; }
int host_new(void) { return 2; }
static int call(void *function) { return function ? ((int (*)(void))function)() : -1; }
int main(int argc, char **argv) {
  printf("%d %d\n", call(dlvsym(RTLD_DEFAULT, "host", "HOST_1")), call(dlvsym(RTLD_DEFAULT, "host", "HOST_2")));
  for (int i = 1; i < argc; i++) {
    void *plugin = dlopen(argv[i], RTLD_NOW);
    if (!plugin)
      printf("%s\n", dlerror());
    else
      printf("%s %d\n", argv[i], call(dlsym(plugin, "plugin")));
  }
}
