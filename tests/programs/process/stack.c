// Protection of the stacks, with and without a demand for an executable one; code on the stack where it is allowed.
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static void show(const char *when) {
  FILE *maps = fopen("/proc/self/maps", "r");
  char line[4096];
  while (fgets(line, sizeof line, maps))
    if (strstr(line, "[stack]"))
      printf("%s: %.4s\n", when, strchr(line, ' ') + 1);
  fclose(maps);
}

static void *run_on_stack(void *unused) {
  volatile unsigned char code[] = {0xb8, 42, 0, 0, 0, 0xc3}; // mov $42, %eax; ret
  printf("code on a stack: %d\n", ((int (*)(void))(void *)code)());
  return unused;
}

int main(int argc, char **argv) {
  show("at start");
  if (argc > 1) {
    void *handle = dlopen(argv[1], RTLD_NOW);
    printf("dlopen %d %s\n", handle != NULL, handle ? "" : dlerror());
    show("after dlopen");
  }
#ifdef EXECUTABLE
  run_on_stack(NULL);
  pthread_t thread;
  pthread_create(&thread, NULL, run_on_stack, NULL);
  pthread_join(thread, NULL);
#else
  (void)run_on_stack;
  (void)pthread_create;
#endif
}
