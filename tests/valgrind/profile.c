/* For the tools that count: calls and instructions of known functions, memory held at the peak. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

static unsigned checksum(unsigned rounds) {
  unsigned sum = 1;
  for (unsigned i = 0; i < rounds; i++)
    sum = sum * 31 + i;
  return sum;
}

static void *hold(size_t size) { return malloc(size); }

int main(void) {
  void *h = dlopen("libplugin.so", RTLD_NOW);
  int (*use)(const char *) = h ? (int (*)(const char *))dlsym(h, "plugin_use") : NULL;
  if (!use)
    return 2;
  for (int i = 0; i < 5; i++)
    printf("%d\n", use("profiled"));
  void *held[100];
  for (int i = 0; i < 100; i++)
    held[i] = hold(10000);
  for (int i = 0; i < 100; i++)
    free(held[i]);
  printf("%u\n", checksum(5000));
  return 0;
}
