// A library that opens another one while it begins, and closes it when it ends.
#include <dlfcn.h>
#include <stdlib.h>

static void *handle;

__attribute__((constructor)) static void nested_begin(void) {
  if (!(handle = dlopen("./libgdb-later.so", RTLD_NOW)))
    abort();
}

__attribute__((destructor)) static void nested_end(void) { dlclose(handle); }
