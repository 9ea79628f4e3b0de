/* The text functions: skipping, searching, patterns. */
#include <string.h>

#include "base/text.h"
#include "unit.h"

static bool matches(const char *pattern, const char *text) { return ldx_glob(pattern, strlen(pattern), text); }

static void skips_and_stops(void **state) {
  assert_int_equal(ldx_skip("  :a", " :"), 3);
  assert_int_equal(ldx_skip("a", ""), 0);
  assert_int_equal(ldx_until("abc:d", ":;"), 3);
  assert_int_equal(ldx_until("abc", ":"), 3);
}

static void finds_text(void **state) {
  const char *text = "aabaab!";
  assert_ptr_equal(ldx_find_text(text, "aab!"), text + 3);
  assert_ptr_equal(ldx_find_text(text, ""), text);
  assert_null(ldx_find_text(text, "abb"));
}

static void matches_patterns(void **state) {
  assert_true(matches("libz.so.1", "libz.so.1"));
  assert_false(matches("libz.so.1", "libz.so.12"));
  assert_false(matches("libz.so.12", "libz.so.1"));
  assert_true(matches("lib*.so*", "libfoo.so.6"));
  assert_true(matches("*", ""));
  assert_true(matches("", ""));
  assert_false(matches("", "a"));
  assert_true(matches("a?c", "abc"));
  assert_false(matches("a?c", "ac"));
  assert_true(matches("*a*b*ab", "aabbab")); /* the first way does not fit: back to the star */
  assert_false(matches("*a*b*abc", "aabbab"));
  assert_true(ldx_glob("lib*:rest", 4, "libm")); /* only n bytes count */
}

int main(void) {
  const struct CMUnitTest tests[] = {
      CASE(skips_and_stops),
      CASE(finds_text),
      CASE(matches_patterns),
  };
  return RUN(tests);
}
