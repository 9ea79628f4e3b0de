#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#ifdef DEEP
int deep(void) { return 3; }
#else
#ifdef ALONE
static int deep(void) { return 3; }
#else
int deep(void);
#endif
int left(void) { return deep() + 1; }
// A library that opens another: its own search path counts, not the program's.
__attribute__((constructor)) static void open_plugin(void) {
#ifdef OPENS
  void *handle = dlopen("libplugin-found.so", RTLD_NOW);
  printf("library's dlopen: %s\n", handle ? ((struct link_map *)handle)->l_name : dlerror());
#endif
}
#endif
