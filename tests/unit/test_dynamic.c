/* elf_read_dynamic: the tags, strings, symbols, versions' place, initialisers and flags. (Hashes: test_symtab;
 * relocations: test_relocs.) */
#include "fixture.h"

static void reads_every_sample(void **state) {
  for (unsigned n = 0; image_sample(n); n++) {
    struct fixture f;
    write_image(&f, image_sample(n));
    assert_int_equal(open_image(&f), ELF_OK);
    uint32_t tags = 0;
    while (f.image.dynamic[tags].d_tag != DT_NULL)
      tags++;
    assert_int_equal(f.m.d.count, tags);
    assert_int_equal(f.m.d.sym.bias, f.m.im.bias);
    assert_string_equal(elf_dynamic_string(&f.m.d, DT_SONAME), image_sample(n)->soname);
    close_image(&f);
  }
}

static void slots_are_distinct(void **state) {
  const int64_t high[] = {DT_VERNEEDNUM, DT_VERNEED,     DT_VERDEFNUM,   DT_VERDEF,     DT_FLAGS_1,
                          DT_RELCOUNT,   DT_RELACOUNT,   DT_VERSYM,      DT_AUXILIARY,  DT_FILTER,
                          DT_GNU_HASH,   DT_TLSDESC_PLT, DT_TLSDESC_GOT, DT_GNU_FLAGS_1};
  bool used[ELF_DT_SLOTS] = {false};
  for (int64_t tag = 0; tag < ELF_DT_NUM; tag++) {
    assert_int_equal(elf_dynamic_index(tag), tag);
    used[tag] = true;
  }
  for (size_t i = 0; i < LDX_COUNT(high); i++) {
    int slot = elf_dynamic_index(high[i]);
    assert_in_range(slot, ELF_DT_NUM, ELF_DT_SLOTS - 1);
    assert_false(used[slot]);
    used[slot] = true;
  }
}

static void ignores_unknown_tags(void **state) {
  const int64_t unknown[] = {ELF_DT_NUM, 100,       DT_LOOS,        DT_HIOS,     DT_LOPROC,          -1,
                             INT64_MIN,  INT64_MAX, DT_GNU_LIBLIST, DT_CHECKSUM, 1ll << 32 | DT_HASH};
  for (size_t i = 0; i < LDX_COUNT(unknown); i++)
    assert_int_equal(elf_dynamic_index(unknown[i]), -1);
}

static void last_entry_of_a_tag_counts(void **state) {
  struct fixture f;
  write_image(&f, image_sample(0));
  assert_int_equal(open_image(&f), ELF_OK);
  assert_string_equal(elf_dynamic_string(&f.m.d, DT_NEEDED), "libsecond.so.2");
  assert_null(f.m.d.info[DT_RPATH]);
  assert_null(elf_dynamic_string(&f.m.d, DT_RPATH));
  close_image(&f);
}

static void needs_a_dynamic_section(void **state) {
  struct fixture f;
  write_image(&f, image_sample(0));
  image_phdr(&f.image, PT_DYNAMIC)->p_type = PT_NULL;
  assert_int_equal(open_image(&f), ELF_NO_DYNAMIC);
  close_image(&f);
}

/* The segment's file-backed part ends before DT_NULL comes. */
static void needs_an_end_of_tags(void **state) {
  struct fixture f;
  write_image(&f, image_sample(0));
  Elf64_Phdr *data = &f.image.phdrs[IMAGE_PH_W];
  image_phdr(&f.image, PT_GNU_RELRO)->p_type = image_phdr(&f.image, PT_TLS)->p_type = PT_NULL;
  data->p_filesz = image_phdr(&f.image, PT_DYNAMIC)->p_filesz - sizeof(Elf64_Dyn);
  assert_int_equal(open_image(&f), ELF_BAD_DYNAMIC);
  data->p_filesz += sizeof(Elf64_Dyn) - 1;
  assert_int_equal(open_image(&f), ELF_BAD_DYNAMIC);
  close_image(&f);
}

