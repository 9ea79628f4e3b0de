/* elf_read_layout, elf_at, elf_at_memory, elf_room: program headers written by hand, nothing mapped. */
#include "elf/image.h"
#include "unit.h"

enum { PAGE = 4096 };

static struct elf_segment segments[8];
static struct elf_image im;

/* Three segments as linkers lay them out, in a file of 0x3000 bytes; the last has zero-filled space. */
static const Elf64_Phdr usual[] = {
    {PT_LOAD, PF_R, 0, 0, 0, 0x800, 0x800, PAGE},
    {PT_LOAD, PF_R | PF_X, 0x1000, 0x1000, 0x1000, 0x1234, 0x1234, PAGE},
    {PT_LOAD, PF_R | PF_W, 0x2800, 0x4800, 0x4800, 0x700, 0x2000, PAGE},
    {PT_DYNAMIC, PF_R | PF_W, 0x2800, 0x4800, 0x4800, 0x100, 0x100, 8},
};
enum { USUAL = LDX_COUNT(usual), FILE_SIZE = 0x3000 };

static Elf64_Phdr ph[USUAL + 1];

static void fresh(void) { memcpy(ph, usual, sizeof usual); }

static enum elf_error read_headers(uint32_t phnum, uint64_t file_size) {
  memset(segments, 0xee, sizeof segments);
  memset(&im, 0xee, sizeof im);
  return elf_read_layout(ph, phnum, file_size, segments, LDX_COUNT(segments), &im);
}

static enum elf_error read_usual(void) { return read_headers(USUAL, FILE_SIZE); }

/* The verdict when one more header follows the usual ones. */
static enum elf_error read_with(Elf64_Phdr extra) {
  fresh();
  ph[USUAL] = extra;
  return read_headers(USUAL + 1, FILE_SIZE);
}

#define WITH(index, field, value) (fresh(), ph[index].field = (value), read_usual())

static void reads_usual_layout(void **state) {
  fresh();
  assert_int_equal(read_usual(), ELF_OK);
  assert_int_equal(im.segment_count, 3);
  assert_int_equal(im.phnum, USUAL);
  assert_int_equal(im.start, 0);
  assert_int_equal(im.end, 0x7000);
  assert_int_equal(im.max_align, PAGE);
  assert_int_equal(im.bias, 0);
  for (uint32_t i = 0; i < 3; i++) {
    assert_int_equal(segments[i].vaddr, usual[i].p_vaddr);
    assert_int_equal(segments[i].filesz, usual[i].p_filesz);
    assert_int_equal(segments[i].memsz, usual[i].p_memsz);
    assert_int_equal(segments[i].offset, usual[i].p_offset);
    assert_int_equal(segments[i].flags, usual[i].p_flags);
  }
  assert_ptr_equal(im.dynamic, &ph[3]);
  assert_null(im.tls);
  assert_null(im.relro);
  assert_null(im.interp);
}

static void start_is_page_aligned(void **state) {
  ph[0] = (Elf64_Phdr){PT_LOAD, PF_R, 0x234, 0x400234, 0x400234, 0x100, 0x100, PAGE};
  assert_int_equal(read_headers(1, FILE_SIZE), ELF_OK);
  assert_int_equal(im.start, 0x400000);
  assert_int_equal(im.end, 0x401000);
}

static void keeps_only_protection_flags(void **state) {
  assert_int_equal(WITH(0, p_flags, 0xfff00000 | PF_R), ELF_OK);
  assert_int_equal(segments[0].flags, PF_R);
}

static void needs_a_segment(void **state) {
  fresh();
  assert_int_equal(read_headers(0, FILE_SIZE), ELF_NO_LOAD);
  ph[0] = usual[3];
  assert_int_equal(read_headers(1, FILE_SIZE), ELF_NO_LOAD);
  ph[0] = (Elf64_Phdr){PT_LOAD, PF_R, 0, 0, 0, 0, 0, PAGE};
  assert_int_equal(read_headers(1, FILE_SIZE), ELF_NO_LOAD);
}

