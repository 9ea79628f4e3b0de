/* Globs with captures. */
#include "base/text.h"
#include "policy_test.h"

static const struct {
  const char *glob, *text, *to, *result; /* result NULL: no match */
} rows[] = {
    {"libz.so.1", "libz.so.1", "/opt/$0", "/opt/libz.so.1"},
    {"libz.so.1", "libz.so.10", "", NULL},
    {"libz.so.1", "libz.so.", "", NULL},
    {"*", "", "[$1]", "[]"},
    {"", "", "[$0]", "[]"},
    {"", "a", "", NULL},
    {"?", "", "", NULL},
    {"*", "abc", "$1$1", "abcabc"},
    {"lib*.so.*", "libfoo.so.1.2", "$1-$2", "foo-1.2"},
    {"lib*.so*", "libfoo.so", "$1-$2.", "foo-."},
    {"lib?.so.?", "libz.so.1", "$1$2", "z1"},
    {"*/lib/*", "/a/lib/lib/x", "$1|$2", "/a|lib/x"},
    {"*a*b", "xaaybab", "$1|$2", "x|ayba"},
    {"*a?b", "aaxbacb", "$1|$2", "aaxb|c"},
    {"a**b", "axb", "$1|$2", "|x"},
    {"?*?", "abc", "$1|$2|$3", "a|b|c"},
    {"*.so", "a.so.so", "$1", "a.so"},
    {"?????????*", "abcdefghij", "$9$8$1", "iha"},
    {"?????????*", "abcdefghij", "$10", "a0"},
    {"a*", "ab", "$$1 $x $", "$1 $x $"},
    {"a", "b", "", NULL},
    {NULL, "anything", "$0/$1", "anything/anything"},
};

static void matches_and_substitutes(void **state) {
  for (size_t i = 0; i < LDX_COUNT(rows); i++) {
    struct ldx_policy_captures c;
    char buf[64];
    bool matched = ldx_policy_match(rows[i].glob, rows[i].text, &c);
    if (matched != (rows[i].result != NULL))
      fail_msg("%s and %s: %d", rows[i].glob, rows[i].text, matched);
    if (!matched)
      continue;
    size_t n = ldx_policy_substitute(rows[i].to, &c, buf, sizeof buf);
    if (strcmp(buf, rows[i].result) || n != strlen(buf))
      fail_msg("%s, %s, %s: %s", rows[i].glob, rows[i].text, rows[i].to, buf);
  }
}

static void cuts_what_does_not_fit(void **state) {
  struct ldx_policy_captures c;
  char buf[4] = "xyz";
  assert_true(ldx_policy_match("*", "abcdef", &c));
  assert_int_equal(ldx_policy_substitute("$0", &c, buf, 4), 6);
  assert_string_equal(buf, "abc");
  assert_int_equal(ldx_policy_substitute("$0", &c, NULL, 0), 6);
  assert_true(ldx_policy_match("*", "abcdef", NULL));
}

static uint32_t next(uint32_t *seed) { return *seed = *seed * 1664525 + 1013904223; }

static void random_text(uint32_t *seed, char *out, const char *letters, size_t most) {
  size_t n = (next(seed) >> 16) % most;
  for (size_t i = 0; i < n; i++)
    out[i] = letters[(next(seed) >> 16) % strlen(letters)];
  out[n] = '\0';
}

/* What the wildcards stood for, put in their places, gives the text again. */
static void assert_captures_fit(const char *glob, const struct ldx_policy_captures *c) {
  char again[64] = "";
  size_t length = 0;
  uint32_t n = 0;
  for (const char *p = glob; *p; p++)
    if (*p == '*' || *p == '?') {
      size_t taken = c->at[n].end - c->at[n].start;
      assert_true(*p == '*' || taken == 1);
      memcpy(again + length, c->text + c->at[n++].start, taken);
      length += taken;
    } else {
      again[length++] = *p;
    }
  assert_int_equal(n, c->count);
  assert_string_equal(again, c->text);
}

static void agrees_with_plain_globs(void **state) {
  uint32_t seed = 1, matched = 0;
  for (int i = 0; i < 200000; i++) {
    struct ldx_policy_captures c;
    char glob[8], text[10];
    random_text(&seed, glob, "ab*?", sizeof glob);
    random_text(&seed, text, "ab", sizeof text);
    bool matches = ldx_policy_match(glob, text, &c);
    assert_int_equal(matches, ldx_glob(glob, strlen(glob), text));
    if (matches)
      assert_captures_fit(glob, &c);
    matched += matches;
  }
  assert_true(matched > 10000);
}

/* Patterns that make a matcher that tries all ways work for ever. */
static void takes_no_time(void **state) {
  char glob[2001], text[20001];
  for (int i = 0; i < 2000; i += 2)
    memcpy(glob + i, "*a", 2);
  glob[1999] = 'b';
  glob[2000] = '\0';
  memset(text, 'a', 20000);
  text[20000] = '\0';
  assert_false(ldx_policy_match(glob, text, NULL));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      CASE(matches_and_substitutes),
      CASE(cuts_what_does_not_fit),
      CASE(agrees_with_plain_globs),
      CASE(takes_no_time),
  };
  return RUN(tests);
}
