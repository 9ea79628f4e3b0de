// Says where each library came from.
#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
int left(void);
int main(int argc, char **argv) {
  printf("left %d\n", left());
  for (int i = 1; i < argc; i++) {
    void *handle = dlopen(argv[i], RTLD_NOW);
    printf("dlopen %s: %s\n", argv[i], handle ? ((struct link_map *)handle)->l_name : dlerror());
  }
  struct link_map *map = dlopen(NULL, RTLD_NOW);
  for (; map; map = map->l_next)
    printf("%s\n", map->l_name);
}
