// Libraries opened and closed at run time, with thread-local data, in several threads; and what the loader tells.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *handle;

static void *use(void *arg) {
  int (*count)(int) = (int (*)(int))dlsym(handle, "module_count");
  int *exported = dlsym(handle, "exported");
  *(int *)arg = count(1) + count(1) + *exported;
  return NULL;
}

static int visit(struct dl_phdr_info *info, size_t size, void *data) {
  const char *name = strrchr(info->dlpi_name, '/');
  (void)size;
  if (name && strstr(name, "libmodule"))
    printf("seen %s, TLS module %d, block %d\n", name + 1, info->dlpi_tls_modid > 0, info->dlpi_tls_data != NULL);
  (void)data;
  return 0;
}

static void look(void) {
  Dl_info where;
  struct link_map *map;
  size_t module;
  void *data;
  void *function = dlsym(handle, "module_count");
  if (!dladdr(function, &where) || dlinfo(handle, RTLD_DI_LINKMAP, &map) ||
      dlinfo(handle, RTLD_DI_TLS_MODID, &module) || dlinfo(handle, RTLD_DI_TLS_DATA, &data))
    return;
  printf("%s in %s, module %d\n", where.dli_sname, strrchr(map->l_name, '/') + 1, module > 0);
  dl_iterate_phdr(visit, NULL);
}

int main(void) {
  for (int round = 0; round < 4; round++) {
    pthread_t threads[4];
    int results[4];
    handle = dlopen("libmodule.so", round % 2 ? RTLD_NOW : RTLD_LAZY | RTLD_GLOBAL);
    if (!handle) {
      printf("%s\n", dlerror());
      return 1;
    }
    if (round == 0)
      look();
    for (int i = 0; i < 4; i++)
      pthread_create(&threads[i], NULL, use, &results[i]);
    for (int i = 0; i < 4; i++)
      pthread_join(threads[i], NULL);
    use(&results[0]);
    printf("round %d: %d %d %d %d\n", round, results[0], results[1], results[2], results[3]);
    printf("close %d\n", dlclose(handle));
  }
  printf("gone: %d\n", dlopen("libmodule.so", RTLD_LAZY | RTLD_NOLOAD) == NULL);
  printf("error: %s\n", dlopen("libnowhere.so", RTLD_LAZY) ? "none" : dlerror());
  printf("error: %s\n", dlsym(RTLD_DEFAULT, "no_such_function") ? "none" : strchr(dlerror(), ':') + 2);
  printf("versioned: %d\n", dlvsym(RTLD_DEFAULT, "memcpy", "GLIBC_2.2.5") != NULL);
  void *math = dlopen("libm.so.6", RTLD_NOW);
  double (*cosine)(double) = (double (*)(double))dlsym(math, "cos");
  printf("cos %a\n", cosine(0.5));
  return dlclose(math);
}
