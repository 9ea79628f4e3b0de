#include "compile.h"

#include <libtcc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static void complain(void *opaque, const char *text) {
  (void)opaque;
  fprintf(stderr, "%s\n", text);
}

static int read_all(int fd, char **bytes, size_t *size) {
  struct stat st;
  if (fstat(fd, &st) || !st.st_size || !(*bytes = malloc((size_t)st.st_size)))
    return -1;
  *size = (size_t)st.st_size;
  return pread(fd, *bytes, *size, 0) == st.st_size ? 0 : -1;
}

/* The library writes files only: one that has no name. */
int compile_with_tcc(const char *source, const char *file, char **bytes, size_t *size) {
  char path[64], *named = NULL;
  int fd = memfd_create("object", MFD_CLOEXEC), r = -1;
  TCCState *s = tcc_new();
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  if (fd < 0 || !s || asprintf(&named, "#line 1 \"%s\"\n%s", file, source) < 0)
    return -1;
  tcc_set_error_func(s, NULL, complain);
  tcc_set_options(s, "-g -fno-common");
  tcc_set_output_type(s, TCC_OUTPUT_OBJ);
  if (!tcc_compile_string(s, named) && !tcc_output_file(s, path))
    r = read_all(fd, bytes, size);
  tcc_delete(s);
  free(named);
  close(fd);
  return r;
}
