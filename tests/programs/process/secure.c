// What a setuid program sees of its environment.
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>
extern char **environ;
static int show(struct dl_phdr_info *info, size_t size, void *data) {
  const char *slash = strrchr(info->dlpi_name, '/');
  if (strstr(info->dlpi_name, "libp.so") || strstr(info->dlpi_name, "libplain.so"))
    printf("loaded %s\n", slash + 1);
  return 0;
}
int main(void) {
  printf("secure %lu, uid %d, effective %d\n", getauxval(AT_SECURE), getuid(), geteuid());
  for (char **e = environ; *e; e++)
    printf("%s\n", *e);
  printf("secure_getenv %d\n", secure_getenv("HOME") != NULL);
  dl_iterate_phdr(show, NULL);
}
