/* Walks over needed and defined versions. */
#include "elf/version.h"
#include "fixture.h"

enum { MAX = 64 };

struct needs {
  struct elf_need list[MAX];
  unsigned count;
  enum elf_error error;
};

struct defs {
  struct elf_def list[MAX];
  unsigned count;
  enum elf_error error;
};

/* Lists the needs; a walk that does not end is a fault by itself. */
static struct needs list_needs(struct fixture *f) {
  struct needs n = {.error = ELF_OK};
  assert_int_equal(open_image(f), ELF_OK);
  struct elf_need_walk walk = {0};
  while (n.count < MAX && elf_next_need(&f->m.im, &f->m.d, &walk, &n.list[n.count], &n.error))
    n.count++;
  assert_true(n.count < MAX);
  return n;
}

static struct defs list_defs(struct fixture *f) {
  struct defs d = {.error = ELF_OK};
  assert_int_equal(open_image(f), ELF_OK);
  struct elf_def_walk walk = {0};
  while (d.count < MAX && elf_next_def(&f->m.im, &f->m.d, &walk, &d.list[d.count], &d.error))
    d.count++;
  assert_true(d.count < MAX);
  return d;
}

static Elf64_Verneed *first_need(const struct fixture *f) { return image_table(&f->image, IMAGE_VERNEED); }
static Elf64_Vernaux *first_aux(const struct fixture *f) { return (Elf64_Vernaux *)(first_need(f) + 1); }
static Elf64_Verdef *first_def(const struct fixture *f) { return image_table(&f->image, IMAGE_VERDEF); }

static void lists_needs(void **state) {
  struct fixture f;
  write_image(&f, image_sample(0));
  struct needs n = list_needs(&f);
  const struct elf_need want[] = {
      {"libfirst.so.1", "FIRST_1", elf_sysv_hash("FIRST_1"), 4, false, false},
      {"libfirst.so.1", "FIRST_2", elf_sysv_hash("FIRST_2"), 6, true, false},
      {"libsecond.so.2", "SECOND_1", elf_sysv_hash("SECOND_1"), 5, false, true},
  };
  assert_int_equal(n.error, ELF_OK);
  assert_int_equal(n.count, LDX_COUNT(want));
  for (unsigned i = 0; i < n.count; i++) {
    assert_string_equal(n.list[i].file, want[i].file);
    assert_string_equal(n.list[i].name, want[i].name);
    assert_int_equal(n.list[i].hash, want[i].hash);
    assert_int_equal(n.list[i].index, want[i].index);
    assert_int_equal(n.list[i].hidden, want[i].hidden);
    assert_int_equal(n.list[i].weak, want[i].weak);
  }
  close_image(&f);
}

static void lists_defs(void **state) {
  struct fixture f;
  write_image(&f, image_sample(0));
  struct defs d = list_defs(&f);
  const struct elf_def want[] = {
      {"libsample.so.0", elf_sysv_hash("libsample.so.0"), 1, true, false},
      {"SAMPLE_1", elf_sysv_hash("SAMPLE_1"), 2, false, false},
      {"SAMPLE_2", elf_sysv_hash("SAMPLE_2"), 3, false, true},
  };
  assert_int_equal(d.error, ELF_OK);
  assert_int_equal(d.count, LDX_COUNT(want));
  for (unsigned i = 0; i < d.count; i++) {
    assert_string_equal(d.list[i].name, want[i].name);
    assert_int_equal(d.list[i].hash, want[i].hash);
    assert_int_equal(d.list[i].index, want[i].index);
    assert_int_equal(d.list[i].base, want[i].base);
    assert_int_equal(d.list[i].weak, want[i].weak);
  }
  close_image(&f);
}

static void lists_nothing_without_tables(void **state) {
  struct fixture f;
  write_image(&f, &(struct image_spec){.gnu_hash = true});
  struct needs n = list_needs(&f);
  struct defs d = list_defs(&f);
  assert_int_equal(n.count + d.count, 0);
  assert_int_equal(n.error, ELF_OK);
  assert_int_equal(d.error, ELF_OK);
  close_image(&f);
}