static void reads_alignment(void **state) {
  const uint64_t none[] = {2, 8, 16, 0x800, 0x1001, 0x3000, 0x5000, 1ull << 63 | PAGE, UINT64_MAX};
  for (size_t i = 0; i < LDX_COUNT(none); i++) {
    assert_int_equal(WITH(0, p_align, none[i]), ELF_OK);
    assert_int_equal(im.max_align, PAGE);
  }
  assert_int_equal(WITH(0, p_align, 0), ELF_OK);
  assert_int_equal(WITH(0, p_align, 1), ELF_OK);
  assert_int_equal(WITH(0, p_align, 1 << 21), ELF_OK);
  assert_int_equal(im.max_align, 1 << 21);
  assert_int_equal(WITH(0, p_align, 1ull << 47), ELF_BAD_SEGMENT);
  assert_int_equal(WITH(0, p_align, 1ull << 63), ELF_BAD_SEGMENT);
}

static void checks_congruence(void **state) {
  assert_int_equal(WITH(1, p_offset, 0x1001), ELF_BAD_OFFSET);
  assert_int_equal(WITH(1, p_vaddr, 0x1800), ELF_BAD_OFFSET);
  fresh();
  ph[0].p_align = 0;
  ph[0].p_vaddr = 0x10;
  assert_int_equal(read_usual(), ELF_BAD_OFFSET);
  fresh(); /* the page counts, not the alignment asked for */
  ph[2].p_align = 0x10000;
  assert_int_equal(read_usual(), ELF_OK);
}

static void rejects_overlap(void **state) {
  fresh();
  ph[0].p_filesz = ph[0].p_memsz = 0x1001;
  assert_int_equal(read_usual(), ELF_BAD_SEGMENT);
  fresh(); /* the zero-filled part counts */
  ph[0].p_memsz = 0x1001;
  assert_int_equal(read_usual(), ELF_BAD_SEGMENT);
  ph[0].p_memsz = 0x1000;
  assert_int_equal(read_usual(), ELF_OK);
  fresh();
  ph[1] = ph[0];
  assert_int_equal(read_usual(), ELF_BAD_SEGMENT);
}

static void rejects_wrong_order(void **state) {
  fresh();
  Elf64_Phdr first = ph[0];
  ph[0] = ph[1];
  ph[1] = first;
  assert_int_equal(read_usual(), ELF_BAD_SEGMENT);
}

/* A page can have one protection only. */
static void rejects_shared_page_of_two_protections(void **state) {
  fresh();
  ph[1].p_vaddr = ph[1].p_offset = 0x800;
  assert_int_equal(read_usual(), ELF_BAD_SEGMENT);
  ph[1].p_flags = ph[0].p_flags;
  assert_int_equal(read_usual(), ELF_OK);
  ph[1].p_flags = 0;
  assert_int_equal(read_usual(), ELF_BAD_SEGMENT);
}

static void rejects_huge(void **state) {
  const uint64_t huge[] = {1ull << 47, 1ull << 63, UINT64_MAX & ~0xfffull};
  for (size_t i = 0; i < LDX_COUNT(huge); i++) {
    assert_int_equal(WITH(2, p_vaddr, huge[i] + 0x800), ELF_BAD_SEGMENT);
    assert_int_equal(WITH(2, p_memsz, huge[i]), ELF_BAD_SEGMENT);
  }
  assert_int_equal(WITH(2, p_memsz, UINT64_MAX), ELF_BAD_SEGMENT);
  assert_int_equal(WITH(2, p_memsz, (1ull << 47) - 0x4800), ELF_BAD_SEGMENT);
  assert_int_equal(WITH(2, p_memsz, (1ull << 47) - 0x5000), ELF_OK);
  assert_int_equal(im.end, (1ull << 47));
  assert_int_equal(WITH(2, p_filesz, 0x2001), ELF_BAD_SEGMENT); /* more in the file than in memory */
  assert_int_equal(WITH(2, p_filesz, UINT64_MAX), ELF_BAD_SEGMENT);
}

