// Looks things up on its own behalf: both depend on which object has loaded this one.
#include <dlfcn.h>
void *find_next(const char *name) { return dlsym(RTLD_NEXT, name); }
void *find_library(const char *name) { return dlopen(name, RTLD_NOW); }
