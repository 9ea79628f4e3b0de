/* A written image and what ldx makes of it. */
#ifndef LDX_TESTS_FIXTURE_H
#define LDX_TESTS_FIXTURE_H

#include "image_writer.h"
#include "mapped.h"
#include "unit.h"

/* Numbers of samples whose first segment ends with the table named. */
enum {
  GNU_HASH_AT_END = 3,
  SYSV_HASH_AT_END,
  SYMTAB_AT_END,
  VERNEED_AT_END,
  VERDEF_AT_END,
  STRTAB_AT_END,
  NOTE_AT_END,
  VERSYM_AT_END
};

struct fixture {
  struct image image;
  struct mapped m;
};

static inline void write_image(struct fixture *f, const struct image_spec *spec) {
  *f = (struct fixture){.image = image_write(spec)};
}

static inline enum elf_error open_image(struct fixture *f) {
  mapped_close(&f->m);
  return mapped_open(&f->m, (struct ldx_span){f->image.bytes, f->image.size});
}

static inline void close_image(struct fixture *f) {
  mapped_close(&f->m);
  image_free(&f->image);
}

/* The verdict over a sample in which one dynamic entry has another value. */
static inline enum elf_error open_with_tag(unsigned sample, int64_t tag, uint64_t value) {
  struct fixture f;
  write_image(&f, image_sample(sample));
  Elf64_Dyn *d = image_tag(&f.image, tag);
  assert_non_null(d);
  d->d_un.d_val = value;
  enum elf_error e = open_image(&f);
  close_image(&f);
  return e;
}

/* The address behind the last file-backed byte of the first segment. */
static inline uint64_t tables_end(const struct fixture *f) { return f->image.phdrs[IMAGE_PH_R].p_filesz; }

#endif
