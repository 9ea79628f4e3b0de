/* The functions of mapped files, read from the files themselves. */
#define _GNU_SOURCE
#include <elf.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "trial.h"

enum { MAX_FILES = 32 };

struct symbols {
  char path[sizeof((struct mapping *)0)->path];
  const char *file;
  size_t size, count;
  const Elf64_Sym *at[2]; /* .symtab, which a stripped file has not, and .dynsym */
  size_t counts[2];
  const char *names[2];
};

static const char *map_file(const char *path, size_t *size) {
  struct stat st;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return NULL;
  void *base = fstat(fd, &st) == 0 && S_ISREG(st.st_mode)
                   ? mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0)
                   : MAP_FAILED;
  *size = (size_t)st.st_size;
  close(fd);
  return base == MAP_FAILED ? NULL : base;
}

static bool fits(const struct symbols *s, uint64_t offset, uint64_t size) {
  return offset <= s->size && size <= s->size - offset;
}

/* Damaged files are not asked, but a cautious look costs little. */
static void read_tables(struct symbols *s) {
  const Elf64_Ehdr *header = (const Elf64_Ehdr *)s->file;
  if (!fits(s, 0, sizeof *header) || !fits(s, header->e_shoff, header->e_shnum * sizeof(Elf64_Shdr)))
    return;
  const Elf64_Shdr *sections = (const Elf64_Shdr *)(s->file + header->e_shoff);
  for (int i = 0; i < header->e_shnum; ++i) {
    const Elf64_Shdr *table = &sections[i];
    bool wanted = table->sh_type == SHT_SYMTAB || table->sh_type == SHT_DYNSYM;
    if (!wanted || table->sh_link >= header->e_shnum || !fits(s, table->sh_offset, table->sh_size))
      continue;
    int which = table->sh_type == SHT_DYNSYM;
    s->at[which] = (const Elf64_Sym *)(s->file + table->sh_offset);
    s->counts[which] = table->sh_size / sizeof(Elf64_Sym);
    s->names[which] = s->file + sections[table->sh_link].sh_offset;
  }
}

static const struct symbols *symbols_of(const char *path) {
  static struct symbols known[MAX_FILES];
  static int count;
  for (int i = 0; i < count; ++i)
    if (strcmp(known[i].path, path) == 0)
      return &known[i];
  struct symbols *s = &known[count < MAX_FILES ? count++ : MAX_FILES - 1];
  *s = (struct symbols){.count = 0};
  strcpy(s->path, path);
  s->file = map_file(path, &s->size);
  if (s->file)
    read_tables(s);
  return s;
}

/* NOTYPE: functions in assembly. */
static bool is_code_symbol(const Elf64_Sym *symbol) {
  int type = ELF64_ST_TYPE(symbol->st_info);
  return symbol->st_shndx != SHN_UNDEF && (type == STT_FUNC || type == STT_NOTYPE || type == STT_GNU_IFUNC);
}

const char *function_at(const struct mapping *m, uint64_t base, uint64_t address) {
  const struct symbols *s = symbols_of(m->path);
  for (int which = 0; which < 2; ++which)
    for (size_t i = 0; i < s->counts[which]; ++i)
      if (base + s->at[which][i].st_value == address && is_code_symbol(&s->at[which][i]))
        return s->names[which] + s->at[which][i].st_name;
  return NULL;
}
