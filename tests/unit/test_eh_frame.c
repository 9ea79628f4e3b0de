/* Unwind information: read in every encoding, written in one form, damaged. */
#include <link.h>

#include "elf/eh_frame.h"
#include "unit.h"

enum { WHERE = 0x10000, START = 0x2468ac, SIZE = 0x123, LSDA = 0x3579bd, PERSONALITY = 0x77777 };

struct bytes {
  uint8_t data[512];
  size_t size;
};

static void add(struct bytes *b, const void *p, size_t size) {
  assert_true(b->size + size <= sizeof b->data);
  if (size)
    memcpy(b->data + b->size, p, size);
  b->size += size;
}
static void add_number(struct bytes *b, uint64_t v, size_t size) { add(b, &v, size); }
static void add_text(struct bytes *b, const char *text) { add(b, text, strlen(text) + 1); }
static void add_uleb(struct bytes *b, uint64_t v) {
  for (; v >= 0x80; v >>= 7)
    add_number(b, v | 0x80, 1);
  add_number(b, v, 1);
}
static void add_sleb(struct bytes *b, int64_t v) {
  for (; v < -64 || v > 63; v >>= 7)
    add_number(b, (uint64_t)v | 0x80, 1);
  add_number(b, (uint64_t)v & 0x7f, 1);
}
static void end_record(struct bytes *b, size_t begin) {
  uint32_t size = (uint32_t)(b->size - begin - 4);
  memcpy(b->data + begin, &size, 4);
}

static void add_raw(struct bytes *b, uint8_t format, uint64_t v) {
  static const uint8_t sizes[16] = {[0] = 8, [2] = 2, [3] = 4, [4] = 8, [0xa] = 2, [0xb] = 4, [0xc] = 8};
  if (format == ELF_EH_ULEB128)
    add_uleb(b, v);
  else if (format == ELF_EH_SLEB128)
    add_sleb(b, (int64_t)v);
  else
    add_number(b, v, sizes[format]);
}

/* A pointer with that value when it is read at WHERE. */
static void add_pointer(struct bytes *b, uint8_t encoding, uint64_t v, uint64_t function) {
  if ((encoding & 0x70) == ELF_EH_ALIGNED)
    while (b->size % 8)
      add_number(b, 0, 1);
  uint64_t base = (encoding & 0x70) == ELF_EH_PCREL     ? WHERE + b->size
                  : (encoding & 0x70) == ELF_EH_FUNCREL ? function
                                                        : 0;
  add_raw(b, encoding & 0x0f, v - base);
}

struct shape {
  const char *augmentation;
  uint8_t version, personality, lsda, code; /* encodings */
  uint64_t start, size;
  const void *cie_cfa, *fde_cfa;
  size_t cie_cfa_size, fde_cfa_size;
};
#define USUAL .version = 1, .start = START, .size = SIZE
#define CFA(text) .fde_cfa = text, .fde_cfa_size = sizeof(text) - 1

static void add_cie(struct bytes *b, const struct shape *s) {
  size_t begin = b->size;
  add_number(b, 0, 8);
  add_number(b, s->version, 1);
  add_text(b, s->augmentation);
  if (s->version == 4)
    add_number(b, 8, 2);
  add_uleb(b, 1);
  add_sleb(b, -8);
  add_uleb(b, 16);
  size_t at = b->size;
  if (*s->augmentation == 'z')
    add_number(b, 0, 1);
  for (const char *p = s->augmentation; *p; p++) {
    if (*p == 'P') {
      add_number(b, s->personality, 1);
      add_pointer(b, s->personality, PERSONALITY, 0);
    } else if (*p == 'L') {
      add_number(b, s->lsda, 1);
    } else if (*p == 'R') {
      add_number(b, s->code, 1);
    }
  }
  if (*s->augmentation == 'z')
    b->data[at] = (uint8_t)(b->size - at - 1);
  add(b, s->cie_cfa, s->cie_cfa_size);
  end_record(b, begin);
}

static void add_fde(struct bytes *b, const struct shape *s, size_t cie) {
  size_t begin = b->size;
  add_number(b, 0, 4);
  add_number(b, b->size - cie, 4);
  add_pointer(b, s->code, s->start, 0);
  add_raw(b, s->code & 0x0f, s->size);
  size_t at = b->size;
  if (*s->augmentation == 'z')
    add_number(b, 0, 1);
  if (strchr(s->augmentation, 'L') && s->lsda != ELF_EH_OMIT)
    add_pointer(b, s->lsda, LSDA, s->start);
  if (*s->augmentation == 'z')
    b->data[at] = (uint8_t)(b->size - at - 1);
  add(b, s->fde_cfa, s->fde_cfa_size);
  end_record(b, begin);
}

