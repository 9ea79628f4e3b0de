/* elf_check_header and elf_phdrs: every field that is checked, one by one. */

#include "elf/image.h"
#include "image_writer.h"
#include "unit.h"

static struct ldx_span span_of(const struct image *im) { return (struct ldx_span){im->bytes, im->size}; }

/* The verdict over a good header with one byte changed. */
static enum elf_error with_byte(size_t at, uint8_t value) {
  struct image im = image_write(image_sample(0));
  im.bytes[at] = value;
  enum elf_error e = elf_check_header(span_of(&im));
  image_free(&im);
  return e;
}

#define WITH(field, value)                                                                                           \
  ({                                                                                                                 \
    struct image im_ = image_write(image_sample(0));                                                                 \
    im_.ehdr->field = (value);                                                                                       \
    enum elf_error e_ = elf_check_header(span_of(&im_));                                                             \
    image_free(&im_);                                                                                                \
    e_;                                                                                                              \
  })

static void accepts_written_images(void **state) {
  for (unsigned n = 0; image_sample(n); n++) {
    struct image im = image_write(image_sample(n));
    assert_int_equal(elf_check_header(span_of(&im)), ELF_OK);
    image_free(&im);
  }
}

static void checks_identification(void **state) {
  for (size_t i = 0; i < SELFMAG; i++)
    assert_int_equal(with_byte(i, 'x'), ELF_BAD_MAGIC);
  assert_int_equal(with_byte(EI_CLASS, ELFCLASS32), ELF_WRONG_CLASS);
  assert_int_equal(with_byte(EI_CLASS, ELFCLASSNONE), ELF_WRONG_CLASS);
  assert_int_equal(with_byte(EI_DATA, ELFDATA2MSB), ELF_WRONG_ENDIAN);
  assert_int_equal(with_byte(EI_DATA, 0), ELF_WRONG_ENDIAN);
  assert_int_equal(with_byte(EI_VERSION, 0), ELF_WRONG_IDENT_VERSION);
  assert_int_equal(with_byte(EI_VERSION, 2), ELF_WRONG_IDENT_VERSION);
}

static void checks_abi(void **state) {
  assert_int_equal(with_byte(EI_OSABI, ELFOSABI_GNU), ELF_OK);
  assert_int_equal(with_byte(EI_OSABI, ELFOSABI_FREEBSD), ELF_WRONG_OSABI);
  assert_int_equal(with_byte(EI_OSABI, 255), ELF_WRONG_OSABI);
  assert_int_equal(with_byte(EI_ABIVERSION, 1), ELF_WRONG_ABIVERSION);
  struct image im = image_write(image_sample(0));
  im.bytes[EI_OSABI] = ELFOSABI_GNU;
  for (unsigned v = 0; v < 256; v++) {
    im.bytes[EI_ABIVERSION] = (uint8_t)v;
    assert_int_equal(elf_check_header(span_of(&im)), v <= 3 ? ELF_OK : ELF_WRONG_ABIVERSION);
  }
  image_free(&im);
}

static void checks_fields(void **state) {
  assert_int_equal(WITH(e_version, 0), ELF_WRONG_VERSION);
  assert_int_equal(WITH(e_version, 2), ELF_WRONG_VERSION);
  assert_int_equal(WITH(e_machine, EM_386), ELF_WRONG_MACHINE);
  assert_int_equal(WITH(e_machine, EM_AARCH64), ELF_WRONG_MACHINE);
  assert_int_equal(WITH(e_type, ET_EXEC), ELF_OK);
  assert_int_equal(WITH(e_type, ET_REL), ELF_WRONG_TYPE);
  assert_int_equal(WITH(e_type, ET_CORE), ELF_WRONG_TYPE);
  assert_int_equal(WITH(e_type, ET_NONE), ELF_WRONG_TYPE);
  assert_int_equal(WITH(e_phentsize, sizeof(Elf64_Phdr) - 1), ELF_WRONG_PHENTSIZE);
  assert_int_equal(WITH(e_phentsize, 0), ELF_WRONG_PHENTSIZE);
}