static void checks_string_table(void **state) {
  struct fixture f;
  write_image(&f, image_sample(STRTAB_AT_END));
  uint64_t end = tables_end(&f), start = image_tag(&f.image, DT_STRTAB)->d_un.d_val, size = end - start;
  close_image(&f);
  assert_int_equal(open_with_tag(STRTAB_AT_END, DT_STRSZ, size), ELF_OK);
  const uint64_t sizes[] = {0, size - 1, size + 1, 1ull << 32, UINT64_MAX};
  for (size_t i = 0; i < LDX_COUNT(sizes); i++)
    assert_int_equal(open_with_tag(STRTAB_AT_END, DT_STRSZ, sizes[i]), ELF_BAD_STRTAB);
  const uint64_t places[] = {start + 1, end, UINT64_MAX, 1ull << 47};
  for (size_t i = 0; i < LDX_COUNT(places); i++)
    assert_int_equal(open_with_tag(STRTAB_AT_END, DT_STRTAB, places[i]), ELF_BAD_STRTAB);
}

/* The entry is there, but under a tag that means nothing. */
static enum elf_error open_without_tag(int64_t tag) {
  struct fixture f;
  write_image(&f, image_sample(0));
  image_tag(&f.image, tag)->d_tag = DT_CHECKSUM;
  enum elf_error e = open_image(&f);
  close_image(&f);
  return e;
}

static void needs_both_string_tags(void **state) {
  assert_int_equal(open_without_tag(DT_STRTAB), ELF_BAD_STRTAB);
  assert_int_equal(open_without_tag(DT_STRSZ), ELF_BAD_STRTAB);
}

static void reads_strings_in_bounds(void **state) {
  struct fixture f;
  write_image(&f, image_sample(STRTAB_AT_END));
  assert_int_equal(open_image(&f), ELF_OK);
  uint64_t size = f.m.d.sym.strsz;
  assert_string_equal(elf_string(&f.m.d, 0), "");
  assert_string_equal(elf_string(&f.m.d, size - 1), "");
  assert_null(elf_string(&f.m.d, size));
  assert_null(elf_string(&f.m.d, UINT64_MAX));
  f.m.d.info[DT_SONAME]->d_un.d_val = size;
  assert_null(elf_dynamic_string(&f.m.d, DT_SONAME));
  close_image(&f);
}

static void has_no_strings_without_table(void **state) {
  struct fixture f;
  write_image(&f, &(struct image_spec){0});
  image_tag(&f.image, DT_STRTAB)->d_tag = image_tag(&f.image, DT_STRSZ)->d_tag = DT_CHECKSUM;
  image_tag(&f.image, DT_SYMTAB)->d_tag = DT_CHECKSUM;
  assert_int_equal(open_image(&f), ELF_OK);
  assert_null(elf_string(&f.m.d, 0));
  assert_null(elf_symbol(&f.m.d.sym, 0));
  close_image(&f);
}

static void checks_symbol_table(void **state) {
  struct fixture f;
  write_image(&f, image_sample(SYMTAB_AT_END));
  uint64_t end = tables_end(&f), start = image_tag(&f.image, DT_SYMTAB)->d_un.d_val;
  close_image(&f);
  const uint64_t bad[] = {start + 4, end - 16, end, UINT64_MAX - 7, 1ull << 47};
  for (size_t i = 0; i < LDX_COUNT(bad); i++)
    assert_int_equal(open_with_tag(SYMTAB_AT_END, DT_SYMTAB, bad[i]), ELF_BAD_SYMTAB);
  assert_int_equal(open_with_tag(SYMTAB_AT_END, DT_SYMENT, 16), ELF_BAD_SYMTAB);
  assert_int_equal(open_with_tag(SYMTAB_AT_END, DT_SYMENT, 0), ELF_BAD_SYMTAB);
  assert_int_equal(open_without_tag(DT_SYMENT), ELF_OK);
}

static void symbols_need_strings(void **state) {
  struct fixture f;
  write_image(&f, image_sample(0));
  image_tag(&f.image, DT_STRTAB)->d_tag = image_tag(&f.image, DT_STRSZ)->d_tag = DT_CHECKSUM;
  assert_int_equal(open_image(&f), ELF_BAD_SYMTAB);
  close_image(&f);
}

static void checks_version_words(void **state) {
  struct fixture f;
  write_image(&f, image_sample(VERSYM_AT_END));
  uint64_t end = tables_end(&f), start = image_tag(&f.image, DT_VERSYM)->d_un.d_val;
  close_image(&f);
  const uint64_t bad[] = {start + 1, end, UINT64_MAX - 1, UINT64_MAX, 1ull << 47};
  for (size_t i = 0; i < LDX_COUNT(bad); i++)
    assert_int_equal(open_with_tag(VERSYM_AT_END, DT_VERSYM, bad[i]), ELF_BAD_VERSIONS);
  assert_int_equal(open_without_tag(DT_VERSYM), ELF_OK);
}