static struct bytes shaped(const struct shape *s) {
  struct bytes b = {.size = 0};
  add_cie(&b, s);
  add_fde(&b, s, 0);
  return b;
}

static struct elf_frames frames_of(const struct bytes *b) {
  return (struct elf_frames){{b->data, b->size}, WHERE, 0};
}

/* What the reader says of the first FDE. */
static enum elf_error verdict(const struct bytes *b, struct elf_fde *out) {
  struct elf_frames f = frames_of(b);
  enum elf_error e;
  return elf_next_fde(&f, out, &e) ? ELF_OK : e;
}
static enum elf_error shape_verdict(const struct shape *s) {
  struct bytes b = shaped(s);
  struct elf_fde fde;
  return verdict(&b, &fde);
}

/* One CIE and one FDE in the written form. */
static struct bytes written(const struct elf_fde *fde, bool own_table) {
  struct bytes b = {.size = 0};
  struct elf_frame_output out = {b.data, sizeof b.data, 0};
  elf_write_cie(&out, &fde->cie);
  assert_int_equal(out.size % 8, 0);
  elf_write_fde(&out, fde, 0, own_table);
  assert_int_equal(out.size % 8, 0);
  struct elf_frame_output counted = {0};
  elf_write_cie(&counted, &fde->cie);
  elf_write_fde(&counted, fde, 0, own_table);
  assert_int_equal(counted.size, out.size);
  b.size = out.size;
  return b;
}

static void assert_same(const struct elf_fde *a, const struct elf_fde *b) {
  assert_int_equal(a->start, b->start);
  assert_int_equal(a->size, b->size);
  assert_int_equal(a->lsda.value, b->lsda.value);
  assert_int_equal(a->cie.lsda == ELF_EH_OMIT, b->cie.lsda == ELF_EH_OMIT);
  assert_int_equal(a->cie.personality.value, b->cie.personality.value);
  assert_int_equal(a->cie.personality.indirect, b->cie.personality.indirect);
  assert_int_equal(a->cie.code_align, b->cie.code_align);
  assert_int_equal(a->cie.data_align, b->cie.data_align);
  assert_int_equal(a->cie.return_register, b->cie.return_register);
  assert_int_equal(a->cie.signal, b->cie.signal);
  assert_int_equal(a->cie.b_key, b->cie.b_key);
}

static const uint8_t formats[] = {ELF_EH_ABSPTR,  ELF_EH_ULEB128, ELF_EH_UDATA4, ELF_EH_UDATA8,
                                  ELF_EH_SLEB128, ELF_EH_SDATA4,  ELF_EH_SDATA8};

/* Pointers in all encodings have the same value, and end up in the same bytes. */
static void reads_all_encodings(void **state) {
  struct bytes first = {.size = 0};
  static const uint8_t bases[] = {0, ELF_EH_PCREL, ELF_EH_FUNCREL, ELF_EH_ALIGNED};
  for (size_t f = 0; f < LDX_COUNT(formats); f++)
    for (size_t base = 0; base < LDX_COUNT(bases); base++) {
      uint8_t code = formats[f] | (base == 1 ? ELF_EH_PCREL : 0), lsda = formats[f] | bases[base],
              personality = bases[base] == ELF_EH_FUNCREL ? formats[f] : lsda;
      struct shape s = {.augmentation = "zPLR",
                        USUAL,
                        .personality = personality,
                        .lsda = lsda,
                        .code = code,
                        .cie_cfa = "\x0c\x07\x08\x90\x01",
                        .cie_cfa_size = 5,
                        CFA("\x41\x0e\x10")};
      enum elf_error expected = bases[base] == ELF_EH_ALIGNED && formats[f] ? ELF_UNKNOWN_EH_FRAME : ELF_OK;
      struct elf_fde fde;
      struct bytes b = shaped(&s);
      assert_int_equal(verdict(&b, &fde), expected);
      if (expected)
        continue;
      assert_int_equal(fde.start, START);
      assert_int_equal(fde.size, SIZE);
      assert_int_equal(fde.lsda.value, LSDA);
      assert_int_equal(fde.cie.personality.value, PERSONALITY);
      assert_false(fde.lsda.indirect || fde.cie.personality.indirect);
      struct bytes w = written(&fde, false);
      if (!first.size)
        first = w;
      assert_int_equal(w.size, first.size);
      assert_memory_equal(w.data, first.data, w.size);
    }
}

