/* Faults as values: the first stays, long ones are kept whole, and lack of memory is told. */
#include <errno.h>
#include <sys/syscall.h>

#include "base/diag.h"
#include "base/print.h"
#include "unit.h"

static struct ldx_heap heap;

static void keeps_a_fault(void **state) {
  struct ldx_diag d = {.heap = &heap};
  assert_false(ldx_failed(&d));
  assert_false(ldx_fail(&d, LDX_DIAG_LOAD, ENOENT, "libx.so", "cannot open %s: %u", "it", 5u));
  assert_true(ldx_failed(&d));
  assert_int_equal(d.kind, LDX_DIAG_LOAD);
  assert_int_equal(d.error, ENOENT);
  assert_string_equal(d.object, "libx.so");
  assert_string_equal(d.text, "cannot open it: 5");
  assert_false(d.out_of_memory);
  ldx_diag_clear(&d);
}

static void keeps_the_first(void **state) {
  struct ldx_diag d = {.heap = &heap};
  ldx_fail(&d, LDX_DIAG_SYMBOL, 0, NULL, "first");
  ldx_fail(&d, LDX_DIAG_RELOC, EIO, "later.so", "second");
  assert_int_equal(d.kind, LDX_DIAG_SYMBOL);
  assert_int_equal(d.error, 0);
  assert_string_equal(d.object, "");
  assert_string_equal(d.text, "first");
  ldx_diag_clear(&d);
  assert_false(ldx_failed(&d));
  assert_ptr_equal(d.heap, &heap);
  assert_null(d.text);
  ldx_fail(&d, LDX_DIAG_RELOC, EIO, "later.so", "second");
  assert_string_equal(d.text, "second");
  ldx_diag_clear(&d);
}

static void keeps_long_texts(void **state) {
  const size_t lengths[] = {1022, 1023, 1024, 1025, 5000, 300000};
  for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
    char *text = malloc(lengths[i] + 1);
    memset(text, 'x', lengths[i]);
    text[lengths[i]] = '\0';
    struct ldx_diag d = {.heap = &heap};
    ldx_fail(&d, LDX_DIAG_LOAD, 0, text, "%s", text);
    assert_string_equal(d.text, text);
    assert_string_equal(d.object, text);
    ldx_diag_clear(&d);
    free(text);
  }
}

static long no_memory(long nr, long a, long b, long c) { return nr == SYS_mmap ? -ENOMEM : STUB_PASS; }

static void tells_lack_of_memory(void **state) {
  struct ldx_heap empty = {0};
  struct ldx_diag d = {.heap = &empty};
  stub_on_syscall(no_memory);
  assert_false(ldx_fail(&d, LDX_DIAG_LOAD, ENOMEM, "libx.so", "text"));
  stub_on_syscall(NULL);
  assert_true(ldx_failed(&d));
  assert_true(d.out_of_memory);
  assert_int_equal(d.error, ENOMEM);
  ldx_diag_clear(&d);
}

/* What the C library says in its own locale "C", for every error that has a text here. */
static void words_errors_as_the_c_library(void **state) {
  unsigned known = 0;
  for (int e = 0; e < 200; e++) {
    const char *text = ldx_errno_text(e);
    if (strcmp(text, "Unknown error")) {
      assert_string_equal(text, strerror(e));
      known++;
    }
  }
  assert_true(known >= 30);
  assert_string_equal(ldx_errno_text(ENOENT), "No such file or directory");
  assert_string_equal(ldx_errno_text(-1), "Unknown error");
}

static void copies_strings(void **state) {
  char *a = ldx_strdup(&heap, "text"), *b = ldx_strndup(&heap, "text", 2), *c = ldx_strdup(&heap, "");
  assert_string_equal(a, "text");
  assert_string_equal(b, "te");
  assert_string_equal(c, "");
  ldx_heap_free(&heap, a);
  ldx_heap_free(&heap, b);
  ldx_heap_free(&heap, c);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      CASE(keeps_a_fault),
      CASE(keeps_the_first),
      CASE(keeps_long_texts),
      CASE(tells_lack_of_memory),
      CASE(words_errors_as_the_c_library),
      CASE(copies_strings),
  };
  return RUN(tests);
}