static void reads_init_and_fini(void **state) {
  struct fixture f;
  write_image(&f, image_sample(0));
  assert_int_equal(open_image(&f), ELF_OK);
  assert_int_equal(f.m.d.init, f.image.text);
  assert_int_equal(f.m.d.fini, f.image.text + IMAGE_FUNCTION);
  assert_int_equal(f.m.d.init_array.count, 1);
  assert_int_equal(f.m.d.init_array.at[0], f.image.text);
  assert_int_equal(f.m.d.fini_array.count, 1);
  assert_int_equal(f.m.d.fini_array.at[0], f.image.text + IMAGE_FUNCTION);
  assert_int_equal(f.m.d.preinit_array.count, 0);
  close_image(&f);
}

static void checks_init_and_fini(void **state) {
  struct fixture f;
  write_image(&f, image_sample(0));
  uint64_t data_end = f.image.data + IMAGE_DATA_SIZE, data = f.image.data;
  uint64_t text_end = f.image.text + IMAGE_FUNCTIONS * IMAGE_FUNCTION;
  close_image(&f);
  const int64_t functions[] = {DT_INIT, DT_FINI}, arrays[] = {DT_INIT_ARRAY, DT_FINI_ARRAY},
                sizes[] = {DT_INIT_ARRAYSZ, DT_FINI_ARRAYSZ};
  for (int i = 0; i < 2; i++) {
    assert_int_equal(open_with_tag(0, functions[i], 0), ELF_OK); /* no function */
    assert_int_equal(open_with_tag(0, functions[i], data), ELF_BAD_INIT);
    assert_int_equal(open_with_tag(0, functions[i], text_end), ELF_BAD_INIT);
    assert_int_equal(open_with_tag(0, functions[i], text_end - 1), ELF_OK);
    assert_int_equal(open_with_tag(0, functions[i], UINT64_MAX), ELF_BAD_INIT);
    assert_int_equal(open_with_tag(0, arrays[i], data_end - 8), ELF_OK);
    assert_int_equal(open_with_tag(0, arrays[i], data_end), ELF_BAD_INIT); /* zero-filled: no address there */
    assert_int_equal(open_with_tag(0, arrays[i], data + 4), ELF_BAD_INIT);
    assert_int_equal(open_with_tag(0, arrays[i], UINT64_MAX - 7), ELF_BAD_INIT);
    assert_int_equal(open_with_tag(0, sizes[i], 0), ELF_OK);
    assert_int_equal(open_with_tag(0, sizes[i], 12), ELF_BAD_INIT);
    assert_int_equal(open_with_tag(0, sizes[i], 1 << 20), ELF_BAD_INIT);
    assert_int_equal(open_with_tag(0, sizes[i], UINT64_MAX - 7), ELF_BAD_INIT);
  }
}

/* Turns the soname's entry into another one and reads. */
static struct elf_dynamic with_entry(int64_t tag, uint64_t value) {
  struct fixture f;
  write_image(&f, image_sample(0));
  *image_tag(&f.image, DT_SONAME) = (Elf64_Dyn){tag, {value}};
  assert_int_equal(open_image(&f), ELF_OK);
  close_image(&f);
  return f.m.d;
}

static void reads_preinit_array(void **state) {
  struct fixture f;
  write_image(&f, image_sample(0));
  image_tag(&f.image, DT_INIT_ARRAY)->d_tag = DT_PREINIT_ARRAY;
  image_tag(&f.image, DT_INIT_ARRAYSZ)->d_tag = DT_PREINIT_ARRAYSZ;
  assert_int_equal(open_image(&f), ELF_OK);
  assert_int_equal(f.m.d.preinit_array.count, 1);
  assert_int_equal(f.m.d.init_array.count, 0);
  close_image(&f);
}