/* Two bytes hold no whole address, but a distance. */
static void reads_short_distances(void **state) {
  for (unsigned i = 0; i < 2; i++) {
    struct shape s = {.augmentation = "zR",
                      .version = 1,
                      .start = WHERE + 0x100,
                      .size = 0x7f0,
                      .code = ELF_EH_PCREL | (i ? ELF_EH_SDATA2 : ELF_EH_UDATA2)};
    struct bytes b = shaped(&s);
    struct elf_fde fde;
    assert_int_equal(verdict(&b, &fde), ELF_OK);
    assert_int_equal(fde.start, WHERE + 0x100);
    assert_int_equal(fde.size, 0x7f0);
    if (i == 0)
      continue;
    s.start = WHERE - 0x100;
    b = shaped(&s);
    assert_int_equal(verdict(&b, &fde), ELF_OK);
    assert_int_equal(fde.start, WHERE - 0x100);
  }
}

static void refuses_other_encodings(void **state) {
  static const uint8_t bad[] = {0x05, 0x06, 0x08, 0x0d, 0x0f, 0x20, 0x2b, 0x30, 0x3b, 0x5b, 0x60, 0x70, 0x7c};
  for (size_t i = 0; i < LDX_COUNT(bad); i++)
    for (unsigned which = 0; which < 3; which++) {
      struct shape s = {.augmentation = "zPLR", USUAL};
      *(which == 0 ? &s.personality : which == 1 ? &s.lsda : &s.code) = bad[i];
      assert_int_equal(shape_verdict(&s), ELF_UNKNOWN_EH_FRAME);
    }
  /* Only where somebody reads them so. */
  assert_int_equal(shape_verdict(&(struct shape){.augmentation = "zR", USUAL, .code = ELF_EH_FUNCREL}),
                   ELF_UNKNOWN_EH_FRAME);
  assert_int_equal(shape_verdict(&(struct shape){.augmentation = "zR", USUAL, .code = ELF_EH_ALIGNED}),
                   ELF_UNKNOWN_EH_FRAME);
  assert_int_equal(shape_verdict(&(struct shape){.augmentation = "zR", USUAL, .code = ELF_EH_INDIRECT}),
                   ELF_UNKNOWN_EH_FRAME);
  assert_int_equal(shape_verdict(&(struct shape){.augmentation = "zR", USUAL, .code = ELF_EH_OMIT}),
                   ELF_UNKNOWN_EH_FRAME);
  assert_int_equal(shape_verdict(&(struct shape){.augmentation = "zPR", USUAL, .personality = ELF_EH_FUNCREL}),
                   ELF_UNKNOWN_EH_FRAME);
  assert_int_equal(shape_verdict(&(struct shape){.augmentation = "zPR", USUAL, .personality = ELF_EH_OMIT}),
                   ELF_UNKNOWN_EH_FRAME);
}

/* The word that has the pointer may be written later: it is not read here, and stays a word to be read. */
static void keeps_indirect_pointers(void **state) {
  struct shape s = {.augmentation = "zPLR",
                    USUAL,
                    .personality = ELF_EH_INDIRECT | ELF_EH_PCREL | ELF_EH_SDATA4,
                    .lsda = ELF_EH_INDIRECT | ELF_EH_PCREL | ELF_EH_SDATA4,
                    .code = ELF_EH_PCREL | ELF_EH_SDATA4};
  struct bytes b = shaped(&s);
  struct elf_fde fde, again;
  for (unsigned i = 0; i < 2; i++) {
    assert_int_equal(verdict(&b, &fde), ELF_OK);
    assert_true(fde.cie.personality.indirect && fde.lsda.indirect);
    assert_int_equal(fde.cie.personality.value, PERSONALITY);
    assert_int_equal(fde.lsda.value, LSDA);
    b = written(&fde, i);
  }
  assert_int_equal(verdict(&b, &again), ELF_OK);
  assert_same(&fde, &again);
}

/* A stored zero is no pointer, whatever is to be added to it. */
static void reads_null_pointers(void **state) {
  struct shape s = {.augmentation = "zLR", USUAL, .lsda = ELF_EH_PCREL | ELF_EH_SDATA4, .code = ELF_EH_ABSPTR};
  struct bytes b = shaped(&s);
  struct elf_fde fde;
  assert_int_equal(verdict(&b, &fde), ELF_OK);
  assert_int_equal(fde.lsda.value, LSDA);
  memset(b.data + b.size - 4, 0, 4);
  assert_int_equal(verdict(&b, &fde), ELF_OK);
  assert_int_equal(fde.lsda.value, 0);
  assert_int_equal(fde.cie.lsda, s.lsda);
  b = written(&fde, false);
  assert_int_equal(verdict(&b, &fde), ELF_OK);
  assert_int_equal(fde.lsda.value, 0);
  assert_int_equal(fde.cie.lsda, ELF_EH_ABSPTR);
}

