/* Objects opened with RTLD_RELOADABLE (include/ldx/reload.h): each is mapped from a copy of its file that belongs to
 * it. Offsets in the copy follow addresses, so that no page is in two segments:
 *
 *   ELF header and program headers, where no segment has them
 *   the image: all segments, each byte of them
 *   a page for struct ldx_copy_record
 *   the rest of the original file, from its writable segments on: what they were at first, what is not loaded
 *   after a reload: .symtab and .strtab made anew
 *
 *   reload.c           the functions of the public header
 *   reload_copy.c      makes the copy
 *   reload_sections.c  its section headers; symbols for debuggers
 *   reload_keep.c      a copy that is opened again
 *   reload_fork.c      the child of fork
 *
 * All under the writer lock. */
#ifndef LDX_LOADER_RELOAD_H
#define LDX_LOADER_RELOAD_H

#include <ldx/reload.h>

#include "loader/load.h"

enum { LDX_RTLD_RELOADABLE = 0x100000 };

/* A word that keeps what it leads to: a link-time address, or NULL. */
struct ldx_kept_word {
  uint64_t at, value;
  bool null;
};

/* Part of a file. */
struct ldx_file_part {
  uint64_t offset, size;
};

struct ldx_image_copy {
  struct ldx_image_copy *next; /* of all: ldx_self.copies */
  struct ldx_object *object;
  int fd;
  dev_t dev; /* the copy's: the program may have closed the descriptor, and opened something else */
  ino_t ino;
  char *file;                          /* its path; NULL: in memory */
  char *soname;                        /* the object's: no text that the program can change */
  char *original;                      /* l_name, as it was before the first reload; NULL: as it is */
  struct ldx_name *paths;              /* that l_name has led to since */
  uint64_t offset;                     /* of the image */
  uint64_t record;                     /* of the record */
  uint64_t end;                        /* of what is in it but for the symbols made anew */
  struct ldx_file_part symtab, strtab; /* the original ones; size 0: not known yet */
  struct ldx_file_part symbols;        /* those made anew */
  struct ldx_copy_record *before;      /* of the copy that was opened again; NULL: an ordinary file was */
  struct ldx_kept_word *kept;
  size_t kept_count, kept_room;
  /* The pages of the dynamic section, if they are sealed, or nothing that is written is with it. They are private:
   * the program sees addresses in it, as loaders leave it, and the file keeps what the linker wrote. Equal: it is
   * among what is written, and has no addresses */
  uintptr_t dynamic_low, dynamic_high;
  uint32_t dynamic_room; /* entries */
  bool dynamic_alone;
  uintptr_t alias; /* 0: none */
  uint32_t reloads;
  bool settled;
  int child; /* around fork: the child's copy; -1: none */
};

/* open.c: as ldx_map_file, from a copy. */
struct ldx_object *ldx_map_copy(struct ldx_load *l, struct ldx_library_file *f, const struct stat *st,
                                const char *name);
/* dl.c: the load has succeeded; constructors have not run. */
void ldx_settle_copy(struct ldx_image_copy *c);
/* When its object is unmapped. What no load has succeeded with leaves no file. */
void ldx_drop_copy(struct ldx_image_copy *c);

/* reload_copy.c: the copy of the file, with nothing mapped; f becomes the copy (fd is the copy's, and stays open).
 * NULL: see diag. */
struct ldx_image_copy *ldx_make_copy(struct ldx_load *l, struct ldx_library_file *f, uint64_t size, const char *name);
/* The descriptor is what it was. */
bool ldx_copy_is_open(const struct ldx_image_copy *c);
void ldx_note_copy(struct ldx_image_copy *c, int fd);
long ldx_write_all(int fd, const void *from, uint64_t size, uint64_t offset);

/* reload_sections.c */
struct ldx_section_layout {
  const struct elf_image *image; /* of the copy: offsets are file offsets */
  uint64_t from, to;             /* what the rest of the file begins at in the original, and in the copy */
};
void ldx_move_sections(Elf64_Shdr *s, uint32_t count, const struct ldx_section_layout *l);
/* Lets section headers and .symtab follow the tables that were read anew: 0 or -errno. */
long ldx_show_tables(struct ldx_image_copy *c, const struct elf_dynamic *d);

/* reload_keep.c: before it is relocated, and when all is. */
bool ldx_keep_words(struct ldx_image_copy *c, struct ldx_diag *d);
void ldx_restore_words(struct ldx_image_copy *c);

/* reload.c: lets l_name tell the copy; false: no memory. */
bool ldx_show_path(struct ldx_image_copy *c);
static inline uint64_t ldx_image_size(const struct ldx_object *o) { return o->image.end - o->image.start; }

/* reload_fork.c: around libc's fork. */
void ldx_copies_before_fork(void);
void ldx_copies_after_fork(bool child);

/* Whether the file's dynamic section is what the program sees: then it has no addresses. */
static inline bool ldx_copy_has_dynamic(const struct ldx_object *o) {
  return o->copy && o->copy->dynamic_low == o->copy->dynamic_high;
}
/* Words there are not in the file. */
static inline bool ldx_is_private(const struct ldx_image_copy *c, uintptr_t at) {
  return at >= c->dynamic_low && at < c->dynamic_high;
}

/* For programs. */
void *ldx_dlopen_in(const char *file, int mode, const char *folder);
int ldx_reload(void *handle);
int ldx_reload_alias(void *handle, const void *addr, void **out);
int ldx_reload_path(void *handle, char *path, size_t size);

#endif
