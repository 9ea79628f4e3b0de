/* $ORIGIN, $LIB and $PLATFORM: what they mean, and what they may not under AT_SECURE. */
#include "search/dst.h"

#include <unistd.h>

#include "arch/x86_64/isa.h"
#include "objects.h"
#include "unit.h"

static struct ldx_heap heap;
static const struct ldx_isa cpu = {.level = 2};

static struct ldx_library_search *search(bool secure) {
  static struct ldx_library_search s[2];
  s[secure] = (struct ldx_library_search){.heap = &heap, .platform = "x86_64", .isa = &cpu, .secure = secure};
  return &s[secure];
}

static struct ldx_object *library(const char *name) {
  return object_made_up(&heap, LDX_LIBRARY, name, NULL, NULL, 0);
}

static void expect(struct ldx_library_search *s, struct ldx_object *o, const char *text, const char *expected) {
  char *got = ldx_expand_dst(s, o, text);
  assert_non_null(got);
  assert_string_equal(got, expected);
  ldx_heap_free(&heap, got);
}

static void tokens(void **state) {
  static const char *const cases[][2] = {
      {"", ""},
      {"/a/b", "/a/b"},
      {"$ORIGIN", "/opt/x"},
      {"${ORIGIN}", "/opt/x"},
      {"$ORIGIN/../y", "/opt/x/../y"},
      {"/$LIB/", "/lib/x86_64-linux-gnu/"},
      {"$LIB$LIB", "lib/x86_64-linux-gnulib/x86_64-linux-gnu"},
      {"a${PLATFORM}b", "ax86_64b"},
      {"$PLATFORM.so", "x86_64.so"},
      {"$ORIGINAL", "$ORIGINAL"},
      {"$ORIGIN_", "$ORIGIN_"},
      {"$ORIGIN2", "$ORIGIN2"},
      {"$origin", "$origin"},
      {"$LI", "$LI"},
      {"${LIB", "${LIB"},
      {"${LIB2}", "${LIB2}"},
      {"${ORIGIN }", "${ORIGIN }"},
      {"$$LIB", "$lib/x86_64-linux-gnu"},
      {"$", "$"},
      {"$$", "$$"},
      {"${}", "${}"},
      {"${", "${"},
      {"$/ORIGIN", "$/ORIGIN"},
  };
  struct ldx_object *o = library("/opt/x/libx.so");
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    expect(search(false), o, cases[i][0], cases[i][1]);
    assert_int_equal(ldx_has_dst(cases[i][0]), strcmp(cases[i][0], cases[i][1]) != 0);
  }
}

static void unknown_meanings_empty_the_text(void **state) {
  struct ldx_library_search *s = search(false);
  struct ldx_object *o = library("/opt/libx.so");
  o->origin = (char *)"";
  expect(s, o, "/a/$ORIGIN/b", "");
  expect(s, NULL, "$ORIGIN", "");
  expect(s, NULL, "/$LIB", "/lib/x86_64-linux-gnu");
  struct ldx_library_search plain = {.heap = &heap, .isa = &cpu};
  expect(&plain, o, "$PLATFORM", "");
}

static void secure_libraries(void **state) {
  struct ldx_library_search *s = search(true);
  struct ldx_object *o = library("/opt/x/libx.so");
  expect(s, o, "$ORIGIN", "/opt/x");
  expect(s, o, "$ORIGIN/y", "/opt/x/y");
  expect(s, o, "${ORIGIN}/y", "/opt/x/y");
  expect(s, o, "$ORIGIN.", "");
  expect(s, o, "/$ORIGIN", "");
  expect(s, o, "$LIB/$ORIGIN", "");
  expect(s, o, "$ORIGIN/$ORIGIN", "");
  expect(s, o, "/usr/$LIB/$PLATFORM", "/usr/lib/x86_64-linux-gnu/x86_64");
}

static void secure_programs(void **state) {
  struct ldx_library_search *s = search(true);
  struct ldx_object *o = object_made_up(&heap, LDX_PROGRAM, "", NULL, NULL, 0);
  o->origin = (char *)"/usr/bin";
  expect(s, o, "$ORIGIN/../lib/x", "/usr/bin/../lib/x");
  expect(s, o, "$ORIGIN/../$LIB", "/usr/bin/../lib/x86_64-linux-gnu");
  expect(s, o, "$ORIGIN", "");
  expect(s, o, "$ORIGIN/../lib/../../tmp", "");
  expect(s, o, "$ORIGIN/../libexec", "");
  expect(s, o, "/tmp/$LIB", "/tmp/lib/x86_64-linux-gnu"); /* the program's author chose that */
}

