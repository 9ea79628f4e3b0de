#include "elf-file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool refuse(struct elf_file *file, const char *why) {
  fprintf(stderr, "%s: %s\n", file->path, why);
  elf_file_close(file);
  return false;
}

bool elf_file_open(struct elf_file *file, const char *path) {
  *file = (struct elf_file){.path = path, .fd = open(path, O_RDONLY | O_CLOEXEC)};
  if (file->fd < 0)
    return refuse(file, strerror(errno));
  elf_version(EV_CURRENT);
  file->elf = elf_begin(file->fd, ELF_C_READ, NULL);
  if (!file->elf)
    return refuse(file, elf_errmsg(-1));

  GElf_Ehdr ehdr;
  if (elf_kind(file->elf) != ELF_K_ELF)
    return refuse(file, "not an ELF file");
  if (gelf_getclass(file->elf) != ELFCLASS64)
    return refuse(file, "not a 64-bit ELF file");
  if (!gelf_getehdr(file->elf, &ehdr))
    return refuse(file, elf_errmsg(-1));
  if (ehdr.e_ident[EI_DATA] != ELFDATA2LSB || ehdr.e_machine != EM_X86_64)
    return refuse(file, "not for x86-64");
  return true;
}

void elf_file_close(struct elf_file *file) {
  if (file->elf)
    elf_end(file->elf);
  if (file->fd >= 0)
    close(file->fd);
  file->elf = NULL;
  file->fd = -1;
}

static bool build_id_of_notes(Elf_Data *data, uint8_t id[20]) {
  GElf_Nhdr note;
  size_t at = 0, name, desc;
  while ((at = gelf_getnote(data, at, &note, &name, &desc)) > 0) {
    const char *bytes = data->d_buf;
    if (note.n_type != NT_GNU_BUILD_ID || note.n_namesz != 4 || memcmp(bytes + name, "GNU", 4))
      continue;
    if (note.n_descsz != 20)
      return false;
    memcpy(id, bytes + desc, 20);
    return true;
  }
  return false;
}

bool elf_file_build_id(struct elf_file *file, uint8_t id[20]) {
  for (Elf_Scn *scn = NULL; (scn = elf_nextscn(file->elf, scn));) {
    GElf_Shdr shdr;
    if (!gelf_getshdr(scn, &shdr) || shdr.sh_type != SHT_NOTE)
      continue;
    Elf_Data *data = elf_getdata(scn, NULL);
    if (data && build_id_of_notes(data, id))
      return true;
  }
  return false;
}

static bool symbol_in(struct elf_file *file, Elf_Scn *scn, const GElf_Shdr *shdr, const char *name, GElf_Sym *sym) {
  Elf_Data *data = elf_getdata(scn, NULL);
  size_t count = data && shdr->sh_entsize ? shdr->sh_size / shdr->sh_entsize : 0;
  for (size_t i = 1; i < count; i++) {
    if (!gelf_getsym(data, (int)i, sym) || sym->st_shndx == SHN_UNDEF)
      continue;
    const char *found = elf_strptr(file->elf, shdr->sh_link, sym->st_name);
    if (found && !strcmp(found, name))
      return true;
  }
  return false;
}

static bool symbol_of_type(struct elf_file *file, uint32_t type, const char *name, GElf_Sym *sym) {
  for (Elf_Scn *scn = NULL; (scn = elf_nextscn(file->elf, scn));) {
    GElf_Shdr shdr;
    if (gelf_getshdr(scn, &shdr) && shdr.sh_type == type && symbol_in(file, scn, &shdr, name, sym))
      return true;
  }
  return false;
}

bool elf_file_symbol(struct elf_file *file, const char *name, GElf_Sym *sym) {
  return symbol_of_type(file, SHT_SYMTAB, name, sym) || symbol_of_type(file, SHT_DYNSYM, name, sym);
}

const char *elf_file_bytes(struct elf_file *file, size_t *size) { return elf_rawfile(file->elf, size); }
