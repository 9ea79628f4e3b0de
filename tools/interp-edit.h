/* The program interpreter named in an ELF image in memory: reads it, replaces it. */
#ifndef LDX_TOOLS_INTERP_EDIT_H
#define LDX_TOOLS_INTERP_EDIT_H

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>

/* A whole file in memory. `bytes` is from malloc: replacing the interpreter may move and extend it. */
struct interp_image {
  char *bytes;
  size_t size;
};

/* Where the new name went, for the user's information. */
enum interp_place {
  INTERP_IN_PLACE, /* over the old name */
  INTERP_IN_SLACK, /* into the unused rest of a loaded segment's last page */
  INTERP_APPENDED  /* to the end of the file, in no loaded segment; memory keeps the old name */
};

/* Each returns NULL, or why the image is refused. The name points into the image. */
const char *interp_read(const struct interp_image *image, const char **name);
const char *interp_replace(struct interp_image *image, const char *name, enum interp_place *place);

#endif
