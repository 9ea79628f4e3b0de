/* The kernel takes the interpreter's name from the file at PT_INTERP's offset; the C library's loader and
 * debuggers take it from memory at its address, or from section .interp. So a longer name best goes where
 * the file is mapped anyway: page padding behind a segment. Where there is none, it goes to the end of
 * the file and the address keeps the old name, which whoever reads memory must not rely on. No program
 * header is added or sacrificed. */
#include "interp-edit.h"

#include <gelf.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE = 4096 };

struct parsed {
  Elf64_Ehdr *ehdr;
  Elf64_Phdr *phdrs, *interp;
  size_t phdr_count;
  Elf64_Shdr *shdrs;
  size_t shdr_count;
};

static bool inside(size_t size, uint64_t offset, uint64_t length) {
  return offset <= size && length <= size - offset;
}

/* libelf judges the headers (it knows the escapes for large counts); the image is then edited as the
 * structs it is, for this machine reads and writes its own byte order. */
static const char *parse_headers(Elf *elf, const struct interp_image *image, struct parsed *parsed) {
  GElf_Ehdr ehdr;
  if (elf_kind(elf) != ELF_K_ELF)
    return "not an ELF file";
  if (gelf_getclass(elf) != ELFCLASS64)
    return "not a 64-bit ELF file";
  if (!gelf_getehdr(elf, &ehdr))
    return "damaged: no ELF header";
  if (ehdr.e_ident[EI_DATA] != ELFDATA2LSB || ehdr.e_machine != EM_X86_64)
    return "not for x86-64";
  if (ehdr.e_type != ET_EXEC && ehdr.e_type != ET_DYN)
    return "neither a program nor a shared object";
  if (elf_getphdrnum(elf, &parsed->phdr_count) != 0 || elf_getshdrnum(elf, &parsed->shdr_count) != 0)
    return "damaged: unreadable header tables";
  if (parsed->phdr_count && (ehdr.e_phentsize != sizeof(Elf64_Phdr) || ehdr.e_phoff % 8 ||
                             !inside(image->size, ehdr.e_phoff, parsed->phdr_count * sizeof(Elf64_Phdr))))
    return "damaged: program headers outside the file";
  if (parsed->shdr_count && (ehdr.e_shentsize != sizeof(Elf64_Shdr) || ehdr.e_shoff % 8 ||
                             !inside(image->size, ehdr.e_shoff, parsed->shdr_count * sizeof(Elf64_Shdr))))
    return "damaged: section headers outside the file";
  parsed->ehdr = (Elf64_Ehdr *)image->bytes;
  if (parsed->phdr_count)
    parsed->phdrs = (Elf64_Phdr *)(image->bytes + ehdr.e_phoff);
  if (parsed->shdr_count)
    parsed->shdrs = (Elf64_Shdr *)(image->bytes + ehdr.e_shoff);
  return NULL;
}

static const char *find_interp(const struct interp_image *image, struct parsed *parsed) {
  bool dynamic = false;
  for (size_t i = 0; i < parsed->phdr_count; i++) {
    Elf64_Phdr *phdr = &parsed->phdrs[i];
    dynamic |= phdr->p_type == PT_DYNAMIC;
    if (phdr->p_type == PT_LOAD && !inside(image->size, phdr->p_offset, phdr->p_filesz))
      return "damaged: a segment lies outside the file";
    if (phdr->p_type != PT_INTERP)
      continue;
    if (parsed->interp)
      return "damaged: two PT_INTERP headers";
    parsed->interp = phdr;
  }
  if (!parsed->interp)
    return dynamic ? "names no interpreter (a shared object, or a static PIE)"
                   : "names no interpreter (statically linked)";
  uint64_t offset = parsed->interp->p_offset, size = parsed->interp->p_filesz;
  if (size < 2 || size > PATH_MAX || !inside(image->size, offset, size))
    return "damaged: PT_INTERP outside the file, or of a size that the kernel refuses";
  return image->bytes[offset + size - 1] ? "damaged: PT_INTERP is not terminated" : NULL;
}

