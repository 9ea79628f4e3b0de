// A resolver that itself calls through the PLT, reads the environment, and asks for the processor's features.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
static int one(int x) { return x + 1; }
static int two(int x) { return x + 2; }
static int three(int x) { return x + 3; }
static const char *const names[] = {"one", "two", "three"};
static int (*const functions[])(int) = {one, two, three};
static void *choose(void) {
  __builtin_cpu_init();
  const char *wanted = getenv("CHOICE");
  for (int i = 0; wanted && i < 3; i++)
    if (strcmp(wanted, names[i]) == 0)
      return functions[i];
  return __builtin_cpu_supports("sse2") && getauxval(AT_PAGESZ) == 4096 ? two : one;
}
int chosen(int) __attribute__((ifunc("choose")));
static int (*pointer)(int) = chosen;
int main(void) { printf("%d %d\n", chosen(10), pointer(20)); }
