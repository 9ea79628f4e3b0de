/* Notes, the build-id, GNU properties. */
#include "elf/notes.h"
#include "fixture.h"

/* A note section under construction. */
struct bytes {
  uint8_t data[512];
  size_t size;
};

static void add_note(struct bytes *b, uint32_t type, const char *name, uint32_t name_size, const void *desc,
                     uint32_t desc_size, uint64_t align) {
  uint32_t head[3] = {name_size, desc_size, type};
  memcpy(b->data + b->size, head, 12);
  memcpy(b->data + b->size + 12, name, name_size);
  b->size = ldx_align_up(b->size + 12 + name_size, align);
  memcpy(b->data + b->size, desc, desc_size);
  b->size = ldx_align_up(b->size + desc_size, align);
}

/* Walks a copy in a block of the exact size; the number of notes, which all must lie inside. */
static unsigned count_notes(const struct bytes *b, size_t size, uint64_t align) {
  uint8_t *exact = malloc(size ? size : 1);
  memcpy(exact, b->data, size);
  struct elf_note n;
  unsigned count = 0;
  volatile uint8_t sum = 0;
  for (uint64_t off = 0; elf_next_note((struct ldx_span){exact, size}, align, &off, &n); count++) {
    for (uint32_t i = 0; i < n.name_size; i++)
      sum += (uint8_t)n.name[i];
    for (uint64_t i = 0; i < n.desc.size; i++)
      sum += n.desc.base[i];
    assert_true(count < 100);
  }
  free(exact);
  return count;
}

static void walks_notes(void **state) {
  for (uint64_t align = 4; align <= 8; align += 4) {
    struct bytes b = {.size = 0};
    add_note(&b, 1, "GNU", 4, "abcdefg", 7, align);
    add_note(&b, 2, "Longer", 7, "", 0, align);
    add_note(&b, 3, "", 0, "xyz", 3, align);
    struct ldx_span s = {b.data, b.size};
    struct elf_note n;
    uint64_t off = 0;
    assert_true(elf_next_note(s, align, &off, &n));
    assert_int_equal(n.type, 1);
    assert_int_equal(n.name_size, 4);
    assert_string_equal(n.name, "GNU");
    assert_int_equal(n.desc.size, 7);
    assert_memory_equal(n.desc.base, "abcdefg", 7);
    assert_true(elf_next_note(s, align, &off, &n));
    assert_int_equal(n.type, 2);
    assert_string_equal(n.name, "Longer");
    assert_int_equal(n.desc.size, 0);
    assert_true(elf_next_note(s, align, &off, &n));
    assert_int_equal(n.type, 3);
    assert_int_equal(n.name_size, 0);
    assert_memory_equal(n.desc.base, "xyz", 3);
    assert_false(elf_next_note(s, align, &off, &n));
    assert_false(elf_next_note(s, align, &off, &n));
  }
}

/* An alignment that says nothing means 4. */
static void takes_other_alignments_as_four(void **state) {
  struct bytes b = {.size = 0};
  add_note(&b, 1, "GNU", 4, "abcd", 4, 4);
  add_note(&b, 2, "GNU", 4, "abcd", 4, 4);
  const uint64_t aligns[] = {0, 1, 2, 4, 16, UINT64_MAX};
  for (size_t i = 0; i < LDX_COUNT(aligns); i++)
    assert_int_equal(count_notes(&b, b.size, aligns[i]), 2);
}

/* Cut off anywhere: whole notes are told, the rest is not touched. The last desc's padding is not needed. */
static void stops_where_bytes_end(void **state) {
  struct bytes b = {.size = 0};
  add_note(&b, 1, "GNU", 4, "abcdefg", 7, 4);
  size_t first = b.size;
  add_note(&b, 2, "Vendor", 7, "0123456789", 10, 4);
  for (size_t size = 0; size <= b.size; size++)
    assert_int_equal(count_notes(&b, size, 4), size < first - 1 ? 0 : size < b.size - 2 ? 1 : 2);
}

static void survives_huge_sizes(void **state) {
  const uint32_t huge[] = {100, 1u << 20, 0x7fffffff, UINT32_MAX - 3, UINT32_MAX};
  for (size_t i = 0; i < LDX_COUNT(huge); i++)
    for (unsigned word = 0; word < 2; word++)
      for (uint64_t align = 4; align <= 8; align += 4) {
        struct bytes b = {.size = 0};
        add_note(&b, 1, "GNU", 4, "abcdefg", 7, align);
        memcpy(b.data + word * 4, &huge[i], 4);
        assert_int_equal(count_notes(&b, b.size, align), 0);
      }
}

static void survives_wild_offset(void **state) {
  struct bytes b = {.size = 0};
  add_note(&b, 1, "GNU", 4, "abcdefg", 7, 4);
  struct elf_note n;
  const uint64_t offsets[] = {b.size, b.size + 1, UINT64_MAX, UINT64_MAX - 11};
  for (size_t i = 0; i < LDX_COUNT(offsets); i++) {
    uint64_t off = offsets[i];
    assert_false(elf_next_note((struct ldx_span){b.data, b.size}, 4, &off, &n));
  }
  uint64_t off = 0;
  assert_false(elf_next_note((struct ldx_span){0}, 4, &off, &n));
}

static struct ldx_span build_id(const struct fixture *f) { return elf_build_id(&f->m.im, f->m.phdrs, f->m.im.phnum); }

static void finds_build_id(void **state) {
  for (unsigned n = 0; image_sample(n); n++) {
    const char *want = image_sample(n)->build_id;
    struct fixture f;
    write_image(&f, image_sample(n));
    assert_int_equal(open_image(&f), ELF_OK);
    struct ldx_span id = build_id(&f);
    assert_int_equal(id.size, want ? strlen(want) : 0);
    if (want)
      assert_memory_equal(id.base, want, id.size);
    close_image(&f);
  }
}

