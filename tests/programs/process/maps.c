// The mappings of the program and of one library: offset, size and protection of each.
#include <stdio.h>
#include <string.h>

int mapped_function(void);

int main(int argc, char **argv) {
  FILE *maps = fopen("/proc/self/maps", "r");
  char line[4096];
  const char *name = strrchr(argv[0], '/');
  while (fgets(line, sizeof line, maps)) {
    unsigned long low, high, offset;
    char protection[5], path[4096] = "";
    sscanf(line, "%lx-%lx %4s %lx %*s %*s %s", &low, &high, protection, &offset, path);
    const char *base = strrchr(path, '/');
    if (base && (strcmp(base, name) == 0 || strstr(base, "libmapped.so")))
      printf("%s %s offset %#lx size %#lx\n", base + 1, protection, offset, high - low);
  }
  return mapped_function();
}
