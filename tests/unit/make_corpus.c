/* make_corpus FOLDER: writes the sample images into a folder that exists.
 * make_corpus --vdso: writes the kernel's vDSO to standard output. */
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>

#include "image_writer.h"

static int write_samples(const char *folder) {
  for (unsigned n = 0; image_sample(n); n++) {
    char path[4096];
    snprintf(path, sizeof path, "%s/sample-%u.so", folder, n);
    struct image im = image_write(image_sample(n));
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(im.bytes, 1, im.size, f) != im.size || fclose(f)) {
      perror(path);
      return 1;
    }
    image_free(&im);
  }
  return 0;
}

static int write_vdso(void) {
  const Elf64_Ehdr *eh = (const Elf64_Ehdr *)getauxval(AT_SYSINFO_EHDR);
  if (!eh) {
    fputs("make_corpus: this process has no vDSO\n", stderr);
    return 1;
  }
  size_t size = eh->e_shoff + (size_t)eh->e_shnum * eh->e_shentsize; /* section headers stand at its end */
  return fwrite(eh, 1, size, stdout) != size || fflush(stdout);
}

int main(int argc, char **argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: %s FOLDER | --vdso\n", argv[0]);
    return 2;
  }
  return strcmp(argv[1], "--vdso") ? write_samples(argv[1]) : write_vdso();
}