static const char *parse(const struct interp_image *image, struct parsed *parsed) {
  *parsed = (struct parsed){0};
  elf_version(EV_CURRENT);
  Elf *elf = elf_memory(image->bytes, image->size);
  if (!elf)
    return "not an ELF file";
  const char *error = parse_headers(elf, image, parsed);
  elf_end(elf);
  return error ? error : find_interp(image, parsed);
}

const char *interp_read(const struct interp_image *image, const char **name) {
  struct parsed parsed;
  const char *error = parse(image, &parsed);
  if (!error)
    *name = image->bytes + parsed.interp->p_offset;
  return error;
}

/* Section .interp, if there is a section table. */
static Elf64_Shdr *interp_section(const struct parsed *parsed) {
  for (size_t i = 1; i < parsed->shdr_count; i++) {
    Elf64_Shdr *shdr = &parsed->shdrs[i];
    if (shdr->sh_type == SHT_PROGBITS && shdr->sh_offset == parsed->interp->p_offset)
      return shdr;
  }
  return NULL;
}

/* --- what the file's bytes are used for --- */

struct extent {
  uint64_t start, end;
  const Elf64_Phdr *phdr; /* of a segment */
};

/* Everything that a header accounts for, but the old name and its section: they are about to move. */
struct extents {
  struct extent *list;
  size_t count;
};

static void add_extent(struct extents *extents, uint64_t start, uint64_t size, const Elf64_Phdr *phdr) {
  uint64_t end = start + size < start ? UINT64_MAX : start + size;
  if (size)
    extents->list[extents->count++] = (struct extent){start, end, phdr};
}

static bool collect_extents(const struct parsed *parsed, struct extents *extents) {
  const Elf64_Shdr *section = interp_section(parsed);
  extents->count = 0;
  extents->list = malloc((parsed->phdr_count + parsed->shdr_count + 3) * sizeof *extents->list);
  if (!extents->list)
    return false;
  add_extent(extents, 0, sizeof(Elf64_Ehdr), NULL);
  add_extent(extents, parsed->ehdr->e_phoff, parsed->phdr_count * sizeof(Elf64_Phdr), NULL);
  add_extent(extents, parsed->ehdr->e_shoff, parsed->shdr_count * sizeof(Elf64_Shdr), NULL);
  for (size_t i = 0; i < parsed->phdr_count; i++) {
    const Elf64_Phdr *phdr = &parsed->phdrs[i];
    if (phdr != parsed->interp)
      add_extent(extents, phdr->p_offset, phdr->p_filesz, phdr);
  }
  for (size_t i = 1; i < parsed->shdr_count; i++) {
    const Elf64_Shdr *shdr = &parsed->shdrs[i];
    if (shdr != section && shdr->sh_type != SHT_NOBITS)
      add_extent(extents, shdr->sh_offset, shdr->sh_size, NULL);
  }
  return true;
}

/* The first byte from `from` on that is used by anything but `ours`. */
static uint64_t next_used(const struct extents *extents, uint64_t from, const Elf64_Phdr *ours) {
  uint64_t next = UINT64_MAX;
  for (size_t i = 0; i < extents->count; i++) {
    const struct extent *extent = &extents->list[i];
    if (extent->end <= from || extent->phdr == ours)
      continue;
    uint64_t start = extent->start > from ? extent->start : from;
    if (start < next)
      next = start;
  }
  return next;
}

static uint64_t last_used(const struct extents *extents) {
  uint64_t last = 0;
  for (size_t i = 0; i < extents->count; i++)
    if (extents->list[i].end > last)
      last = extents->list[i].end;
  return last;
}

static bool all_zero(const struct interp_image *image, uint64_t start, uint64_t end) {
  for (; start < end; start++)
    if (image->bytes[start])
      return false;
  return true;
}

/* --- the three places, best first --- */

static void point_to(const struct parsed *parsed, uint64_t offset, uint64_t address, uint64_t size) {
  Elf64_Phdr *interp = parsed->interp;
  Elf64_Shdr *section = interp_section(parsed);
  if (section) {
    section->sh_offset = offset;
    section->sh_addr = address;
    section->sh_size = size;
  }
  interp->p_offset = offset;
  interp->p_vaddr = interp->p_paddr = address;
  interp->p_filesz = interp->p_memsz = size;
}

