/* The dynamic section, decoded once into checked tables (gABI ch. 5; GNU hash; symbol versioning).
 * Everything an elf_dynamic points to was found inside the file-backed part of a segment; sizes are limits
 * that loops must keep. It owns nothing. */
#ifndef LDX_ELF_DYNAMIC_H
#define LDX_ELF_DYNAMIC_H

#include "elf/image.h"
#include "elf/symtab.h"

/* Indices of the tags with large numbers, behind the natural ones (0 .. ELF_DT_NUM-1). */
enum {
  ELF_DT_NUM = 38,
  ELF_DT_VERNEEDNUM = ELF_DT_NUM,
  ELF_DT_VERNEED,
  ELF_DT_VERDEFNUM,
  ELF_DT_VERDEF,
  ELF_DT_FLAGS_1,
  ELF_DT_RELCOUNT,
  ELF_DT_RELACOUNT,
  ELF_DT_VERSYM = ELF_DT_NUM + 15,
  ELF_DT_FILTER = ELF_DT_NUM + 16,
  ELF_DT_AUXILIARY,
  ELF_DT_GNU_HASH,
  ELF_DT_TLSDESC_PLT,
  ELF_DT_TLSDESC_GOT,
  ELF_DT_GNU_FLAGS_1,
  ELF_DT_SLOTS = ELF_DT_NUM + 24
};

/* A table of Elf64_Rela. */
struct elf_relas {
  const Elf64_Rela *at;
  uint64_t count;
};

struct elf_functions {
  const uint64_t *at; /* link-time address of the table is at - bias; filled by relocation */
  uint64_t count;
};

struct elf_dynamic {
  Elf64_Dyn *table;
  uint32_t count;                /* entries before DT_NULL */
  Elf64_Dyn *info[ELF_DT_SLOTS]; /* last entry of each tag, or NULL */
  struct elf_symtab sym;
  struct elf_relas rela, jmprel; /* never overlap: a JMPREL that is the tail of RELA is cut off from it */
  uint64_t relative_count;       /* DT_RELACOUNT: that many R_*_RELATIVE come first in rela */
  const uint64_t *relr;
  uint64_t relr_count;
  uint64_t *pltgot;
  uint64_t init, fini; /* link-time addresses, 0 when absent */
  struct elf_functions preinit_array, init_array, fini_array;
  uint64_t flags, flags_1, gnu_flags_1;
  bool symbolic, textrel, bind_now;
};

/* Index into info[] for a tag, or -1 when the loader has no use for it. */
int elf_dynamic_index(int64_t tag);

/* Decodes the dynamic section of a mapped image (its bias set). */
enum elf_error elf_read_dynamic(const struct elf_image *im, struct elf_dynamic *out);
/* The same from entries that lie elsewhere: DT_NULL is among `room` of them, or the section is damaged. */
enum elf_error elf_read_tags(const struct elf_image *im, Elf64_Dyn *table, uint32_t room, struct elf_dynamic *out);

/* The value of a tag; 0 when it is absent. */
static inline uint64_t elf_dynamic_value(const struct elf_dynamic *d, int index) {
  return d->info[index] ? d->info[index]->d_un.d_val : 0;
}

/* The string at offset `off` of the dynamic string table; NULL when it lies outside. */
const char *elf_string(const struct elf_dynamic *d, uint64_t off);
/* The string a tag's value names, or NULL. */
const char *elf_dynamic_string(const struct elf_dynamic *d, int index);

#endif