static void reads_augmentations(void **state) {
  static const struct {
    const char *text;
    enum elf_error error;
  } rows[] = {{"", ELF_OK},
              {"z", ELF_OK},
              {"zR", ELF_OK},
              {"zS", ELF_OK},
              {"zRS", ELF_OK},
              {"zRB", ELF_OK},
              {"zPR", ELF_OK},
              {"zRP", ELF_OK},
              {"zLRSB", ELF_OK},
              {"R", ELF_UNKNOWN_EH_FRAME},
              {"eh", ELF_UNKNOWN_EH_FRAME},
              {"zX", ELF_UNKNOWN_EH_FRAME},
              {"zRz", ELF_UNKNOWN_EH_FRAME}};
  for (size_t i = 0; i < LDX_COUNT(rows); i++) {
    struct shape s = {.augmentation = rows[i].text, USUAL};
    struct bytes b = shaped(&s);
    struct elf_fde fde, again;
    assert_int_equal(verdict(&b, &fde), rows[i].error);
    if (rows[i].error)
      continue;
    assert_int_equal(fde.cie.signal, strchr(rows[i].text, 'S') != NULL);
    assert_int_equal(fde.cie.b_key, strchr(rows[i].text, 'B') != NULL);
    assert_int_equal(fde.cie.personality.value, strchr(rows[i].text, 'P') ? PERSONALITY : 0);
    b = written(&fde, true);
    assert_int_equal(verdict(&b, &again), ELF_OK);
    assert_same(&fde, &again);
  }
}

static void reads_versions(void **state) {
  for (unsigned version = 0; version < 6; version++) {
    struct shape s = {.augmentation = "zR", .version = (uint8_t)version, .start = START, .size = SIZE};
    bool good = version == 1 || version == 3 || version == 4;
    assert_int_equal(shape_verdict(&s), good ? ELF_OK : ELF_UNKNOWN_EH_FRAME);
  }
  struct bytes b = shaped(&(struct shape){.augmentation = "z", .version = 4, .start = START, .size = SIZE});
  struct elf_fde fde;
  b.data[11] = 4; /* bytes of an address */
  assert_int_equal(verdict(&b, &fde), ELF_UNKNOWN_EH_FRAME);
}

static void refuses_long_format(void **state) {
  struct bytes b = {.size = 0};
  add_number(&b, UINT32_MAX, 4);
  add_number(&b, 24, 8);
  for (unsigned i = 0; i < 3; i++)
    add_number(&b, 0, 8);
  struct elf_fde fde;
  assert_int_equal(verdict(&b, &fde), ELF_LONG_EH_FRAME);
  struct shape s = {.augmentation = "zR", USUAL};
  b = shaped(&s);
  memset(b.data, 0xff, 4); /* of the CIE: seen first */
  assert_int_equal(verdict(&b, &fde), ELF_LONG_EH_FRAME);
}

/* With and without a terminator; what stands behind it is not looked at. */
static void walks_records(void **state) {
  struct shape s = {.augmentation = "zR", USUAL, .code = ELF_EH_PCREL | ELF_EH_SDATA4};
  struct bytes b = {.size = 0};
  add_cie(&b, &s);
  add_fde(&b, &s, 0);
  size_t cie = b.size;
  add_cie(&b, &s);
  s.start += 0x1000;
  add_fde(&b, &s, cie);
  s.start += 0x1000;
  add_fde(&b, &s, 0);
  for (unsigned i = 0; i < 3; i++) {
    struct elf_frames f = frames_of(&b);
    struct elf_fde fde;
    enum elf_error e;
    for (uint64_t n = 0; n < 3; n++) {
      assert_true(elf_next_fde(&f, &fde, &e));
      assert_int_equal(e, ELF_OK);
      assert_int_equal(fde.start, START + n * 0x1000);
      assert_int_equal(fde.cie_offset, n == 1 ? cie : 0);
    }
    assert_false(elf_next_fde(&f, &fde, &e));
    assert_int_equal(e, ELF_OK);
    assert_false(elf_next_fde(&f, &fde, &e));
    assert_int_equal(e, ELF_OK);
    add(&b, i ? "junk" : "\0\0\0", 4);
  }
  struct elf_frames none = {{NULL, 0}, WHERE, 0};
  struct elf_fde fde;
  enum elf_error e;
  assert_false(elf_next_fde(&none, &fde, &e));
  assert_int_equal(e, ELF_OK);
}

