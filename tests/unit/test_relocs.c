/* The relocation tables that elf_read_dynamic finds: RELA, JMPREL (also as the tail of RELA), RELR. */
#include "fixture.h"

enum { ENTRY = sizeof(Elf64_Rela), TAIL = 1 /* number of the sample whose JMPREL is the tail of RELA */ };

static void finds_tables(void **state) {
  for (unsigned sample = 0; sample < 2; sample++) {
    struct fixture f;
    write_image(&f, image_sample(sample));
    assert_int_equal(open_image(&f), ELF_OK);
    assert_int_equal(f.m.d.rela.count, 4);
    assert_int_equal(f.m.d.relative_count, 2);
    assert_memory_equal(f.m.d.rela.at, image_table(&f.image, IMAGE_RELA), 4 * ENTRY);
    assert_int_equal(f.m.d.jmprel.count, 2);
    assert_memory_equal(f.m.d.jmprel.at, image_table(&f.image, IMAGE_JMPREL), 2 * ENTRY);
    assert_int_equal(f.m.d.relr_count, 4);
    assert_memory_equal(f.m.d.relr, image_table(&f.image, IMAGE_RELR), 4 * 8);
    close_image(&f);
  }
}

static void has_no_tables(void **state) {
  struct fixture f;
  write_image(&f, &(struct image_spec){0});
  assert_int_equal(open_image(&f), ELF_OK);
  assert_int_equal(f.m.d.rela.count + f.m.d.jmprel.count + f.m.d.relr_count + f.m.d.relative_count, 0);
  close_image(&f);
}

static void checks_rela(void **state) {
  const uint64_t sizes[] = {ENTRY - 1, 1, 8, 1ull << 20, UINT64_MAX / ENTRY * ENTRY, UINT64_MAX};
  for (size_t i = 0; i < LDX_COUNT(sizes); i++) {
    assert_int_equal(open_with_tag(0, DT_RELASZ, sizes[i]), ELF_BAD_RELOC_TABLE);
    assert_int_equal(open_with_tag(0, DT_PLTRELSZ, sizes[i]), ELF_BAD_RELOC_TABLE);
  }
  const uint64_t places[] = {4, 1ull << 47, UINT64_MAX - 7};
  for (size_t i = 0; i < LDX_COUNT(places); i++) {
    assert_int_equal(open_with_tag(0, DT_RELA, places[i]), ELF_BAD_RELOC_TABLE);
    assert_int_equal(open_with_tag(0, DT_JMPREL, places[i]), ELF_BAD_RELOC_TABLE);
  }
}

/* The last entry ends with the segment, or one byte behind it. */
static void rela_ends_with_its_segment(void **state) {
  for (unsigned table = IMAGE_RELA; table <= IMAGE_JMPREL; table++) {
    struct image_spec spec = *image_sample(0);
    spec.last = table;
    struct fixture f;
    write_image(&f, &spec);
    assert_int_equal(open_image(&f), ELF_OK);
    assert_ptr_equal((uint8_t *)(table == IMAGE_RELA ? f.m.d.rela.at + 4 : f.m.d.jmprel.at + 2),
                     f.m.im.bias + tables_end(&f));
    f.image.phdrs[IMAGE_PH_R].p_filesz--;
    assert_int_equal(open_image(&f), ELF_BAD_RELOC_TABLE);
    close_image(&f);
  }
}

static void checks_entry_sizes_and_kind(void **state) {
  assert_int_equal(open_with_tag(0, DT_RELAENT, 16), ELF_BAD_RELOC_TABLE);
  assert_int_equal(open_with_tag(0, DT_RELAENT, 0), ELF_BAD_RELOC_TABLE);
  assert_int_equal(open_with_tag(0, DT_RELRENT, 4), ELF_BAD_RELOC_TABLE);
  assert_int_equal(open_with_tag(0, DT_PLTREL, DT_REL), ELF_BAD_RELOC_TABLE);
}

/* Relocations without addends are no part of this ABI. An empty table of them does no harm. */
static void rejects_rel(void **state) {
  struct fixture f;
  write_image(&f, image_sample(0));
  *image_tag(&f.image, DT_SONAME) = (Elf64_Dyn){DT_REL, {tables_end(&f) - 8}};
  assert_int_equal(open_image(&f), ELF_OK);
  *image_tag(&f.image, DT_SYMENT) = (Elf64_Dyn){DT_RELSZ, {16}};
  assert_int_equal(open_image(&f), ELF_BAD_RELOC_TABLE);
  image_tag(&f.image, DT_RELSZ)->d_un.d_val = 0;
  assert_int_equal(open_image(&f), ELF_OK);
  close_image(&f);
}

static void checks_relative_count(void **state) {
  assert_int_equal(open_with_tag(0, DT_RELACOUNT, 4), ELF_OK);
  assert_int_equal(open_with_tag(0, DT_RELACOUNT, 5), ELF_BAD_RELOC_TABLE);
  assert_int_equal(open_with_tag(0, DT_RELACOUNT, UINT64_MAX), ELF_BAD_RELOC_TABLE);
  assert_int_equal(open_with_tag(TAIL, DT_RELACOUNT, 5), ELF_BAD_RELOC_TABLE); /* not into the tail */
}

