// How many libraries of a long chain are there, and is the last one's symbol found?
#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
static int count(struct dl_phdr_info *info, size_t size, void *data) {
  return *(int *)data += strstr(info->dlpi_name, "/libn") != NULL, 0;
}
int main(void) {
  int libraries = 0;
  dl_iterate_phdr(count, &libraries);
  int (*value)(void) = (int (*)(void))dlsym(RTLD_DEFAULT, "chain_value");
  printf("%d libraries, %d\n", libraries, value ? value() : -1);
}