/* Whether the build-id is still found after a change. */
#define ID_AFTER(change)                                                                                             \
  ({                                                                                                                 \
    struct fixture f;                                                                                                \
    write_image(&f, image_sample(NOTE_AT_END));                                                                      \
    Elf64_Phdr *ph = image_phdr(&f.image, PT_NOTE);                                                                  \
    Elf64_Nhdr *note = image_table(&f.image, IMAGE_NOTE);                                                            \
    (void)ph, (void)note;                                                                                            \
    change;                                                                                                          \
    assert_int_equal(open_image(&f), ELF_OK);                                                                        \
    bool found_ = build_id(&f).size != 0;                                                                            \
    close_image(&f);                                                                                                 \
    found_;                                                                                                          \
  })

static void checks_build_id(void **state) {
  assert_true(ID_AFTER((void)0));
  assert_false(ID_AFTER(note->n_type = NT_GNU_ABI_TAG));
  assert_false(ID_AFTER(((char *)(note + 1))[0] = 'X'));
  assert_false(ID_AFTER(note->n_namesz = 3));
  assert_false(ID_AFTER(note->n_namesz = UINT32_MAX));
  assert_false(ID_AFTER(note->n_descsz = 21));
  assert_true(ID_AFTER(note->n_descsz = 20));
  assert_false(ID_AFTER(ph->p_vaddr += 2));
  assert_false(ID_AFTER(ph->p_vaddr = 1ull << 46));
  assert_false(ID_AFTER(ph->p_vaddr = UINT64_MAX - 3));
  assert_false(ID_AFTER(ph->p_filesz++)); /* beyond its segment */
  assert_false(ID_AFTER(ph->p_filesz = UINT64_MAX));
  assert_false(ID_AFTER(ph->p_filesz = 0));
  assert_false(ID_AFTER(ph->p_type = PT_NULL));
}

static void finds_property(void **state) {
  struct fixture f;
  write_image(&f, image_sample(0));
  assert_int_equal(open_image(&f), ELF_OK);
  assert_int_equal(elf_property(&f.m.im, 0xc0000002), 3);
  assert_int_equal(elf_property(&f.m.im, 0xc0008002), 0);
  f.m.im.property = NULL;
  assert_int_equal(elf_property(&f.m.im, 0xc0000002), 0);
  close_image(&f);
}

/* What elf_property says of `desc`, as the description of a property note. */
static uint32_t property_of(const uint32_t *desc, uint32_t words, uint32_t note_type, uint32_t type) {
  struct bytes b = {.size = 0};
  add_note(&b, note_type, "GNU", 4, desc, words * 4, 8);
  uint32_t size = 16 + words * 4;
  uint8_t *exact = malloc(size);
  memcpy(exact, b.data, size);
  Elf64_Phdr ph = {.p_type = PT_GNU_PROPERTY, .p_vaddr = 0x1000, .p_filesz = size};
  struct elf_segment segment = {.vaddr = 0x1000, .filesz = size, .memsz = size, .flags = PF_R};
  struct elf_image im = {
      .bias = (uintptr_t)exact - 0x1000, .segments = &segment, .segment_count = 1, .property = &ph};
  uint32_t value = elf_property(&im, type);
  free(exact);
  return value;
}

#define PROPERTY(type, ...)                                                                                          \
  property_of((uint32_t[]){__VA_ARGS__}, sizeof((uint32_t[]){__VA_ARGS__}) / 4, NT_GNU_PROPERTY_TYPE_0, type)

static void reads_properties(void **state) {
  assert_int_equal(PROPERTY(7, 7, 4, 99, 0), 99);
  assert_int_equal(PROPERTY(7, 5, 4, 1, 0, 7, 4, 99, 0), 99);
  assert_int_equal(PROPERTY(7, 5, 8, 1, 2, 7, 4, 99, 0), 99);
  assert_int_equal(PROPERTY(7, 5, 0, 7, 4, 99, 0), 99); /* without data */
  assert_int_equal(PROPERTY(7, 7, 8, 99, 1), 99);       /* longer: its first word */
  assert_int_equal(PROPERTY(7, 7, 4, 99), 99);          /* the padding is missing */
  assert_int_equal(PROPERTY(7, 8, 4, 99, 0), 0);
  const uint32_t desc[] = {7, 4, 99, 0};
  assert_int_equal(property_of(desc, 4, NT_GNU_BUILD_ID, 7), 0);
}

static void survives_bad_properties(void **state) {
  assert_int_equal(PROPERTY(7, 7), 0);
  assert_int_equal(PROPERTY(7, 7, 4), 0);
  assert_int_equal(PROPERTY(7, 7, 0, 99, 0), 0);
  assert_int_equal(PROPERTY(7, 7, 3, 99, 0), 0);
  assert_int_equal(PROPERTY(7, 7, 100, 99, 0), 0);
  assert_int_equal(PROPERTY(7, 7, UINT32_MAX, 99, 0), 0);
  assert_int_equal(PROPERTY(7, 5, UINT32_MAX - 7, 1, 0, 7, 4, 99, 0), 0);
  assert_int_equal(PROPERTY(7, 5, 12, 1, 0, 7, 4, 99), 0); /* the other one's data swallow it */
}

int main(void) {
  const struct CMUnitTest tests[] = {
      CASE(walks_notes),           CASE(takes_other_alignments_as_four),
      CASE(stops_where_bytes_end), CASE(survives_huge_sizes),
      CASE(survives_wild_offset),  CASE(finds_build_id),
      CASE(checks_build_id),       CASE(finds_property),
      CASE(reads_properties),      CASE(survives_bad_properties),
  };
  return RUN(tests);
}
