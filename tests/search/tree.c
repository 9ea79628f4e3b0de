#include "tree.h"

#include <elf.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit.h"

int tree_make(void **state) {
  struct tree *t = calloc(1, sizeof *t);
  strcpy(t->root, "/tmp/ldx-tree-XXXXXX");
  *state = t;
  return mkdtemp(t->root) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) { return remove(path); }

int tree_remove(void **state) {
  struct tree *t = *state;
  int r = nftw(t->root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
  free(t);
  return r;
}

/* One of 16 texts in turn. */
static char *next_text(void) {
  static char texts[16][8192];
  static unsigned next;
  return texts[next++ % 16];
}

const char *at(const struct tree *t, const char *path) {
  char *out = next_text();
  snprintf(out, 8192, "%s/%s", t->root, path);
  return out;
}

const char *expand(const struct tree *t, const char *text) {
  char *out = next_text(), *p = out;
  for (; *text; text++)
    if (*text == '@')
      p = stpcpy(p, t->root);
    else
      *p++ = *text;
  *p = '\0';
  return out;
}

void add_folder(const struct tree *t, const char *path) {
  char whole[8192];
  snprintf(whole, sizeof whole, "%s/%s", t->root, path);
  for (char *p = whole + strlen(t->root) + 1; (p = strchr(p, '/')); *p++ = '/') {
    *p = '\0';
    mkdir(whole, 0755);
  }
  mkdir(whole, 0755);
}

void add_file(const struct tree *t, const char *path, const void *bytes, size_t size) {
  char folder[4096];
  snprintf(folder, sizeof folder, "%s", path);
  char *slash = strrchr(folder, '/');
  if (slash) {
    *slash = '\0';
    add_folder(t, folder);
  }
  FILE *f = fopen(at(t, path), "wb");
  assert_non_null(f);
  assert_int_equal(fwrite(bytes, 1, size, f), size);
  fclose(f);
}

void add_odd_library(const struct tree *t, const char *path, size_t offset, unsigned char value) {
  union {
    Elf64_Ehdr header;
    unsigned char bytes[200];
  } file = {.header = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                       .e_type = ET_DYN,
                       .e_machine = EM_X86_64,
                       .e_version = EV_CURRENT,
                       .e_phentsize = sizeof(Elf64_Phdr)}};
  file.bytes[offset] = value;
  add_file(t, path, file.bytes, sizeof file.bytes);
}

void add_library(const struct tree *t, const char *path) { add_odd_library(t, path, 0, ELFMAG0); }
