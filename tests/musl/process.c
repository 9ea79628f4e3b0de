/* What a program sees of its process: arguments, environment, auxiliary vector, its own headers, libc's variables. */
#include <elf.h>
#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

extern char **environ;
extern char *__progname;
extern const Elf64_Ehdr __ehdr_start __attribute__((visibility("hidden")));
void _start(void);

static void auxiliary_vector(void) {
  const Elf64_Phdr *ph = (const Elf64_Phdr *)getauxval(AT_PHDR);
  printf("headers %d, %d of %d bytes\n", ph == (const void *)((const char *)&__ehdr_start + __ehdr_start.e_phoff),
         getauxval(AT_PHNUM) == __ehdr_start.e_phnum, (int)getauxval(AT_PHENT));
  printf("entry %d, page %lu, base %d, random %d, vdso %d\n", getauxval(AT_ENTRY) == (unsigned long)_start,
         getauxval(AT_PAGESZ), getauxval(AT_BASE) != 0, getauxval(AT_RANDOM) != 0, getauxval(AT_SYSINFO_EHDR) != 0);
  errno = 0;
  printf("unknown %lu: %s\n", getauxval(12345), strerror(errno));
}

static void variables(int argc, char **argv, char **envp) {
  printf("%d %s %s %s\n", argc, argv[0], argv[argc - 1], __progname);
  printf("environ %d, HOME %s, none %d\n", environ == envp, getenv("HOME"), getenv("NOT_THERE") == NULL);
  for (char **e = environ; *e; e++)
    if (!strncmp(*e, "LD_", 3) || !strncmp(*e, "_D_", 3))
      puts(*e);
  setenv("ADDED", "1", 1);
  printf("added %s, %s\n", getenv("ADDED"), environ != envp ? "moved" : "in place");
  printf("options %d %d %d\n", optind, opterr, optopt);
}

static int compare(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static void library(void) {
  char *words[] = {"pear", "apple", "fig"};
  wchar_t wide[16];
  qsort(words, 3, sizeof *words, compare);
  printf("%s %s %s %.6f %Lg\n", words[0], words[1], words[2], sin(1.0), 1e300L * 1e300L);
  setlocale(LC_ALL, "");
  printf("%s %zu %s\n", setlocale(LC_CTYPE, NULL), mbstowcs(wide, "\xc3\xa9t\xc3\xa9", 16), strerror(ENOENT));
  time_t when = 86400;
  printf("%s", asctime(localtime(&when)));
  void *aligned = aligned_alloc(4096, 8192), *large = calloc(1, 1 << 22);
  printf("memory %d %d %d\n", (unsigned long)aligned % 4096 == 0, large != NULL, ((char *)large)[12345]);
  free(aligned);
  free(large);
}

static void at_exit(void) { puts("at exit"); }

int main(int argc, char **argv, char **envp) {
  auxiliary_vector();
  variables(argc, argv, envp);
  library();
  atexit(at_exit);
  fprintf(stderr, "to stderr\n");
  return 41;
}