static void empty_tables_have_no_place(void **state) {
  struct fixture f;
  write_image(&f, image_sample(0));
  image_tag(&f.image, DT_RELACOUNT)->d_un.d_val = 0;
  const int64_t tags[][2] = {{DT_RELA, DT_RELASZ}, {DT_JMPREL, DT_PLTRELSZ}, {DT_RELR, DT_RELRSZ}};
  for (size_t i = 0; i < LDX_COUNT(tags); i++) {
    image_tag(&f.image, tags[i][0])->d_un.d_val = UINT64_MAX;
    image_tag(&f.image, tags[i][1])->d_un.d_val = 0;
  }
  assert_int_equal(open_image(&f), ELF_OK);
  assert_int_equal(f.m.d.rela.count + f.m.d.jmprel.count + f.m.d.relr_count, 0);
  close_image(&f);
}

/* RELA at entries [a, a+n) and JMPREL at [b, b+m) of one table of six; the counts that must come out. */
struct overlap {
  uint64_t a, n, b, m;
  bool good;
  uint64_t rela;
};

static const struct overlap overlaps[] = {
    {0, 4, 4, 2, true, 4},                          /* side by side */
    {2, 4, 0, 2, true, 4},                          /* JMPREL first */
    {0, 6, 4, 2, true, 4},                          /* the tail */
    {0, 6, 0, 6, true, 0},                          /* all of it */
    {0, 6, 5, 1, true, 5},  {0, 6, 0, 2, false, 0}, /* the head */
    {0, 6, 2, 2, false, 0},                         /* the middle */
    {0, 4, 2, 4, false, 0},                         /* across the end */
    {2, 4, 0, 4, false, 0},                         /* across the start */
    {2, 4, 0, 6, false, 0}, {2, 2, 0, 6, false, 0}, /* around */
};

static void knows_overlap_of_jmprel(void **state) {
  for (size_t i = 0; i < LDX_COUNT(overlaps); i++) {
    const struct overlap *o = &overlaps[i];
    struct fixture f;
    write_image(&f, image_sample(TAIL));
    uint64_t table = image_tag(&f.image, DT_RELA)->d_un.d_val;
    image_tag(&f.image, DT_RELACOUNT)->d_un.d_val = 0;
    image_tag(&f.image, DT_RELA)->d_un.d_val = table + o->a * ENTRY;
    image_tag(&f.image, DT_RELASZ)->d_un.d_val = o->n * ENTRY;
    image_tag(&f.image, DT_JMPREL)->d_un.d_val = table + o->b * ENTRY;
    image_tag(&f.image, DT_PLTRELSZ)->d_un.d_val = o->m * ENTRY;
    assert_int_equal(open_image(&f), o->good ? ELF_OK : ELF_BAD_RELOC_TABLE);
    if (o->good) {
      assert_int_equal(f.m.d.rela.count, o->rela);
      assert_int_equal(f.m.d.jmprel.count, o->m);
    }
    close_image(&f);
  }
}

/* JMPREL ends where RELA ends, but begins amid an entry. */
static void rejects_shifted_tail(void **state) {
  struct fixture f;
  write_image(&f, image_sample(TAIL));
  image_tag(&f.image, DT_RELA)->d_un.d_val += 8;
  image_tag(&f.image, DT_RELASZ)->d_un.d_val -= ENTRY;
  assert_int_equal(open_image(&f), ELF_BAD_RELOC_TABLE);
  close_image(&f);
}

static void checks_relr(void **state) {
  struct fixture f;
  write_image(&f, image_sample(0)); /* RELR is its last table */
  uint64_t start = image_tag(&f.image, DT_RELR)->d_un.d_val, end = tables_end(&f);
  close_image(&f);
  assert_int_equal(end - start, 4 * 8);
  const uint64_t sizes[] = {1, 7, 12, 5 * 8, 1ull << 40, UINT64_MAX - 7, UINT64_MAX};
  for (size_t i = 0; i < LDX_COUNT(sizes); i++)
    assert_int_equal(open_with_tag(0, DT_RELRSZ, sizes[i]), ELF_BAD_RELOC_TABLE);
  const uint64_t places[] = {start + 4, start + 8, end, 1ull << 47, UINT64_MAX - 7};
  for (size_t i = 0; i < LDX_COUNT(places); i++)
    assert_int_equal(open_with_tag(0, DT_RELR, places[i]), ELF_BAD_RELOC_TABLE);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      CASE(finds_tables),
      CASE(has_no_tables),
      CASE(checks_rela),
      CASE(rela_ends_with_its_segment),
      CASE(checks_entry_sizes_and_kind),
      CASE(rejects_rel),
      CASE(checks_relative_count),
      CASE(empty_tables_have_no_place),
      CASE(knows_overlap_of_jmprel),
      CASE(rejects_shifted_tail),
      CASE(checks_relr),
  };
  return RUN(tests);
}