static void rejects_truncated(void **state) {
  fresh();
  assert_int_equal(read_headers(USUAL, 0x2f00), ELF_OK);
  assert_int_equal(read_headers(USUAL, 0x2eff), ELF_TRUNCATED);
  assert_int_equal(read_headers(USUAL, 0x1000), ELF_TRUNCATED);
  assert_int_equal(read_headers(USUAL, 0), ELF_TRUNCATED);
  assert_int_equal(read_headers(USUAL, UINT64_MAX), ELF_OK);
  assert_int_equal(WITH(2, p_offset, 1ull << 63 | 0x800), ELF_TRUNCATED);
  assert_int_equal(WITH(2, p_offset, UINT64_MAX - 0x7ff), ELF_TRUNCATED);
}

static void limits_segments(void **state) {
  Elf64_Phdr many[9];
  for (uint64_t i = 0; i < LDX_COUNT(many); i++)
    many[i] = (Elf64_Phdr){PT_LOAD, PF_R, 0, i * PAGE, 0, 8, 8, PAGE};
  assert_int_equal(elf_read_layout(many, 8, PAGE, segments, 8, &im), ELF_OK);
  assert_int_equal(elf_read_layout(many, 9, PAGE, segments, 8, &im), ELF_TOO_MANY_SEGMENTS);
  many[8].p_memsz = many[8].p_filesz = 0; /* nothing to map */
  assert_int_equal(elf_read_layout(many, 9, PAGE, segments, 8, &im), ELF_OK);
}

static void checks_tls(void **state) {
  const Elf64_Phdr good = {PT_TLS, PF_R, 0x2800, 0x4800, 0, 0x700, 0x900, 16};
  assert_int_equal(read_with(good), ELF_OK);
  assert_ptr_equal(im.tls, &ph[USUAL]);
  Elf64_Phdr t = good;
  t.p_filesz = 0x701; /* beyond what the file has */
  assert_int_equal(read_with(t), ELF_BAD_TLS);
  t.p_filesz = 0x901;
  assert_int_equal(read_with(t), ELF_BAD_TLS);
  t.p_filesz = 0x700, t.p_memsz = 0x6ff; /* more in the file than in memory */
  assert_int_equal(read_with(t), ELF_BAD_TLS);
  t = good, t.p_align = 24;
  assert_int_equal(read_with(t), ELF_BAD_TLS);
  t = good, t.p_align = 1ull << 31;
  assert_int_equal(read_with(t), ELF_BAD_TLS);
  t = good, t.p_memsz = UINT64_MAX;
  assert_int_equal(read_with(t), ELF_BAD_TLS);
  t = good, t.p_align = 0;
  assert_int_equal(read_with(t), ELF_OK);
}

static void tls_may_be_empty(void **state) {
  Elf64_Phdr t = {PT_TLS, PF_R, 0, 0x999999, 0, 0, 0x900, 16}; /* zeros only: the address has no meaning */
  assert_int_equal(read_with(t), ELF_OK);
  assert_ptr_equal(im.tls, &ph[USUAL]);
  t.p_memsz = 0;
  assert_int_equal(read_with(t), ELF_OK);
  assert_null(im.tls);
}

static void checks_relro(void **state) {
  Elf64_Phdr r = {PT_GNU_RELRO, PF_R, 0, 0x4800, 0, 0x800, 0x800, 1};
  assert_int_equal(read_with(r), ELF_OK);
  assert_ptr_equal(im.relro, &ph[USUAL]);
  r.p_memsz = 0x3800; /* the last page may be entered, as its protection ends before it */
  assert_int_equal(read_with(r), ELF_BAD_RELRO);
  r.p_memsz = 0x37ff;
  assert_int_equal(read_with(r), ELF_OK);
  r.p_memsz = UINT64_MAX - 0x4000;
  assert_int_equal(read_with(r), ELF_BAD_RELRO);
  r.p_vaddr = 0x9000, r.p_memsz = 0x1000;
  assert_int_equal(read_with(r), ELF_BAD_RELRO);
  r.p_memsz = 0;
  assert_int_equal(read_with(r), ELF_OK);
  assert_null(im.relro);
}