static void reads_flags(void **state) {
  struct elf_dynamic d = with_entry(DT_CHECKSUM, 0);
  assert_false(d.symbolic || d.textrel || d.bind_now || d.flags || d.flags_1 || d.gnu_flags_1);
  assert_true(with_entry(DT_SYMBOLIC, 0).symbolic);
  assert_true(with_entry(DT_FLAGS, DF_SYMBOLIC).symbolic);
  assert_true(with_entry(DT_TEXTREL, 0).textrel);
  assert_true(with_entry(DT_FLAGS, DF_TEXTREL).textrel);
  assert_true(with_entry(DT_BIND_NOW, 0).bind_now);
  assert_true(with_entry(DT_FLAGS, DF_BIND_NOW).bind_now);
  assert_true(with_entry(DT_FLAGS_1, DF_1_NOW).bind_now);
  assert_false(with_entry(DT_FLAGS_1, DF_1_NODELETE).bind_now);
  assert_int_equal(with_entry(DT_FLAGS_1, DF_1_NODELETE | DF_1_PIE).flags_1, DF_1_NODELETE | DF_1_PIE);
  assert_int_equal(with_entry(DT_GNU_FLAGS_1, DF_GNU_1_UNIQUE).gnu_flags_1, DF_GNU_1_UNIQUE);
}

/* Lazy binding writes two words into the PLT's table: without room for them there is no lazy binding. */
static void lazy_binding_needs_pltgot(void **state) {
  struct fixture f;
  write_image(&f, image_sample(0));
  assert_int_equal(open_image(&f), ELF_OK);
  assert_non_null(f.m.d.pltgot);
  assert_false(f.m.d.bind_now);
  uint64_t zero_end = f.image.data + IMAGE_DATA_SIZE + IMAGE_BSS_SIZE;
  const struct {
    uint64_t value;
    bool lazy;
  } cases[] = {{zero_end - 24, true}, {zero_end - 16, false},  {f.image.data + 4, false},
               {f.image.text, false}, {UINT64_MAX - 7, false}, {0, false}};
  for (size_t i = 0; i < LDX_COUNT(cases); i++) {
    image_tag(&f.image, DT_PLTGOT)->d_un.d_val = cases[i].value;
    assert_int_equal(open_image(&f), ELF_OK);
    assert_int_equal(!f.m.d.bind_now, cases[i].lazy);
    assert_int_equal(f.m.d.pltgot != NULL, cases[i].lazy);
  }
  image_tag(&f.image, DT_PLTGOT)->d_tag = DT_CHECKSUM;
  assert_int_equal(open_image(&f), ELF_OK);
  assert_true(f.m.d.bind_now);
  close_image(&f);
}

/* Each entry in turn gets each of many values: the verdict may be any, but nothing outside is touched. */
static void survives_any_value_anywhere(void **state) {
  struct fixture f;
  write_image(&f, image_sample(0));
  uint64_t end = tables_end(&f);
  const uint64_t values[] = {0,
                             1,
                             7,
                             8,
                             24,
                             end - 25,
                             end - 24,
                             end - 8,
                             end - 1,
                             end,
                             f.image.data,
                             1ull << 20,
                             1ull << 32,
                             1ull << 47,
                             1ull << 63,
                             UINT64_MAX - 7,
                             UINT64_MAX};
  for (Elf64_Dyn *d = f.image.dynamic; d->d_tag != DT_NULL; d++) {
    uint64_t good = d->d_un.d_val;
    for (size_t i = 0; i < LDX_COUNT(values); i++) {
      d->d_un.d_val = values[i];
      assert_in_range(open_image(&f), ELF_OK, ELF_BAD_RELRO);
    }
    d->d_un.d_val = good;
  }
  assert_int_equal(open_image(&f), ELF_OK);
  close_image(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      CASE(reads_every_sample),
      CASE(slots_are_distinct),
      CASE(ignores_unknown_tags),
      CASE(last_entry_of_a_tag_counts),
      CASE(needs_a_dynamic_section),
      CASE(needs_an_end_of_tags),
      CASE(checks_string_table),
      CASE(needs_both_string_tags),
      CASE(reads_strings_in_bounds),
      CASE(has_no_strings_without_table),
      CASE(checks_symbol_table),
      CASE(symbols_need_strings),
      CASE(checks_version_words),
      CASE(reads_init_and_fini),
      CASE(checks_init_and_fini),
      CASE(reads_preinit_array),
      CASE(reads_flags),
      CASE(lazy_binding_needs_pltgot),
      CASE(survives_any_value_anywhere),
  };
  return RUN(tests);
}
