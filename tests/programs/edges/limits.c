// dlopen where something has run out: descriptors, address space.
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
static void try(const char *label, const char *name) {
  void *handle = dlopen(name, RTLD_NOW);
  printf("%s: %s\n", label, handle ? "ok" : dlerror());
  if (handle)
    dlclose(handle);
}
int main(int argc, char **argv) {
  struct rlimit limit, all;
  try("before", argv[1]);
  getrlimit(RLIMIT_NOFILE, &all);
  limit = all, limit.rlim_cur = 3;
  setrlimit(RLIMIT_NOFILE, &limit);
  try("no descriptors", argv[1]);
  setrlimit(RLIMIT_NOFILE, &all);
  try("again", argv[1]);
  getrlimit(RLIMIT_AS, &all);
  limit = all, limit.rlim_cur = 1L << 30;
  setrlimit(RLIMIT_AS, &limit);
  try("no address space", argv[2]);
  setrlimit(RLIMIT_AS, &all);
  try("again", argv[2]);
}
