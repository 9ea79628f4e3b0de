/* Calls what it was linked with; then opens each argument, and says what became of it. "=NAME" closes again, "?NAME"
 * asks only whether it is there, "+NAME" opens it in a new namespace. */
#define _GNU_SOURCE
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
    char how = argv[i][0];
    const char *name = argv[i] + (how == '=' || how == '?' || how == '+');
    void *h =
        how == '+' ? dlmopen(LM_ID_NEWLM, name, RTLD_NOW) : dlopen(name, RTLD_NOW | (how == '?' ? RTLD_NOLOAD : 0));
    printf("%s: %s\n", argv[i], h ? "opened" : how == '?' ? "not there" : dlerror());
    if (h && how == '=')
      dlclose(h);
  }
  fflush(stdout);
  return 0;
}