static bool write_in_place(struct interp_image *image, struct parsed *parsed, const char *name, size_t size) {
  if (size > parsed->interp->p_filesz)
    return false;
  /* Zeroes behind a shorter name keep the room for a longer one. */
  memset(image->bytes + parsed->interp->p_offset, 0, parsed->interp->p_filesz);
  memcpy(image->bytes + parsed->interp->p_offset, name, size);
  return true;
}

/* Where the memory behind `segment` is taken by the next one. */
static uint64_t next_mapped(const struct parsed *parsed, const Elf64_Phdr *segment) {
  uint64_t next = UINT64_MAX;
  for (size_t i = 0; i < parsed->phdr_count; i++) {
    const Elf64_Phdr *phdr = &parsed->phdrs[i];
    uint64_t page = phdr->p_vaddr & ~(uint64_t)(PAGE - 1);
    if (phdr->p_type == PT_LOAD && phdr->p_vaddr > segment->p_vaddr && page < next)
      next = page;
  }
  return next;
}

/* Extends a segment over unused bytes behind it; an old name that ends the segment makes room itself. */
static bool write_behind(struct interp_image *image, struct parsed *parsed, const struct extents *extents,
                         Elf64_Phdr *segment, const char *name, size_t size) {
  uint64_t old_end = segment->p_offset + segment->p_filesz;
  uint64_t interp_end = parsed->interp->p_offset + parsed->interp->p_filesz;
  uint64_t start = interp_end == old_end ? parsed->interp->p_offset : old_end, end = start + size;
  uint64_t address = segment->p_vaddr + (start - segment->p_offset);
  if (end > image->size || end > next_used(extents, start, segment))
    return false;
  if (address + size > next_mapped(parsed, segment) || !all_zero(image, old_end, end))
    return false;

  memcpy(image->bytes + start, name, size);
  segment->p_filesz = segment->p_memsz = end - segment->p_offset;
  point_to(parsed, start, address, size);
  return true;
}

static bool write_in_slack(struct interp_image *image, struct parsed *parsed, const struct extents *extents,
                           const char *name, size_t size) {
  for (size_t i = 0; i < parsed->phdr_count; i++) {
    Elf64_Phdr *segment = &parsed->phdrs[i];
    bool constant = segment->p_type == PT_LOAD && (segment->p_flags & (PF_R | PF_W)) == PF_R &&
                    segment->p_filesz == segment->p_memsz;
    if (constant && write_behind(image, parsed, extents, segment, name, size))
      return true;
  }
  return false;
}

static const char *append(struct interp_image *image, struct parsed *parsed, const struct extents *extents,
                          const char *name, size_t size) {
  uint64_t end = last_used(extents), old = parsed->interp->p_offset;
  uint64_t old_end = old + parsed->interp->p_filesz, address = parsed->interp->p_vaddr;
  uint64_t known = old_end > end ? old_end : end;
  if (end > image->size)
    return "damaged: a section lies outside the file";
  if (!all_zero(image, known, image->size))
    return "holds data behind its last section, which may have to stay at the file's end";
  uint64_t start = old >= end ? old : image->size; /* an old name that was appended is replaced */
  point_to(parsed, start, address, size);          /* before the headers may move */
  char *bytes = realloc(image->bytes, start + size);
  if (!bytes)
    return "out of memory";
  memcpy(bytes + start, name, size);
  image->bytes = bytes;
  image->size = start + size;
  return NULL;
}

const char *interp_replace(struct interp_image *image, const char *name, enum interp_place *place) {
  struct parsed parsed;
  struct extents extents;
  size_t size = strlen(name) + 1;
  if (size < 2 || size > PATH_MAX)
    return "the new interpreter's name is empty or too long";
  const char *error = parse(image, &parsed);
  if (error)
    return error;
  *place = INTERP_IN_PLACE;
  if (write_in_place(image, &parsed, name, size))
    return NULL;

  if (!collect_extents(&parsed, &extents))
    return "out of memory";
  if (write_in_slack(image, &parsed, &extents, name, size)) {
    *place = INTERP_IN_SLACK;
  } else {
    *place = INTERP_APPENDED;
    error = append(image, &parsed, &extents, name, size);
  }
  free(extents.list);
  return error;
}