static enum elf_error cfa_verdict(const void *bytes, size_t size) {
  return shape_verdict(&(struct shape){.augmentation = "zR", USUAL, .fde_cfa = bytes, .fde_cfa_size = size});
}
#define ASSERT_CFA(text, error) assert_int_equal(cfa_verdict(text, sizeof(text) - 1), error)

static void checks_instructions(void **state) {
  ASSERT_CFA("\x41\x02\x10\x03\x10\x20\x04\1\2\3\4\x86\x02\xc6\x00", ELF_OK);
  ASSERT_CFA("\x05\x06\x81\x01\x06\x06\x07\x06\x08\x06\x09\x06\x07\x0c\x07\x08\x0d\x06\x0e\x10", ELF_OK);
  ASSERT_CFA("\x11\x06\x7f\x12\x07\x7f\x13\x7f\x14\x06\x01\x15\x06\x7f\x2e\x10\x2f\x06\x01", ELF_OK);
  ASSERT_CFA("\x0a\x0a\x0b\x0b", ELF_OK);
  ASSERT_CFA("\x0a\x0b\x0b", ELF_BAD_EH_FRAME); /* nothing remembered */
  ASSERT_CFA("\x0b", ELF_BAD_EH_FRAME);
  ASSERT_CFA("\x04\1\2\3", ELF_BAD_EH_FRAME); /* cut off */
  ASSERT_CFA("\x0e\x80", ELF_BAD_EH_FRAME);
  ASSERT_CFA("\x0e\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", ELF_OK);
  ASSERT_CFA("\x0e\xff\xff\xff\xff\xff\xff\xff\xff\xff\x03", ELF_BAD_EH_FRAME); /* more than 64 bits */
  ASSERT_CFA("\x0e\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", ELF_BAD_EH_FRAME);
  ASSERT_CFA("\x13\x80\x80\x80\x80\x80\x80\x80\x80\x80\x7f", ELF_OK);
  ASSERT_CFA("\x13\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", ELF_BAD_EH_FRAME);
  ASSERT_CFA("\x0d\x81\x01", ELF_OK); /* 129 is the last register */
  ASSERT_CFA("\x0d\x82\x01", ELF_UNKNOWN_EH_FRAME);
  static const uint8_t unknown[] = {0x17, 0x1c, 0x1d, 0x2c, 0x2d, 0x30, 0x3f};
  for (size_t i = 0; i < LDX_COUNT(unknown); i++)
    assert_int_equal(cfa_verdict(&unknown[i], 1), ELF_UNKNOWN_EH_FRAME);
  struct shape s = {.augmentation = "zR", USUAL, .cie_cfa = "\x2d", .cie_cfa_size = 1};
  assert_int_equal(shape_verdict(&s), ELF_UNKNOWN_EH_FRAME);
}

static void checks_expressions(void **state) {
  ASSERT_CFA("\x0f\x03\x77\x08\x06", ELF_OK); /* breg7 8, deref */
  ASSERT_CFA("\x10\x06\x02\x76\x78", ELF_OK);
  ASSERT_CFA("\x0f\x0b\x77\x08\x80\x00\x3f\x1a\x3b\x2a\x33\x24\x22", ELF_OK); /* of a PLT */
  ASSERT_CFA("\x0f\x0b\x77\x08\x80\x00\x3f\x1a\x3b\x2a\x33\x24", ELF_BAD_EH_FRAME);
  ASSERT_CFA("\x0f\x09\x03\1\2\3\4\5\6\7\x08", ELF_OK);
  ASSERT_CFA("\x0f\x08\x03\1\2\3\4\5\6\7", ELF_BAD_EH_FRAME); /* the operand reaches out of the expression */
  ASSERT_CFA("\x0f\x0a\x08\1\x0b\1\1\x0d\1\1\1\1", ELF_OK);
  ASSERT_CFA("\x0f\x0b\x10\x81\x01\x11\x7f\x23\x04\x15\1\x94\4", ELF_OK);
  ASSERT_CFA("\x0f\x05\x90\x07\x92\x07\x08", ELF_OK);
  ASSERT_CFA("\x0f\x03\x90\x82\x01", ELF_UNKNOWN_EH_FRAME);
  ASSERT_CFA("\x0f\x04\x2f\x01\x00\x96", ELF_OK); /* to the end */
  ASSERT_CFA("\x0f\x04\x28\xfd\xff\x96", ELF_OK); /* to the begin */
  ASSERT_CFA("\x0f\x04\x2f\x02\x00\x96", ELF_BAD_EH_FRAME);
  ASSERT_CFA("\x0f\x04\x28\xfc\xff\x96", ELF_BAD_EH_FRAME);
  ASSERT_CFA("\x0f\x7f\x96", ELF_BAD_EH_FRAME);
  ASSERT_CFA("\x0f\x00", ELF_OK);
  static const uint8_t unknown[] = {0x00, 0x07, 0x18, 0x97, 0x98, 0x9c, 0xe0, 0xf1 /* depends on where it stands */};
  for (size_t i = 0; i < LDX_COUNT(unknown); i++) {
    uint8_t bytes[] = {0x0f, 1, unknown[i]};
    assert_int_equal(cfa_verdict(bytes, sizeof bytes), ELF_UNKNOWN_EH_FRAME);
  }
}

