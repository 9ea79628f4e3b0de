// What a program can see of how it was started. Built as PIE, non-PIE, static and static-PIE.
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/resource.h>
#include <unistd.h>
#include <dirent.h>
#include <malloc.h>

extern char _start[], _end[], __ehdr_start[], **environ;

static int zeroed[5000];
static int initialised = 7;

static void arguments(int argc, char **argv) {
  printf("argc %d\n", argc);
  for (int i = 0; i < argc; i++)
    printf("argv[%d] %s\n", i, argv[i]);
  printf("argv ends with NULL: %d\n", argv[argc] == NULL);
  printf("environ follows argv: %d\n", environ == argv + argc + 1);
  int adjacent = 1;
  for (int i = 0; i + 1 < argc; i++)
    adjacent &= argv[i + 1] == argv[i] + strlen(argv[i]) + 1;
  printf("argument strings are adjacent: %d\n", adjacent);
  printf("environment strings follow them: %d\n", environ[0] == argv[argc - 1] + strlen(argv[argc - 1]) + 1);
  for (char **e = environ; *e; e++)
    if (strncmp(*e, "RUN=", 4) != 0)
      printf("env %s\n", *e);
  printf("invocation %s %s\n", program_invocation_name, program_invocation_short_name);
}

static void auxiliary_vector(void) {
  char **end = environ;
  while (*end)
    end++;
  Elf64_auxv_t *auxv = (Elf64_auxv_t *)(end + 1);
  printf("auxv types");
  for (; auxv->a_type != AT_NULL; auxv++)
    printf(" %lu", auxv->a_type);
  printf("\n");
  const Elf64_Ehdr *header = (const Elf64_Ehdr *)__ehdr_start;
  printf("AT_PHDR is the program's: %d\n", getauxval(AT_PHDR) == (unsigned long)__ehdr_start + header->e_phoff);
  printf("AT_PHNUM is the program's: %d, AT_PHENT %lu\n", getauxval(AT_PHNUM) == header->e_phnum,
         getauxval(AT_PHENT));
  printf("AT_ENTRY is _start: %d\n", getauxval(AT_ENTRY) == (unsigned long)_start);
  unsigned long base = getauxval(AT_BASE);
  printf("AT_BASE is given: %d, is an ELF image: %d\n", base != 0,
         base != 0 && memcmp((void *)base, ELFMAG, SELFMAG) == 0);
  const char *name = (const char *)getauxval(AT_EXECFN);
  printf("AT_EXECFN %s\n", name);
  printf("AT_PAGESZ %lu AT_SECURE %lu AT_FLAGS %lu AT_CLKTCK %lu AT_UID %lu AT_EUID %lu\n", getauxval(AT_PAGESZ),
         getauxval(AT_SECURE), getauxval(AT_FLAGS), getauxval(AT_CLKTCK), getauxval(AT_UID), getauxval(AT_EUID));
  printf("AT_PLATFORM %s, AT_HWCAP %d, AT_RANDOM %d\n", (char *)getauxval(AT_PLATFORM), getauxval(AT_HWCAP) != 0,
         getauxval(AT_RANDOM) != 0);
  unsigned long vdso = getauxval(AT_SYSINFO_EHDR);
  printf("AT_SYSINFO_EHDR is an ELF image: %d\n", vdso && memcmp((void *)vdso, ELFMAG, SELFMAG) == 0);
}

static void read_first_line(const char *path) {
  char line[4096];
  FILE *file = fopen(path, "r");
  size_t size = file ? fread(line, 1, sizeof line - 1, file) : 0;
  for (size_t i = 0; i < size; i++)
    if (line[i] == 0)
      line[i] = '|';
  line[size] = 0;
  printf("%s %s\n", path, line);
  if (file)
    fclose(file);
}

static void kernel_view(void) {
  char path[4096];
  ssize_t size = readlink("/proc/self/exe", path, sizeof path - 1);
  path[size < 0 ? 0 : size] = 0;
  printf("/proc/self/exe %s\n", path);
  char *real = realpath("/proc/self/exe", NULL);
  printf("realpath %s\n", real ? real : "?");
  free(real);
  read_first_line("/proc/self/comm");
  read_first_line("/proc/self/cmdline");
}

static void heap(void) {
  char *start = sbrk(0);
  printf("break lies above the program: %d, within 2 GiB: %d\n", start >= _end, (size_t)(start - _end) < (2UL << 30));
  char *block = sbrk(8192);
  printf("sbrk grows there: %d\n", block >= start);
  memset(block, 1, 8192);
  printf("and shrinks: %d\n", sbrk(-8192) != (void *)-1);
  char *small = malloc(100), *big = malloc(1 << 22);
  printf("malloc %d %d, arena in use %d\n", small != NULL, big != NULL, mallinfo2().uordblks > 0);
  printf("a small block lies on the heap: %d\n", small > _end && (size_t)(small - _end) < (2UL << 30));
  free(small);
  free(big);
}

static void memory(void) {
  int zero = 1;
  for (size_t i = 0; i < sizeof zeroed / sizeof *zeroed; i++)
    zero &= zeroed[i] == 0;
  printf("bss is zero: %d, data %d\n", zero, initialised);
  FILE *maps = fopen("/proc/self/maps", "r");
  char line[4096];
  int both = 0;
  while (fgets(line, sizeof line, maps)) {
    char *space = strchr(line, ' ');
    both += space[2] == 'w' && space[3] == 'x';
    if (strstr(line, "[stack]"))
      printf("stack %.4s\n", space + 1);
    if (strstr(line, "[heap]"))
      printf("heap %.4s\n", space + 1);
  }
  fclose(maps);
  printf("mappings both writable and executable: %d\n", both);
}

static void inherited(void) {
  DIR *folder = opendir("/proc/self/fd");
  int open_files = 0;
  while (readdir(folder))
    open_files++;
  closedir(folder);
  printf("open descriptors %d\n", open_files - 3); // ".", "..", and the folder's own
  sigset_t mask;
  sigprocmask(SIG_BLOCK, NULL, &mask);
  int blocked = 0, handled = 0;
  for (int i = 1; i < 65; i++) {
    struct sigaction action;
    blocked += sigismember(&mask, i) == 1;
    if (sigaction(i, NULL, &action) == 0)
      handled += action.sa_handler != SIG_DFL && action.sa_handler != SIG_IGN;
  }
  printf("signals blocked %d, handled %d, errno %d\n", blocked, handled, errno);
  struct rlimit limit;
  getrlimit(RLIMIT_STACK, &limit);
  pthread_attr_t attributes;
  void *low;
  size_t size;
  pthread_getattr_np(pthread_self(), &attributes);
  pthread_attr_getstack(&attributes, &low, &size);
  printf("stack limit %ld, the main thread's holds a local: %d\n", (long)limit.rlim_cur,
         (char *)&size > (char *)low && (char *)&size < (char *)low + size);
}

int main(int argc, char **argv) {
  arguments(argc, argv);
  auxiliary_vector();
  kernel_view();
  heap();
  memory();
  inherited();
  return 3;
}
