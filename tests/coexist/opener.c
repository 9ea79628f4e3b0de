/* Opens the libraries that are named, in order, and closes them in the same order. */
#include <dlfcn.h>
#include <stdio.h>

int main(int argc, char **argv) {
  void *handles[16];
  for (int i = 1; i < argc && i < 16; i++) {
    handles[i] = dlopen(argv[i], RTLD_NOW);
    puts(handles[i] ? "opened" : dlerror());
    fflush(stdout);
  }
  for (int i = 1; i < argc && i < 16; i++)
    if (handles[i])
      printf("closed %d\n", dlclose(handles[i]));
  return 0;
}
