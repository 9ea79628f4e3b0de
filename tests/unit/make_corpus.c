/* make_corpus FOLDER: writes the sample images, and unwind information, into a folder that exists.
 * make_corpus --vdso: writes the kernel's vDSO to standard output. */
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>

#include "elf/eh_frame.h"
#include "image_writer.h"

static int write_file(const char *path, const void *bytes, size_t size) {
  FILE *f = fopen(path, "wb");
  if (f && fwrite(bytes, 1, size, f) == size && !fclose(f))
    return 0;
  perror(path);
  return 1;
}

/* As a compiler writes it, and as ldx does. */
static int write_frames(const char *folder) {
  static const uint8_t compiled[] =
      "\x1c\0\0\0\0\0\0\0\x01zPLR\0\x01\x78\x10\x07\x9b\1\2\3\4\x1b\x1b\x0c\x07\x08\x90\x01\0\0"
      "\x28\0\0\0\x24\0\0\0\1\2\3\0\x40\0\0\0\x04\1\2\3\0\x41\x0e\x10\x86\x02\x0a\x0b\x43\x0d\x06"
      "\x0f\x0b\x77\x08\x80\0\x3f\x1a\x3b\x2a\x33\x24\x22"
      "\0\0\0\0";
  uint8_t written[256];
  struct elf_frame_output out = {written, sizeof written, 0};
  struct elf_frames f = {{compiled, sizeof compiled - 1}, 0x400000, 0};
  struct elf_fde fde;
  enum elf_error e;
  char path[4096];
  if (!elf_next_fde(&f, &fde, &e)) {
    fprintf(stderr, "make_corpus: %s\n", elf_error_text(e));
    return 1;
  }
  elf_write_cie(&out, &fde.cie);
  elf_write_fde(&out, &fde, 0, true);
  snprintf(path, sizeof path, "%s/frames-compiled", folder);
  int bad = write_file(path, compiled, sizeof compiled - 1);
  snprintf(path, sizeof path, "%s/frames-written", folder);
  return bad | write_file(path, written, out.size);
}

static int write_samples(const char *folder) {
  for (unsigned n = 0; image_sample(n); n++) {
    char path[4096];
    snprintf(path, sizeof path, "%s/sample-%u.so", folder, n);
    struct image im = image_write(image_sample(n));
    int bad = write_file(path, im.bytes, im.size);
    image_free(&im);
    if (bad)
      return bad;
  }
  return write_frames(folder);
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
