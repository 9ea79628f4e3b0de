// The list that debuggers read, found through the program's own DT_DEBUG.
#include <link.h>
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
extern ElfW(Dyn) _DYNAMIC[];
static const char *base_name(const char *path) { return strrchr(path, '/') ? strrchr(path, '/') + 1 : path; }
static void show(const struct r_debug *debug) {
  printf("state %d\n", debug->r_state);
  for (struct link_map *map = debug->r_map; map; map = map->l_next)
    printf("  %s, dynamic %d, linked back %d\n", base_name(map->l_name), map->l_ld != NULL,
           !map->l_next || map->l_next->l_prev == map);
}
int main(int argc, char **argv) {
  struct r_debug *debug = NULL;
  for (ElfW(Dyn) *d = _DYNAMIC; d->d_tag != DT_NULL; d++)
    if (d->d_tag == DT_DEBUG)
      debug = (struct r_debug *)d->d_un.d_ptr;
  printf("DT_DEBUG %d, the same as _r_debug %d\n", debug != NULL, debug == &_r_debug);
  if (!debug)
    return 1;
  printf("version %d, breakpoint %d, loader's base is AT_BASE %d\n", debug->r_version > 0, debug->r_brk != 0,
         debug->r_ldbase == getauxval(AT_BASE));
  printf("program first: %d, its dynamic section: %d\n", debug->r_map->l_name[0] == 0,
         debug->r_map->l_ld == _DYNAMIC);
  show(debug);
  void *handle = dlopen(argv[1], RTLD_NOW);
  show(debug);
  dlclose(handle);
  show(debug);
}
