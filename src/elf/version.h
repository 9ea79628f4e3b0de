/* Symbol versions: the needed and defined versions of an object, listed in file order.
 * Source: the "Symbol Versioning" chapter of the LSB, and Drepper, "ELF Symbol Versioning". */
#ifndef LDX_ELF_VERSION_H
#define LDX_ELF_VERSION_H

#include "elf/dynamic.h"

struct elf_need {
  const char *file; /* library that must define it */
  const char *name;
  uint32_t hash;
  uint16_t index; /* version word that refers to it, without the hidden bit */
  bool hidden, weak;
};

struct elf_def {
  const char *name;
  uint32_t hash;
  uint16_t index;
  bool base, weak;
};

/* Iterators: start from a zeroed state. Return false at the end; *error tells damage from the end. */
struct elf_need_walk {
  uint64_t entry, aux; /* link-time addresses */
  uint64_t entries_left, aux_left;
  uint64_t total_left; /* no table has more records than fit its segment: damaged ones share records, to be endless */
  const char *file;
  bool started;
};
struct elf_def_walk {
  uint64_t entry, left;
  const uint8_t *at; /* the entry in memory */
  uint64_t room;     /* bytes from there to the end of the file-backed segment */
  bool started;
};

bool elf_next_need(const struct elf_image *im, const struct elf_dynamic *d, struct elf_need_walk *w,
                   struct elf_need *out, enum elf_error *error);
bool elf_next_def(const struct elf_image *im, const struct elf_dynamic *d, struct elf_def_walk *w,
                  struct elf_def *out, enum elf_error *error);

#endif
