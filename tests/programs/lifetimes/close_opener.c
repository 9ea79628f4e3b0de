// A library that is looked up from after the one that has loaded it was closed.
#include <dlfcn.h>
#include <stdio.h>
static void *(*find_next)(const char *), *(*find_library)(const char *);
static void tell(const char *when) {
  printf("%s: next %d", when, find_next("puts") != NULL);
  void *handle = find_library("liblife-leaf.so");
  printf(", library %d, %s\n", handle != NULL, handle ? "closed" : dlerror());
  fflush(stdout);
  if (handle)
    dlclose(handle);
}
int main(void) {
  void *opener = dlopen("./liblife-opener.so", RTLD_NOW), *finder = dlopen("./liblife-finder.so", RTLD_NOW);
  find_next = (void *(*)(const char *))dlsym(finder, "find_next");
  find_library = (void *(*)(const char *))dlsym(finder, "find_library");
  tell("opener is there");
  dlclose(opener);
  for (int i = 0; i < 20; i++) { // gives the memory of the closed library to others
    void *one = dlopen("./liblife-middle.so", RTLD_NOW), *two = dlopen("libm.so.6", RTLD_NOW);
    dlclose(one), dlclose(two);
  }
  tell("opener is gone");
}
