// Segments aligned to more than a page, images that do not begin at zero, and large zeroed data.
#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
extern char __ehdr_start[];
static char large[3 << 20];
int spacious_check(void);
static int show(struct dl_phdr_info *info, size_t size, void *data) {
  const char *slash = strrchr(info->dlpi_name, '/');
  if (info->dlpi_name[0] && !strstr(info->dlpi_name, "spacious"))
    return 0;
  unsigned long align = 0, low = 0;
  for (int i = info->dlpi_phnum - 1; i >= 0; i--)
    if (info->dlpi_phdr[i].p_type == PT_LOAD) {
      align = info->dlpi_phdr[i].p_align > align ? info->dlpi_phdr[i].p_align : align;
      low = info->dlpi_phdr[i].p_vaddr;
    }
  printf("%s: alignment %#lx, misplaced by %#lx, begins at %#lx\n", slash ? slash + 1 : "program", align,
         (info->dlpi_addr + low) % align, low);
  return 0;
}
int main(int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    void *handle = dlopen(argv[i], RTLD_NOW);
    int (*check)(void) = handle ? (int (*)(void))dlsym(handle, "spacious_check") : NULL;
    printf("%s %d\n", argv[i], check ? check() : -1);
    Dl_info info;
    if (check && dladdr((void *)check, &info))
      printf("base is an ELF header: %d\n", memcmp(info.dli_fbase, ELFMAG, SELFMAG) == 0);
  }
  int sum = 0;
  for (size_t i = 0; i < sizeof large; i += 511)
    sum += large[i];
  printf("linked %d, zero %d\n", spacious_check(), sum);
  dl_iterate_phdr(show, NULL);
}
