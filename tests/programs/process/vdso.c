// The vDSO as an object among the others.
#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/time.h>
#include <time.h>

static int show(struct dl_phdr_info *info, size_t size, void *data) {
  if (strstr(info->dlpi_name, "vdso"))
    printf("%s at AT_SYSINFO_EHDR: %d, headers %d\n", info->dlpi_name, info->dlpi_addr == *(unsigned long *)data,
           info->dlpi_phnum > 1);
  return 0;
}

int main(void) {
  unsigned long base = getauxval(AT_SYSINFO_EHDR);
  dl_iterate_phdr(show, &base);
  Dl_info info;
  printf("dladdr %d", dladdr((char *)base + 64, &info));
  printf(" %s %d\n", info.dli_fname, info.dli_fbase == (void *)base);
  struct link_map *map = NULL;
  printf("dladdr1 %d", dladdr1((char *)base + 64, &info, (void **)&map, RTLD_DL_LINKMAP));
  printf(" %s\n", map ? map->l_name : "?");
  void *handle = dlopen("linux-vdso.so.1", RTLD_NOW | RTLD_NOLOAD);
  printf("dlopen %d\n", handle != NULL);
  void *function = handle ? dlsym(handle, "__vdso_clock_gettime") : NULL;
  printf("dlsym %d, dlvsym %d\n", function != NULL, handle && dlvsym(handle, "__vdso_time", "LINUX_2.6") != NULL);
  if (function)
    printf("symbol %d %s\n", dladdr(function, &info), info.dli_sname ? "named" : "unnamed");
  printf("not in the global scope: %d\n", dlsym(RTLD_DEFAULT, "__vdso_clock_gettime") == NULL);
  struct timespec now;
  struct timeval day;
  int a = clock_gettime(CLOCK_REALTIME, &now), b = gettimeofday(&day, NULL);
  printf("%d %d %d\n", a, b, time(NULL) + 1 >= day.tv_sec);
}