/* The count and the links both end a list, whichever comes first; without a count the links do. */
static void counts_limit_lists(void **state) {
  struct fixture f;
  write_image(&f, image_sample(0));
  image_tag(&f.image, DT_VERNEEDNUM)->d_un.d_val = 1;
  image_tag(&f.image, DT_VERDEFNUM)->d_un.d_val = 2;
  assert_int_equal(list_needs(&f).count, 2);
  assert_int_equal(list_defs(&f).count, 2);
  image_tag(&f.image, DT_VERNEEDNUM)->d_un.d_val = 0;
  image_tag(&f.image, DT_VERDEFNUM)->d_un.d_val = 0;
  assert_int_equal(list_needs(&f).count, 0);
  assert_int_equal(list_defs(&f).count, 0);
  image_tag(&f.image, DT_VERNEEDNUM)->d_un.d_val = UINT64_MAX;
  image_tag(&f.image, DT_VERDEFNUM)->d_un.d_val = UINT64_MAX;
  assert_int_equal(list_needs(&f).count, 3);
  assert_int_equal(list_defs(&f).count, 3);
  image_tag(&f.image, DT_VERNEEDNUM)->d_tag = image_tag(&f.image, DT_VERDEFNUM)->d_tag = DT_CHECKSUM;
  assert_int_equal(list_needs(&f).count, 3);
  assert_int_equal(list_defs(&f).count, 3);
  first_need(&f)->vn_cnt = 1;
  assert_int_equal(list_needs(&f).count, 2);
  first_need(&f)->vn_cnt = UINT16_MAX;
  assert_int_equal(list_needs(&f).count, 3);
  first_need(&f)->vn_cnt = 0;
  assert_int_equal(list_needs(&f).count, 1);
  close_image(&f);
}

/* The error that a walk ends with after `change` of the sample, and how much it told before. */
#define NEEDS_AFTER(change)                                                                                          \
  ({                                                                                                                 \
    struct fixture f;                                                                                                \
    write_image(&f, image_sample(VERNEED_AT_END));                                                                   \
    change;                                                                                                          \
    struct needs n_ = list_needs(&f);                                                                                \
    close_image(&f);                                                                                                 \
    n_.error ? (int)n_.count : -1;                                                                                   \
  })

static void checks_needs(void **state) {
  assert_int_equal(NEEDS_AFTER(first_need(&f)->vn_version = 2), 0);
  assert_int_equal(NEEDS_AFTER(first_need(&f)->vn_version = 0), 0);
  assert_int_equal(NEEDS_AFTER(first_need(&f)->vn_file = UINT32_MAX), 0);
  assert_int_equal(NEEDS_AFTER(first_need(&f)->vn_aux = 18), 0);
  assert_int_equal(NEEDS_AFTER(first_need(&f)->vn_aux = UINT32_MAX & ~3u), 0);
  assert_int_equal(NEEDS_AFTER(first_need(&f)->vn_next = 50), 2);
  assert_int_equal(NEEDS_AFTER(first_need(&f)->vn_next = 4096 * 4), 2);
  assert_int_equal(NEEDS_AFTER(first_need(&f)->vn_next = UINT32_MAX & ~3u), 2);
  assert_int_equal(NEEDS_AFTER(first_aux(&f)->vna_name = UINT32_MAX), 0);
  assert_int_equal(NEEDS_AFTER(first_aux(&f)->vna_next = 2), 1);
  assert_int_equal(NEEDS_AFTER(first_aux(&f)->vna_next = UINT32_MAX & ~3u), 1);
  assert_int_equal(NEEDS_AFTER(first_aux(&f)->vna_next = 0), -1); /* a shorter list */
  assert_int_equal(NEEDS_AFTER(image_tag(&f.image, DT_VERNEED)->d_un.d_val = tables_end(&f)), 0);
  assert_int_equal(NEEDS_AFTER(image_tag(&f.image, DT_VERNEED)->d_un.d_val += 2), 0);
  assert_int_equal(NEEDS_AFTER(image_tag(&f.image, DT_VERNEED)->d_un.d_val = UINT64_MAX & ~7ull), 0);
}

/* The last record ends with the segment, or one byte behind it. */
static void records_end_with_their_segment(void **state) {
  assert_int_equal(NEEDS_AFTER((void)0), -1);
  assert_int_equal(NEEDS_AFTER(f.image.phdrs[IMAGE_PH_R].p_filesz--), 2);
  struct fixture f;
  write_image(&f, image_sample(VERDEF_AT_END));
  struct defs d = list_defs(&f);
  assert_int_equal(d.error, ELF_OK);
  assert_int_equal(d.count, 3);
  Elf64_Verdef *last = (Elf64_Verdef *)((uint8_t *)first_def(&f) + 2 * 28);
  assert_int_equal(last->vd_cnt, 2);
  f.image.phdrs[IMAGE_PH_R].p_filesz -= 8 + 1; /* the name's record is cut, too, not only the parent's */
  d = list_defs(&f);
  assert_int_equal(d.error, ELF_BAD_VERSIONS);
  assert_int_equal(d.count, 2);
  close_image(&f);
}