/* Of all instructions only this one depends on where it stands. */
static void rewrites_set_loc(void **state) {
  static const uint8_t encodings[] = {ELF_EH_ABSPTR, ELF_EH_PCREL | ELF_EH_SDATA4, ELF_EH_PCREL | ELF_EH_SDATA8};
  struct bytes first = {.size = 0};
  for (size_t i = 0; i < LDX_COUNT(encodings); i++) {
    struct shape s = {.augmentation = "zR", USUAL, .code = encodings[i]};
    struct bytes b = {.size = 0};
    add_cie(&b, &s);
    size_t begin = b.size;
    add_fde(&b, &s, 0);
    add(&b, "\x0e\x10\x01", 3);
    add_pointer(&b, encodings[i], START + 5, 0);
    add(&b, "\x0e\x08", 2);
    end_record(&b, begin);
    struct elf_fde fde;
    assert_int_equal(verdict(&b, &fde), ELF_OK);
    struct bytes w = written(&fde, false);
    if (!i)
      first = w;
    assert_int_equal(w.size, first.size);
    assert_memory_equal(w.data, first.data, w.size);
  }
  static const uint8_t expected[] = "\x0e\x10\x01\xb1\x68\x24\0\0\0\0\0\x0e\x08";
  assert_non_null(memmem(first.data, first.size, expected, sizeof expected - 1));
}

/* What is written is read as it was, and written again the same: also elsewhere, and with its own table. */
static void writes_one_form(void **state) {
  struct shape s = {.augmentation = "zPLRS",
                    USUAL,
                    .personality = ELF_EH_PCREL | ELF_EH_SDATA4,
                    .lsda = ELF_EH_PCREL | ELF_EH_SDATA4,
                    .code = ELF_EH_PCREL | ELF_EH_SDATA4,
                    .cie_cfa = "\x0c\x07\x08\x90\x01",
                    .cie_cfa_size = 5,
                    CFA("\x41\x0e\x10\x86\x02")};
  struct bytes b = shaped(&s), w[4];
  struct elf_fde fde, again;
  assert_int_equal(verdict(&b, &fde), ELF_OK);
  for (unsigned i = 0; i < 2; i++) {
    w[i] = written(&fde, i);
    struct elf_frames f = {{w[i].data, w[i].size}, 0x7f0000000001 /* anywhere */, 0};
    enum elf_error e;
    assert_true(elf_next_fde(&f, &again, &e));
    assert_same(&fde, &again);
    w[2 + i] = written(&again, i);
    assert_int_equal(w[i].size, w[2 + i].size);
    assert_memory_equal(w[i].data, w[2 + i].data, w[i].size);
  }
  uint32_t cie_size;
  struct {
    uint32_t size, cie;
    uint64_t start, length;
    uint8_t augmentation;
  } head;
  memcpy(&cie_size, w[1].data, 4);
  const uint8_t *at = w[1].data + cie_size + 4;
  memcpy(&head, at, sizeof head);
  assert_int_equal(head.size, w[1].size - cie_size - 8);
  assert_int_equal(head.cie, cie_size + 4 + ELF_FDE_CIE);
  assert_int_equal(head.start, START);
  assert_int_equal(head.length, SIZE);
  assert_int_equal(head.augmentation, ELF_FDE_TABLE + 20 - 25);
  assert_memory_equal(at + ELF_FDE_TABLE + 20, "\x41\x0e\x10\x86\x02", 5);
}

