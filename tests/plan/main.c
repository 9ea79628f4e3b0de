/* Calls what it was linked with; then opens each argument, and says what became of it. "=NAME" closes again. */
#include <dlfcn.h>
#include <stdio.h>

#ifdef USES
int USES(void);
#endif
const char *shared_name(void) __attribute__((weak));
int chosen_function(void) __attribute__((weak));

int main(int argc, char **argv) {
  int sum = 0;
#ifdef USES
  sum += USES();
#endif
  if (chosen_function)
    sum += chosen_function();
  printf("runs %d %d\n", sum, shared_name != 0);
  for (int i = 1; i < argc; i++) {
    void *h = dlopen(argv[i] + (argv[i][0] == '='), RTLD_NOW);
    printf("%s: %s\n", argv[i], h ? "opened" : dlerror());
    if (h && argv[i][0] == '=')
      dlclose(h);
  }
  fflush(stdout);
  return 0;
}
