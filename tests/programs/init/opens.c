// open and close what the arguments say: +lib opens, -lib closes the handle that +lib gave.
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
int run_script(int argc, char **argv) {
  void *handles[20] = {0};
  for (int i = 1; i < argc; i++) {
    printf("%s\n", argv[i]);
    fflush(stdout);
    if (argv[i][0] == '+') {
      handles[i] = dlopen(argv[i] + 1, RTLD_NOW);
      if (!handles[i])
        printf("%s\n", dlerror());
    }
    for (int j = 1; argv[i][0] == '-' && j < i; j++)
      if (handles[j] && strcmp(argv[j] + 1, argv[i] + 1) == 0) {
        printf("closed %d\n", dlclose(handles[j]));
        handles[j] = NULL;
      }
    fflush(stdout);
  }
  return 0;
}