/* Many entries that all point to the same long list of auxiliary records. */
static void bounds_needs_of_many_entries(void **state) {
  enum { ENTRIES = 20, AUX = 20 };
  static struct image_need needs[ENTRIES + AUX + 1];
  static char files[ENTRIES + AUX][8];
  for (unsigned i = 0; i < ENTRIES + AUX; i++) {
    snprintf(files[i], sizeof files[i], "f%u", i < ENTRIES ? i : ENTRIES);
    needs[i] = (struct image_need){files[i], "V", (uint16_t)(i + 2), false};
  }
  struct fixture f;
  write_image(&f, &(struct image_spec){.needs = needs, .last = IMAGE_VERNEED});
  uint8_t *list = (uint8_t *)(first_need(&f) + ENTRIES + 1) + ENTRIES * sizeof(Elf64_Vernaux);
  Elf64_Verneed *vn = first_need(&f);
  for (unsigned i = 0; i < ENTRIES; i++, vn = (Elf64_Verneed *)((uint8_t *)vn + vn->vn_next)) {
    vn->vn_cnt = AUX;
    vn->vn_aux = (uint32_t)(list - (uint8_t *)vn);
  }
  struct needs n = list_needs(&f);
  assert_int_equal(n.error, ELF_BAD_VERSIONS);
  assert_int_equal(n.count, f.image.tables[IMAGE_VERNEED].size / sizeof(Elf64_Vernaux));
  close_image(&f);
}

#define DEFS_AFTER(change)                                                                                           \
  ({                                                                                                                 \
    struct fixture f;                                                                                                \
    write_image(&f, image_sample(VERDEF_AT_END));                                                                    \
    change;                                                                                                          \
    struct defs d_ = list_defs(&f);                                                                                  \
    close_image(&f);                                                                                                 \
    d_.error ? (int)d_.count : -1;                                                                                   \
  })

static void checks_defs(void **state) {
  assert_int_equal(DEFS_AFTER(first_def(&f)->vd_version = 2), 0);
  assert_int_equal(DEFS_AFTER(first_def(&f)->vd_cnt = 0), 0);
  assert_int_equal(DEFS_AFTER(first_def(&f)->vd_aux = 22), 0);
  assert_int_equal(DEFS_AFTER(first_def(&f)->vd_aux = UINT32_MAX & ~3u), 0);
  assert_int_equal(DEFS_AFTER(((Elf64_Verdaux *)(first_def(&f) + 1))->vda_name = UINT32_MAX), 0);
  assert_int_equal(DEFS_AFTER(first_def(&f)->vd_next = 2), 1);
  assert_int_equal(DEFS_AFTER(first_def(&f)->vd_next = 4), 1);
  assert_int_equal(DEFS_AFTER(first_def(&f)->vd_next = UINT32_MAX & ~3u), 1);
  assert_int_equal(DEFS_AFTER(first_def(&f)->vd_next = 0), -1); /* a shorter list */
  assert_int_equal(DEFS_AFTER(image_tag(&f.image, DT_VERDEF)->d_un.d_val = tables_end(&f)), 0);
  assert_int_equal(DEFS_AFTER(image_tag(&f.image, DT_VERDEF)->d_un.d_val += 2), 0);
  assert_int_equal(DEFS_AFTER(image_tag(&f.image, DT_VERDEF)->d_un.d_val = UINT64_MAX & ~7ull), 0);
}

static void masks_hidden_bit_of_index(void **state) {
  struct fixture f;
  write_image(&f, image_sample(0));
  first_def(&f)->vd_ndx = 0xfff1;
  assert_int_equal(list_defs(&f).list[0].index, 0x7ff1);
  close_image(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      CASE(lists_needs),
      CASE(lists_defs),
      CASE(lists_nothing_without_tables),
      CASE(counts_limit_lists),
      CASE(checks_needs),
      CASE(records_end_with_their_segment),
      CASE(bounds_needs_of_many_entries),
      CASE(checks_defs),
      CASE(masks_hidden_bit_of_index),
  };
  return RUN(tests);
}