/* Copied without their own tables they are as if they had been written without. */
static void copies_records(void **state) {
  for (unsigned i = 0; i < 2; i++) {
    struct shape s = {.augmentation = i ? "zPLR" : "zPR", USUAL, CFA("\x41\x0e\x10\x86\x02")};
    struct bytes b = shaped(&s), copy = {.size = 0};
    struct elf_fde fde, again;
    assert_int_equal(verdict(&b, &fde), ELF_OK);
    struct bytes w = written(&fde, true), plain = written(&fde, false);
    uint32_t cie_size;
    memcpy(&cie_size, w.data, 4);
    for (unsigned pass = 0; pass < 2; pass++) {
      struct elf_frame_output out = {copy.data, pass ? copy.size : 0, 0};
      elf_copy_cie(&out, w.data);
      elf_copy_fde(&out, w.data + cie_size + 4, w.data, 0);
      copy.size = out.size;
    }
    assert_int_equal(verdict(&copy, &again), ELF_OK);
    assert_same(&fde, &again);
    assert_true(copy.size <= w.size);
    assert_memory_equal(copy.data, plain.data, cie_size + 4);
    const uint8_t *from = copy.data + cie_size + 4, *to = plain.data + cie_size + 4;
    assert_memory_equal(from + 4, to + 4, (i ? 33 : 25) + 5 - 4);
  }
}

static void writes_no_more_than_fits(void **state) {
  struct shape s = {.augmentation = "zPLR", USUAL, CFA("\x41\x0e\x10\x86\x02")};
  struct bytes b = shaped(&s);
  struct elf_fde fde;
  assert_int_equal(verdict(&b, &fde), ELF_OK);
  size_t all = written(&fde, true).size;
  for (size_t room = 0; room <= all; room++) {
    struct elf_frame_output out = {malloc(room ? room : 1), room, 0};
    elf_write_cie(&out, &fde.cie);
    elf_write_fde(&out, &fde, 0, true);
    assert_int_equal(out.size, all);
    free(out.at);
  }
}

/* Reads all in a block of the exact size, and writes it. */
static unsigned count_frames(const uint8_t *data, size_t size) {
  uint8_t *exact = malloc(size ? size : 1), space[1024] = {0};
  memcpy(exact, data, size);
  struct elf_frames f = {{exact, size}, WHERE, 0};
  struct elf_fde fde;
  enum elf_error e;
  unsigned count = 0;
  for (; elf_next_fde(&f, &fde, &e); count++) {
    struct elf_frame_output out = {space, sizeof space, 0};
    elf_write_cie(&out, &fde.cie);
    elf_write_fde(&out, &fde, 0, count % 2);
    assert_true(fde.start + fde.size >= fde.start);
  }
  assert_in_range(e, ELF_OK, ELF_UNKNOWN_EH_FRAME);
  free(exact);
  return count;
}

static struct bytes rich(void) {
  struct shape s = {
      .augmentation = "zPLR",
      USUAL,
      .personality = ELF_EH_INDIRECT | ELF_EH_PCREL | ELF_EH_SDATA4,
      .lsda = ELF_EH_PCREL | ELF_EH_SDATA4,
      .code = ELF_EH_PCREL | ELF_EH_SDATA4,
      .cie_cfa = "\x0c\x07\x08\x90\x01\0\0",
      .cie_cfa_size = 7,
      CFA("\x41\x0e\x10\x0a\x86\x02\x0b\x0f\x0b\x77\x08\x80\x00\x3f\x1a\x3b\x2a\x33\x24\x22\x01\1\2\3\4\x16"
          "\x06\x04\x28\xfd\xff\x96")};
  struct bytes b = shaped(&s);
  size_t cie = b.size;
  s.version = 4;
  s.lsda = ELF_EH_ALIGNED;
  s.code = ELF_EH_ULEB128;
  s.fde_cfa_size = 3;
  add_cie(&b, &s);
  add_fde(&b, &s, cie);
  add_number(&b, 0, 4);
  return b;
}

static void survives_truncation(void **state) {
  struct bytes b = rich();
  assert_int_equal(count_frames(b.data, b.size), 2);
  for (size_t size = 0; size < b.size; size++)
    assert_true(count_frames(b.data, size) <= 2);
}

static void survives_damage(void **state) {
  struct bytes b = rich();
  for (size_t at = 0; at < b.size; at++) {
    uint8_t good = b.data[at];
    for (unsigned v = 0; v < 256; v++) {
      b.data[at] = (uint8_t)v;
      count_frames(b.data, b.size);
    }
    b.data[at] = good;
  }
}

