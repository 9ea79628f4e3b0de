/* The printer against printf of the C library, and what it writes to files. */
#include <limits.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/print.h"
#include "base/span.h"
#include "unit.h"

/* Formats with both, into a buffer of each size up to the whole text: same bytes, same length, nothing beyond. */
#define SAME(...)                                                                                                    \
  do {                                                                                                               \
    char want_[256];                                                                                                 \
    int length_ = snprintf(want_, sizeof want_, __VA_ARGS__);                                                        \
    for (size_t size_ = 0; size_ <= (size_t)length_ + 2; size_++) {                                                  \
      char *got_ = malloc(size_ + 1);                                                                                \
      memset(got_, '#', size_ + 1);                                                                                  \
      snprintf(want_, size_, __VA_ARGS__);                                                                           \
      assert_int_equal(ldx_format(got_, size_, __VA_ARGS__), length_);                                               \
      if (size_)                                                                                                     \
        assert_string_equal(got_, want_);                                                                            \
      assert_int_equal(got_[size_], '#');                                                                            \
      free(got_);                                                                                                    \
    }                                                                                                                \
  } while (0)

static void prints_text(void **state) {
  SAME("plain");
  SAME("%s", "");
  SAME("%s and %s", "one", "two");
  SAME("%c%c", 'a', 'z');
  SAME("100%%");
  SAME("%5s|%-5s|%1s", "ab", "ab", "ab");
  SAME("%.*s", 3, "abcdef");
  SAME("%.*s", 0, "abcdef");
  SAME("%.*s", 10, "abc");
  SAME("%.*s", -1, "abc");
  SAME("%6.*s|%-6.*s|", 2, "abc", 2, "abc");
  SAME("%*s|%-*s|", 7, "abc", 7, "abc");
}

static void prints_null(void **state) {
  const char *volatile none = NULL;
  char buf[16];
  assert_int_equal(ldx_format(buf, sizeof buf, "%s", none), 6);
  assert_string_equal(buf, "(null)");
}

/* A text that %.*s limits need have no end. */
static void reads_no_more_than_asked(void **state) {
  char *exact = malloc(3), buf[16];
  memcpy(exact, "abc", 3);
  assert_int_equal(ldx_format(buf, sizeof buf, "%.*s", 3, exact), 3);
  assert_string_equal(buf, "abc");
  free(exact);
}

static void prints_numbers(void **state) {
  const int ints[] = {0, 1, -1, 42, -42, INT_MAX, INT_MIN};
  for (size_t i = 0; i < LDX_COUNT(ints); i++) {
    SAME("%d %u %x %o", ints[i], (unsigned)ints[i], (unsigned)ints[i], (unsigned)ints[i]);
    SAME("%8d|%-8d|%08d|%2d", ints[i], ints[i], ints[i], ints[i]);
    SAME("%8x|%-8x|%08x|%016x", (unsigned)ints[i], (unsigned)ints[i], (unsigned)ints[i], (unsigned)ints[i]);
    SAME("%*d|%0*x|%-*u|", 12, ints[i], 12, (unsigned)ints[i], 12, (unsigned)ints[i]);
  }
  const long longs[] = {0, 1, -1, LONG_MAX, LONG_MIN, 0x123456789abcdef};
  for (size_t i = 0; i < LDX_COUNT(longs); i++) {
    SAME("%ld %lu %lx %lo", longs[i], (unsigned long)longs[i], (unsigned long)longs[i], (unsigned long)longs[i]);
    SAME("%20ld|%-20lu|%020lx|", longs[i], (unsigned long)longs[i], (unsigned long)longs[i]);
    SAME("%zu %zx", (size_t)longs[i], (size_t)longs[i]);
  }
}

static void left_beats_zero(void **state) {
  const char *format = "%-05d|%0-5x|"; /* a variable: compilers warn of a format that says both */
  char buf[32];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"
  ldx_format(buf, sizeof buf, format, 7, 7);
#pragma GCC diagnostic pop
  assert_string_equal(buf, "7    |7    |");
}

static void mixes_widths_of_arguments(void **state) {
  SAME("%s=%lx (%u of %u) %c %.*s: %d", "name", 0xfedcba9876543210ul, 1u, 2u, '!', 2, "abc", -7);
}

/* Printing to a file */

static unsigned write_calls;

static long count_writes(long nr, long a, long b, long c) {
  write_calls += nr == SYS_write;
  return STUB_PASS;
}

/* Prints a text of `n` characters in two parts and reads it back; the number of system calls that took. */
static unsigned print_long(size_t n) {
  int fd = memfd_create("print", MFD_CLOEXEC);
  char *text = malloc(n + 1), *back = malloc(n + 1);
  for (size_t i = 0; i < n; i++)
    text[i] = (char)('a' + i % 23);
  text[n] = '\0';
  write_calls = 0;
  stub_on_syscall(count_writes);
  ldx_print(fd, "%.*s%s", (int)(n / 3), text, text + n / 3);
  stub_on_syscall(NULL);
  assert_int_equal(pread(fd, back, n + 1, 0), n);
  assert_memory_equal(back, text, n);
  close(fd);
  free(text);
  free(back);
  return write_calls;
}

static void writes_to_files(void **state) {
  assert_int_equal(print_long(0), 0);
  assert_int_equal(print_long(1), 1);
  assert_int_equal(print_long(4096), 1);
  assert_int_equal(print_long(4097), 2);
  assert_int_equal(print_long(100000), 25);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      CASE(prints_text),     CASE(prints_null),     CASE(reads_no_more_than_asked),
      CASE(prints_numbers),  CASE(left_beats_zero), CASE(mixes_widths_of_arguments),
      CASE(writes_to_files),
  };
  return RUN(tests);
}
