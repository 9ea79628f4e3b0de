/* An ELF file of this machine's kind, read through libelf. */
#ifndef LDX_TOOLS_ELF_FILE_H
#define LDX_TOOLS_ELF_FILE_H

#include <elf.h>
#include <gelf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct elf_file {
  const char *path;
  int fd;
  Elf *elf;
};

/* Opens a 64-bit little-endian x86-64 ELF file; any other is an error, told on stderr. */
bool elf_file_open(struct elf_file *file, const char *path);
void elf_file_close(struct elf_file *file);

/* The file's build-id; false if it has none of 20 bytes. */
bool elf_file_build_id(struct elf_file *file, uint8_t id[20]);

/* The first symbol defined under this name in .symtab, else in .dynsym. */
bool elf_file_symbol(struct elf_file *file, const char *name, GElf_Sym *sym);

/* The file's bytes; NULL when they cannot be read. */
const char *elf_file_bytes(struct elf_file *file, size_t *size);

#endif