static void survives_huge_lengths(void **state) {
  struct bytes b = rich();
  static const uint32_t lengths[] = {1, 2, 3, 4, 0x7fffffff, 0x80000000, 0xfffffff0, 0xfffffffe};
  for (size_t at = 0; at + 4 <= b.size; at += 4)
    for (size_t i = 0; i < LDX_COUNT(lengths); i++) {
      struct bytes bad = b;
      memcpy(bad.data + at, &lengths[i], 4);
      count_frames(bad.data, bad.size);
    }
}

/* A range that runs over the end of all addresses. */
static void refuses_endless_code(void **state) {
  struct shape s = {.augmentation = "z", .version = 1, .start = 2, .size = UINT64_MAX - 2};
  assert_int_equal(shape_verdict(&s), ELF_OK);
  s.start = 3;
  assert_int_equal(shape_verdict(&s), ELF_BAD_EH_FRAME);
}

/* The linker's table of each library of this process names the FDEs that are read of its .eh_frame. */
static int compare_with_table(struct dl_phdr_info *info, size_t size, void *arg) {
  (void)size;
  uintptr_t end = 0;
  const struct elf_frame_header *h = NULL;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
    if (ph->p_type == PT_GNU_EH_FRAME)
      h = (const void *)(info->dlpi_addr + ph->p_vaddr);
  }
  for (int i = 0; h && i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
    uintptr_t begin = info->dlpi_addr + ph->p_vaddr;
    if (ph->p_type == PT_LOAD && (uintptr_t)h >= begin && (uintptr_t)h < begin + ph->p_filesz)
      end = begin + ph->p_filesz;
  }
  if (!h || h->table_encoding != (ELF_EH_DATAREL | ELF_EH_SDATA4))
    return 0;
  uintptr_t base = (uintptr_t)&h->eh_frame + (intptr_t)h->eh_frame;
  struct elf_frames f = {{(const void *)base, end - base}, base, 0};
  struct elf_fde fde;
  enum elf_error e;
  uint32_t count = 0;
  while (elf_next_fde(&f, &fde, &e)) {
    uint32_t i = elf_find_frame(h->at, h->count, (int64_t)(fde.start - (uintptr_t)h));
    assert_int_not_equal(i, h->count);
    assert_int_equal(h->at[i].start + (intptr_t)h, fde.start);
    count++;
  }
  assert_int_equal(e, ELF_OK);
  assert_int_equal(count, h->count);
  ++*(unsigned *)arg;
  return 0;
}

static void agrees_with_linkers_tables(void **state) {
  unsigned objects = 0;
  dl_iterate_phdr(compare_with_table, &objects);
  assert_true(objects >= 2);
}

static void finds_entries(void **state) {
  struct elf_frame_entry table[20];
  for (uint32_t count = 0; count <= LDX_COUNT(table); count++) {
    for (uint32_t i = 0; i < count; i++)
      table[i] = (struct elf_frame_entry){(int32_t)i * 10 - 50, 0};
    for (int32_t at = -70; at < 200; at++) {
      uint32_t expected = count;
      for (uint32_t i = 0; i < count; i++)
        if (table[i].start <= at)
          expected = i;
      assert_int_equal(elf_find_frame(table, count, at), expected);
    }
    assert_int_equal(elf_find_frame(table, count, INT64_MIN), count);
    assert_int_equal(elf_find_frame(table, count, INT64_MAX), count ? count - 1 : 0);
  }
}

static void writes_headers(void **state) {
  struct elf_frame_header h;
  memset(&h, 0xff, sizeof h);
  elf_init_frame_header(&h, 0x20000, 0x1f000);
  assert_memory_equal(&h, "\x01\x1b\x03\x3b", 4);
  assert_int_equal(h.eh_frame, -0x1004);
  assert_int_equal(h.count, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      CASE(reads_all_encodings),
      CASE(reads_short_distances),
      CASE(refuses_other_encodings),
      CASE(keeps_indirect_pointers),
      CASE(reads_null_pointers),
      CASE(reads_augmentations),
      CASE(reads_versions),
      CASE(refuses_long_format),
      CASE(walks_records),
      CASE(checks_instructions),
      CASE(checks_expressions),
      CASE(rewrites_set_loc),
      CASE(writes_one_form),
      CASE(copies_records),
      CASE(writes_no_more_than_fits),
      CASE(survives_truncation),
      CASE(survives_damage),
      CASE(survives_huge_lengths),
      CASE(refuses_endless_code),
      CASE(agrees_with_linkers_tables),
      CASE(finds_entries),
      CASE(writes_headers),
  };
  return RUN(tests);
}
