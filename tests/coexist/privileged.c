/* A privileged program: what of its user's environment reaches it, and what it does not let the user decide. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <iconv.h>
#include <link.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <time.h>
#include <unistd.h>

static int show(struct dl_phdr_info *info, size_t size, void *data) {
  (void)size, (void)data;
  const char *slash = strrchr(info->dlpi_name, '/');
  const char *name = slash ? slash + 1 : info->dlpi_name;
  if (strncmp(name, "ld", 2) && strncmp(name, "linux-vdso", 10))
    printf("object %s\n", name);
  return 0;
}

static void try_open(const char *name) {
  void *library = dlopen(name, RTLD_NOW);
  printf("%s: %s\n", name, library ? "opened" : dlerror());
}

int main(int argc, char **argv) {
  setvbuf(stdout, NULL, _IONBF, 0);
  printf("secure %lu, user %d %d, group %d %d\n", getauxval(AT_SECURE), getuid(), geteuid(), getgid(), getegid());
  dl_iterate_phdr(show, NULL);
  try_open("libtaken.so");
  try_open("$ORIGIN/libtaken.so");
  try_open("libz.so.1");
  if (argc > 1)
    try_open(argv[1]);
  printf("locale %s, converter %d\n", setlocale(LC_ALL, "taken_LC") ? "taken" : "not there",
         iconv_open("TAKEN//", "UTF-8") != (iconv_t)-1);
  tzset();
  printf("zone %s, secret %s\n", tzname[0], secure_getenv("HOME") ? "told" : "not told");
  execl("/usr/bin/env", "env", (char *)NULL);
  return 1;
}