static void trusted_folders(void **state) {
  static const char *const trusted[] = {
      "/lib",         "/lib/",      "/usr/lib/x", "/lib/x86_64-linux-gnu", "//lib//x",
      "/tmp/../lib/", "/./lib/./x", "/../lib",    "/usr/./lib/../lib"};
  static const char *const others[] = {"",        "/",         "/libx",        "/usr",  "/usr/libexec",  "lib",
                                       "/lib/..", "/lib/../x", "/lib/x/../..", "/.lib", "/lib/../../tmp"};
  for (size_t i = 0; i < sizeof trusted / sizeof *trusted; i++)
    assert_true(ldx_path_is_trusted(trusted[i]));
  for (size_t i = 0; i < sizeof others / sizeof *others; i++)
    assert_false(ldx_path_is_trusted(others[i]));
  char *longest = malloc(100000);
  memset(longest, 'a', 99999);
  longest[99999] = '\0';
  memcpy(longest, "/lib/", 5);
  assert_false(ldx_path_is_trusted(longest));
  free(longest);
}

static void origins(void **state) {
  struct ldx_library_search s = {.heap = &heap};
  assert_string_equal(ldx_object_origin(&s, library("/lib.so")), "/");
  assert_string_equal(ldx_object_origin(&s, library("/a/b/lib.so")), "/a/b");
  char cwd[4096], expected[8192];
  assert_non_null(getcwd(cwd, sizeof cwd));
  assert_string_equal(ldx_object_origin(&s, library("lib.so")), cwd);
  snprintf(expected, sizeof expected, "%s/./x", strcmp(cwd, "/") ? cwd : "");
  assert_string_equal(ldx_object_origin(&s, library("./x/lib.so")), expected);

  struct ldx_object *program = object_made_up(&heap, LDX_PROGRAM, "", NULL, NULL, 0);
  s.program_path = "/opt/tools/prog";
  assert_string_equal(ldx_object_origin(&s, program), "/opt/tools");
  s.program_path = NULL;
  program->origin = NULL;
  char self[4096];
  ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
  assert_true(n > 0);
  self[n] = '\0';
  *strrchr(self, '/') = '\0';
  assert_string_equal(ldx_object_origin(&s, program), self);
}

static void needed_names(void **state) {
  struct ldx_object *o = library("/opt/libx.so");
  const struct {
    bool secure;
    const char *text, *expected;
  } cases[] = {{false, "libc.so.6", "libc.so.6"},
               {false, "lib$PLATFORM.so", "libx86_64.so"},
               {false, "$ORIGIN/a.so", "/opt/a.so"},
               {false, "$FOO/a.so", "$FOO/a.so"},
               {false, "", ""},
               {true, "libc.so.6", "libc.so.6"},
               {true, "$FOO.so", "$FOO.so"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct ldx_diag d = {.heap = &heap};
    char *name = ldx_expand_needed(search(cases[i].secure), o, cases[i].text, &d);
    assert_non_null(name);
    assert_string_equal(name, cases[i].expected);
    assert_false(ldx_failed(&d));
  }
  struct ldx_diag d = {.heap = &heap};
  assert_null(ldx_expand_needed(search(true), o, "$ORIGIN/a.so", &d));
  assert_string_equal(d.text, "DST not allowed in SUID/SGID programs");
  assert_string_equal(d.object, "$ORIGIN/a.so");
  ldx_diag_clear(&d);
  o->origin = (char *)"";
  assert_null(ldx_expand_needed(search(false), o, "$ORIGIN/a.so", &d));
  assert_string_equal(d.text, "empty dynamic string token substitution");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(tokens),           cmocka_unit_test(unknown_meanings_empty_the_text),
      cmocka_unit_test(secure_libraries), cmocka_unit_test(secure_programs),
      cmocka_unit_test(trusted_folders),  cmocka_unit_test(origins),
      cmocka_unit_test(needed_names),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