static void relro_begins_inside(void **state) {
  ph[0] = (Elf64_Phdr){PT_LOAD, PF_R | PF_W, 0, 0x10000, 0, 0x1000, 0x1000, PAGE};
  ph[1] = (Elf64_Phdr){PT_GNU_RELRO, PF_R, 0, 0xf000, 0, 0x1000, 0x1000, 1};
  assert_int_equal(read_headers(2, FILE_SIZE), ELF_BAD_RELRO);
  ph[1].p_vaddr = 0x10000;
  assert_int_equal(read_headers(2, FILE_SIZE), ELF_OK);
}

static void checks_dynamic(void **state) {
  assert_int_equal(WITH(3, p_vaddr, 0x4804), ELF_BAD_DYNAMIC);
  assert_int_equal(WITH(3, p_vaddr, 0x900), ELF_BAD_DYNAMIC);  /* between segments */
  assert_int_equal(WITH(3, p_vaddr, 0x4f00), ELF_BAD_DYNAMIC); /* zero-filled */
  assert_int_equal(WITH(3, p_vaddr, 0x4ef8), ELF_BAD_DYNAMIC); /* half an entry */
  assert_int_equal(WITH(3, p_vaddr, 0x4ef0), ELF_OK);
  assert_int_equal(WITH(3, p_vaddr, UINT64_MAX - 7), ELF_BAD_DYNAMIC);
}

/* Unwind tables are an extra: a header that points nowhere is as good as none. */
static void drops_bad_eh_frame(void **state) {
  Elf64_Phdr h = {PT_GNU_EH_FRAME, PF_R, 0, 0x100, 0, 0x20, 0x20, 4};
  assert_int_equal(read_with(h), ELF_OK);
  assert_ptr_equal(im.eh_frame_hdr, &ph[USUAL]);
  h.p_vaddr = 0x7fc;
  assert_int_equal(read_with(h), ELF_OK);
  assert_null(im.eh_frame_hdr);
}

static void notes_other_headers(void **state) {
  assert_int_equal(read_with((Elf64_Phdr){.p_type = PT_INTERP}), ELF_OK);
  assert_ptr_equal(im.interp, &ph[USUAL]);
  assert_int_equal(read_with((Elf64_Phdr){.p_type = PT_PHDR}), ELF_OK);
  assert_ptr_equal(im.phdr, &ph[USUAL]);
  assert_int_equal(read_with((Elf64_Phdr){.p_type = PT_GNU_PROPERTY}), ELF_OK);
  assert_ptr_equal(im.property, &ph[USUAL]);
  assert_int_equal(read_with((Elf64_Phdr){.p_type = PT_GNU_STACK}), ELF_OK);
  assert_ptr_equal(im.stack, &ph[USUAL]);
  assert_int_equal(read_with((Elf64_Phdr){.p_type = 0x12345678, .p_vaddr = UINT64_MAX}), ELF_OK);
}

static void room_ends_with_the_file(void **state) {
  fresh();
  assert_int_equal(read_usual(), ELF_OK);
  const struct {
    uint64_t vaddr, room;
  } cases[] = {{0, 0x800},      {1, 0x7ff},  {0x7ff, 1},  {0x800, 0},  {0xfff, 0},  {0x1000, 0x1234}, {0x47ff, 0},
               {0x4800, 0x700}, {0x4eff, 1}, {0x4f00, 0}, {0x67ff, 0}, {0x6800, 0}, {UINT64_MAX, 0}};
  for (size_t i = 0; i < LDX_COUNT(cases); i++)
    assert_int_equal(elf_room(&im, cases[i].vaddr), cases[i].room);
}

