// What the programs about constructors share: libraries libhooked0.so to libhooked5.so (2 needs 0, 3 needs 1), whose
// constructors and destructors call back into the program.
#ifndef INSIDE_H
#define INSIDE_H

#include <dlfcn.h>
#include <stdio.h>

#include "hooked.h"
#include "stress.h"

using hook = void (*)(int library, hooked_event event);

inline void *open_hooked(int id, int mode = RTLD_NOW) {
  char name[64];
  snprintf(name, sizeof name, "./libhooked%d.so", id);
  void *handle = dlopen(name, mode);
  CHECK(handle || (mode & RTLD_NOLOAD), "dlopen: %s", dlerror());
  return handle;
}

inline int value_of(void *handle, int id) {
  char symbol[64];
  snprintf(symbol, sizeof symbol, "hooked_value_%d", id);
  auto value = reinterpret_cast<int (*)()>(dlsym(handle, symbol));
  CHECK(value, "dlsym: %s", dlerror());
  return value();
}

inline void close_hooked(void *handle) { CHECK(!dlclose(handle), "dlclose: %s", dlerror()); }

inline void check_value(void *handle, int id, int want) {
  int value = value_of(handle, id);
  CHECK(value == want, "library %d says %d, not %d: its constructor has not ended, or ran twice", id, value, want);
}

#endif
