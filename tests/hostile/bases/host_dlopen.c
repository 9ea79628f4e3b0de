/* A good program that opens libvictim.so at run time: host_dlopen FILE now|lazy. Reports dlerror and exits with 0. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <unistd.h>
#include "victim.h"

/* Calls of libc only to functions that have one definition: it makes wrong jumps easy to tell. */
static void say(const char *text) {
  unsigned long length = 0;
  while (text[length])
    ++length;
  if (write(1, text, length) < 0)
    _exit(4);
}

static int report(const char *what) {
  const char *error = dlerror();
  say(what);
  say(error ? error : "no message");
  say("\n");
  return 0;
}

static int count(struct dl_phdr_info *info, size_t size, void *data) {
  (void)size;
  *(int *)data += info->dlpi_phnum;
  return 0;
}

int main(int argc, char **argv) {
  if (argc != 3)
    return 5;
  void *library = dlopen(argv[1], argv[2][0] == 'n' ? RTLD_NOW : RTLD_LAZY);
  if (library == NULL)
    return report("dlopen: ");
  /* A miss walks the whole lookup, and dladdr the symbol table. */
  if (dlsym(library, "no_such_symbol") != NULL)
    say("unexpected symbol\n");
  dlerror();
  int (*value)(void) = (int (*)(void))dlsym(library, "victim_value");
  if (value == NULL)
    return report("dlsym: ");
  Dl_info info;
  int headers = 0;
  if (dladdr((void *)value, &info) == 0)
    say("dladdr knows nothing\n");
  dl_iterate_phdr(count, &headers);
  say(value() == VICTIM_VALUE ? "value 42\n" : "another value\n");
  if (dlclose(library) != 0)
    return report("dlclose: ");
  say("closed\n");
  return 0;
}