/* The earliest fault is the one that is told: what a 32-bit file has further on means nothing. */
static void tells_the_first_fault(void **state) {
  struct image im = image_write(image_sample(0));
  memset(im.bytes + SELFMAG, 0xff, sizeof(Elf64_Ehdr) - SELFMAG);
  assert_int_equal(elf_check_header(span_of(&im)), ELF_WRONG_CLASS);
  image_free(&im);
}

/* Every length up to the whole header, in a block of just that size. */
static void checks_length(void **state) {
  struct image im = image_write(image_sample(0));
  for (size_t n = 0; n <= sizeof(Elf64_Ehdr); n++) {
    uint8_t *exact = malloc(n ? n : 1);
    memcpy(exact, im.bytes, n);
    struct ldx_span s = {exact, n};
    assert_int_equal(elf_check_header(s), n < sizeof(Elf64_Ehdr) ? ELF_TOO_SHORT : ELF_OK);
    if (n >= 4) {
      memcpy(exact, "#!/b", 4);
      assert_int_equal(elf_check_header(s), ELF_BAD_MAGIC);
    }
    free(exact);
  }
  image_free(&im);
}

static void finds_program_headers(void **state) {
  struct image im = image_write(image_sample(0));
  enum elf_error e = ELF_BAD_PHDRS;
  assert_ptr_equal(elf_phdrs(span_of(&im), im.size, &e), im.phdrs);
  assert_int_equal(e, ELF_OK);
  im.ehdr->e_phnum = 0;
  assert_null(elf_phdrs(span_of(&im), im.size, &e));
  assert_int_equal(e, ELF_NO_LOAD);
  image_free(&im);
}

/* In the file, but not in the part of it that was read: the caller must read on. */
static void tells_table_beyond_head(void **state) {
  struct image im = image_write(image_sample(0));
  size_t end = sizeof(Elf64_Ehdr) + im.ehdr->e_phnum * sizeof(Elf64_Phdr);
  enum elf_error e = ELF_BAD_PHDRS;
  assert_ptr_equal(elf_phdrs((struct ldx_span){im.bytes, end}, im.size, &e), im.phdrs);
  e = ELF_BAD_PHDRS;
  assert_null(elf_phdrs((struct ldx_span){im.bytes, end - 1}, im.size, &e));
  assert_int_equal(e, ELF_OK);
  assert_null(elf_phdrs((struct ldx_span){im.bytes, end - 1}, end - 1, &e));
  assert_int_equal(e, ELF_BAD_PHDRS);
  image_free(&im);
}

static void rejects_table_outside_file(void **state) {
  struct image im = image_write(image_sample(0));
  const uint64_t offsets[] = {im.size, im.size - 8, 1ull << 63, UINT64_MAX - 7, UINT64_MAX - 63, 65, 68};
  for (size_t i = 0; i < LDX_COUNT(offsets); i++) {
    enum elf_error e = ELF_OK;
    im.ehdr->e_phoff = offsets[i];
    assert_null(elf_phdrs(span_of(&im), im.size, &e));
    assert_int_equal(e, ELF_BAD_PHDRS);
  }
  enum elf_error e = ELF_OK;
  im.ehdr->e_phoff = 64;
  im.ehdr->e_phnum = UINT16_MAX;
  assert_null(elf_phdrs(span_of(&im), im.size, &e));
  assert_int_equal(e, ELF_BAD_PHDRS);
  image_free(&im);
}

static void every_error_has_a_text(void **state) {
  for (unsigned a = ELF_OK; a <= ELF_UNKNOWN_EH_FRAME; a++) {
    assert_string_not_equal(elf_error_text(a), "unknown error");
    for (unsigned b = ELF_OK; b < a; b++)
      assert_string_not_equal(elf_error_text(a), elf_error_text(b));
  }
  assert_string_equal(elf_error_text((enum elf_error)(ELF_UNKNOWN_EH_FRAME + 1)), "unknown error");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      CASE(accepts_written_images), CASE(checks_identification),   CASE(checks_abi),
      CASE(checks_fields),          CASE(tells_the_first_fault),   CASE(checks_length),
      CASE(finds_program_headers),  CASE(tells_table_beyond_head), CASE(rejects_table_outside_file),
      CASE(every_error_has_a_text),
  };
  return RUN(tests);
}