/* Where one segment ends and the next begins without a gap, there is room in the next. */
static void room_of_neighbours(void **state) {
  assert_int_equal(WITH(1, p_filesz, 0x1000), ELF_OK);
  ph[0].p_filesz = ph[0].p_memsz = 0x1000;
  assert_int_equal(read_usual(), ELF_OK);
  assert_int_equal(elf_room(&im, 0xfff), 1);
  assert_int_equal(elf_room(&im, 0x1000), 0x1000);
  assert_null(elf_at(&im, 0xfff, 2));
}

static void at_keeps_to_one_segment(void **state) {
  fresh();
  assert_int_equal(read_usual(), ELF_OK);
  im.bias = 0x7f0000000000;
  assert_ptr_equal(elf_at(&im, 0, 0x800), (void *)0x7f0000000000);
  assert_ptr_equal(elf_at(&im, 0x7ff, 1), (void *)0x7f00000007ff);
  assert_ptr_equal(elf_at(&im, 0x10, 0), (void *)0x7f0000000010);
  assert_null(elf_at(&im, 0, 0x801));
  assert_null(elf_at(&im, 0x800, 0));
  assert_null(elf_at(&im, 0x7ff, UINT64_MAX));
  assert_null(elf_at(&im, 0x4800, 0x701));
  assert_null(elf_at(&im, UINT64_MAX, 1));
  assert_null(elf_at(&im, UINT64_MAX - 3, 8));
}

static void at_needs_read_access(void **state) {
  assert_int_equal(WITH(0, p_flags, PF_X), ELF_OK);
  assert_null(elf_at(&im, 0x10, 1));
  assert_int_equal(elf_room(&im, 0x10), 0);
  assert_int_equal(WITH(0, p_flags, 0), ELF_OK);
  assert_null(elf_at(&im, 0x10, 1));
}

static void at_memory_knows_flags_and_zeros(void **state) {
  fresh();
  assert_int_equal(read_usual(), ELF_OK);
  im.bias = 0x10000;
  assert_ptr_equal(elf_at_memory(&im, 0x4800, 0x2000, PF_W), (void *)0x14800);
  assert_ptr_equal(elf_at_memory(&im, 0x67ff, 1, PF_R | PF_W), (void *)0x167ff);
  assert_null(elf_at_memory(&im, 0x4800, 0x2001, PF_W));
  assert_null(elf_at_memory(&im, 0x67ff, UINT64_MAX, PF_W));
  assert_null(elf_at_memory(&im, 0x6800, 0, 0));
  assert_null(elf_at_memory(&im, 0x4800, 1, PF_X));
  assert_null(elf_at_memory(&im, 0x1000, 1, PF_W));
  assert_non_null(elf_at_memory(&im, 0x1000, 1, PF_X));
  assert_null(elf_at_memory(&im, UINT64_MAX, 1, 0));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      CASE(reads_usual_layout),
      CASE(start_is_page_aligned),
      CASE(keeps_only_protection_flags),
      CASE(needs_a_segment),
      CASE(reads_alignment),
      CASE(checks_congruence),
      CASE(rejects_overlap),
      CASE(rejects_wrong_order),
      CASE(rejects_shared_page_of_two_protections),
      CASE(rejects_huge),
      CASE(rejects_truncated),
      CASE(limits_segments),
      CASE(checks_tls),
      CASE(tls_may_be_empty),
      CASE(checks_relro),
      CASE(relro_begins_inside),
      CASE(checks_dynamic),
      CASE(drops_bad_eh_frame),
      CASE(notes_other_headers),
      CASE(room_ends_with_the_file),
      CASE(room_of_neighbours),
      CASE(at_keeps_to_one_segment),
      CASE(at_needs_read_access),
      CASE(at_memory_knows_flags_and_zeros),
  };
  return RUN(tests);
}
