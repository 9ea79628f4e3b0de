/* Layouts of C types, from DWARF. */
#ifndef LDX_TOOLS_LAYOUT_H
#define LDX_TOOLS_LAYOUT_H

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stdint.h>

struct layout_type {
  const char *name; /* a struct's or union's tag, or a typedef's name */
  Dwarf_Die die;    /* its definition */
  uint64_t size;    /* in bytes; 0: not found */
};

struct layout_member {
  uint64_t bit;      /* offset from the start of the type */
  uint64_t bit_size; /* of a bit-field, else 0 */
  uint64_t size;     /* in bytes (of a bit-field: of its declared type) */
  uint64_t count;    /* elements of an array, else 0 */
};

/* Finds the definitions of `types` in one pass. False, with a line on stderr, when two definitions of one
 * name differ in size (then the name says too little). A type not found keeps size 0. */
bool layout_find_types(Dwarf *dwarf, const char *file, struct layout_type *types, unsigned count);

/* Follows a path ("a.b.c") through members, anonymous ones included; arrays stand for their first element. */
bool layout_member(struct layout_type *type, const char *path, struct layout_member *member);

#endif
