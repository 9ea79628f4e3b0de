// Is each object the file that its name says? Debuggers go by the name.
#define _GNU_SOURCE
#include <inttypes.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static unsigned long inode_at(uintptr_t address) {
  char line[5000];
  uintptr_t start, end;
  unsigned long inode, found = 0;
  FILE *maps = fopen("/proc/self/maps", "r");
  while (maps && fgets(line, sizeof line, maps))
    if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %*s %*s %*s %lu", &start, &end, &inode) == 3 && address >= start &&
        address < end)
      found = inode;
  if (maps)
    fclose(maps);
  return found;
}

static int visit(struct dl_phdr_info *info, size_t size, void *data) {
  struct stat st;
  const char *base = strrchr(info->dlpi_name, '/');
  (void)size, (void)data;
  if (!base || stat(info->dlpi_name, &st)) // the program, the vDSO
    return 0;
  if (st.st_ino != inode_at((uintptr_t)info->dlpi_phdr))
    printf("%s is not the file at its address\n", base + 1);
  return 0;
}

int main(void) {
  dl_iterate_phdr(visit, NULL);
  printf("all names read\n");
  return 0;
}
