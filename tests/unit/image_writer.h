/* Writes small shared objects into memory: what a linker would make of a few symbols, versions and relocations.
 * The system loader can load the result; tests then damage it byte by byte.
 *
 * Three segments: tables (R), functions (R+X), data with the dynamic section (R+W). Nothing else is in the file,
 * no section headers either, so that an image is a few KiB and a fuzzer's every byte counts. */
#ifndef LDX_TESTS_IMAGE_WRITER_H
#define LDX_TESTS_IMAGE_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "elf/defs.h"

enum image_place { IMAGE_UNDEFINED, IMAGE_TEXT, IMAGE_DATA, IMAGE_ABSOLUTE };

/* Function number n of the text returns n; it begins IMAGE_FUNCTION * n bytes into the text. */
enum { IMAGE_FUNCTION = 16, IMAGE_FUNCTIONS = 8, IMAGE_DATA_SIZE = 256, IMAGE_BSS_SIZE = 64 };

struct image_symbol {
  const char *name;
  enum image_place place;
  uint64_t value;   /* offset in its place */
  uint8_t info;     /* ELF64_ST_INFO; 0 means a global function in the text, a global object elsewhere */
  uint16_t version; /* version word, written when the image has versions */
};

/* Entries of one file that follow each other become one Verneed. */
struct image_need {
  const char *file, *version;
  uint16_t word;
  bool weak;
};

struct image_def {
  const char *version, *parent;
  uint16_t index, flags;
};

struct image_rela {
  int32_t offset; /* in the data; the init array stands 40 bytes before it, the fini array 32 */
  uint32_t type;
  const char *symbol; /* or NULL */
  int64_t addend;     /* for R_X86_64_RELATIVE an offset in the data */
};

/* The tables of the first segment, in the order in which they are usually written. */
enum image_table {
  IMAGE_PROPERTY,
  IMAGE_NOTE,
  IMAGE_GNU_HASH,
  IMAGE_SYSV_HASH,
  IMAGE_SYMTAB,
  IMAGE_VERSYM,
  IMAGE_VERDEF,
  IMAGE_VERNEED,
  IMAGE_STRTAB,
  IMAGE_RELA,
  IMAGE_JMPREL,
  IMAGE_RELR,
  IMAGE_TABLES
};

/* All lists end with an entry whose name (version, type, word) is 0; NULL means none. */
struct image_spec {
  const char *soname;
  const char *const *needed;
  const struct image_symbol *symbols;
  bool gnu_hash, sysv_hash;
  uint32_t gnu_buckets, bloom_words, bloom_shift, sysv_buckets; /* 0: a sensible one */
  const struct image_need *needs;
  const struct image_def *defs;
  const struct image_rela *rela, *jmprel;
  bool jmprel_in_rela;  /* DT_RELASZ includes the JMPREL table behind it */
  const uint64_t *relr; /* even words are offsets in the data, odd ones bitmaps */
  const char *build_id;
  uint32_t property; /* x86 feature bits; 0: no property note */
  bool tls, init_fini;
  enum image_table last; /* the table to stand at the very end of the first segment; 0: usual order */
};

struct image_part {
  uint64_t offset, size; /* in the file; in the first segment also the address */
};

enum image_phdr {
  IMAGE_PH_R,
  IMAGE_PH_X,
  IMAGE_PH_W,
  IMAGE_PH_DYNAMIC,
  IMAGE_PH_RELRO,
  IMAGE_PH_STACK,
  IMAGE_PH_FIXED
};

struct image {
  uint8_t *bytes;
  size_t size;
  Elf64_Ehdr *ehdr;
  Elf64_Phdr *phdrs;
  Elf64_Dyn *dynamic;
  struct image_part tables[IMAGE_TABLES];
  uint64_t text, data; /* addresses */
  uint32_t symbol_count;
};

/* Ends the program when a spec does not fit: a test's own fault. */
struct image image_write(const struct image_spec *spec);
void image_free(struct image *im);

/* The dynamic entry of a tag, to damage it; NULL when there is none. */
Elf64_Dyn *image_tag(const struct image *im, int64_t tag);
/* The program header of a type, or NULL. */
Elf64_Phdr *image_phdr(const struct image *im, uint32_t type);
/* A table's bytes; NULL when it was not asked for. */
void *image_table(const struct image *im, enum image_table table);
/* Index of a symbol in the written table; 0 when there is none of that name and version word. */
uint32_t image_symbol_index(const struct image *im, const char *name, uint16_t version);

/* A spec with something of everything, and variants of it: number n, or NULL behind the last. The corpus. */
const struct image_spec *image_sample(unsigned n);

#endif
