/* Subfolders by CPU: which, and in what order. CPUs are made up; their lists are those that the system loader
 * shows on such machines. */
#include "search/hwcaps.h"
#include "unit.h"

static struct ldx_heap heap;

static struct ldx_hwcaps made(struct ldx_hwcaps_input in) {
  struct ldx_hwcaps h;
  if (!in.at_platform)
    in.at_platform = "x86_64";
  assert_true(ldx_hwcaps_init(&h, &heap, &in));
  return h;
}

/* All subfolders, joined by colons. */
static const char *joined(const struct ldx_hwcaps *h) {
  static char text[4096];
  text[0] = '\0';
  for (uint32_t i = 0; i < h->subfolder_count; i++) {
    assert_int_equal(strlen(h->subfolders[i].text), h->subfolders[i].len);
    assert_in_range(h->subfolders[i].len, 0, h->longest);
    strcat(strcat(text, i ? ":" : ""), h->subfolders[i].text);
  }
  return text;
}

static void baseline(void **state) {
  struct ldx_hwcaps h = made((struct ldx_hwcaps_input){.isa = {.level = 1}, .legacy_mask = LDX_HWCAP_IMPORTANT});
  assert_string_equal(joined(&h), "tls/x86_64/x86_64/:tls/x86_64/:tls/x86_64/:tls/:x86_64/x86_64/:x86_64/:x86_64/:");
  assert_string_equal(h.platform, "x86_64");
  assert_true(h.platform_bit == UINT64_MAX);
}

static void haswell_server(void **state) {
  struct ldx_hwcaps h = made((struct ldx_hwcaps_input){.isa = {.level = 4, .platform = "haswell", .avx512_1 = true},
                                                       .legacy_mask = LDX_HWCAP_IMPORTANT});
  assert_string_equal(
      joined(&h),
      "glibc-hwcaps/x86-64-v4/:glibc-hwcaps/x86-64-v3/:glibc-hwcaps/x86-64-v2/:"
      "tls/haswell/avx512_1/x86_64/:tls/haswell/avx512_1/:tls/haswell/x86_64/:tls/haswell/:"
      "tls/avx512_1/x86_64/:tls/avx512_1/:tls/x86_64/:tls/:"
      "haswell/avx512_1/x86_64/:haswell/avx512_1/:haswell/x86_64/:haswell/:avx512_1/x86_64/:avx512_1/:x86_64/:");
  assert_string_equal(h.platform, "haswell");
  assert_true(h.platform_bit == 1ull << 50);
}

static void no_platform_no_mask(void **state) {
  struct ldx_hwcaps h;
  const struct ldx_hwcaps_input in = {.isa = {.level = 2}};
  assert_true(ldx_hwcaps_init(&h, &heap, &in));
  assert_string_equal(joined(&h), "glibc-hwcaps/x86-64-v2/:tls/:");
}

static void lists_of_names(void **state) {
  struct ldx_hwcaps_input in = {.isa = {.level = 4}, .prepend = "::one:two::", .mask = "x86-64-v2:nonsense"};
  struct ldx_hwcaps h = made(in);
  assert_memory_equal(joined(&h), "glibc-hwcaps/one/:glibc-hwcaps/two/:glibc-hwcaps/x86-64-v2/:tls/x86_64/:", 70);
  assert_int_equal(ldx_hwcaps_rank(&h, "one"), 1);
  assert_int_equal(ldx_hwcaps_rank(&h, "two"), 2);
  assert_int_equal(ldx_hwcaps_rank(&h, "x86-64-v2"), 3);
  assert_int_equal(ldx_hwcaps_rank(&h, "x86-64-v4"), 0);
  assert_int_equal(ldx_hwcaps_rank(&h, "on"), 0);
  assert_int_equal(ldx_hwcaps_rank(&h, ""), 0);
  in.mask = "";
  h = made(in);
  assert_int_equal(h.named_count, 2);
}

static void very_long_lists(void **state) {
  char list[8000] = "";
  for (int i = 0; i < 1000; i++)
    strcat(list, "name:");
  struct ldx_hwcaps h = made((struct ldx_hwcaps_input){.isa = {.level = 4}, .prepend = list});
  assert_int_equal(h.named_count, 35);
  assert_int_equal(ldx_hwcaps_rank(&h, "x86-64-v2"), 35);
}

static void groups_are_first_components(void **state) {
  struct ldx_hwcaps h = made((struct ldx_hwcaps_input){.isa = {.level = 4, .platform = "haswell", .avx512_1 = true},
                                                       .legacy_mask = LDX_HWCAP_IMPORTANT});
  assert_in_range(h.group_count, 1, LDX_MAX_GROUPS);
  for (uint32_t i = 0; i < h.subfolder_count; i++) {
    struct ldx_segment g = h.groups[h.subfolders[i].group];
    assert_memory_equal(h.subfolders[i].text, g.at, g.len);
    assert_true(h.subfolders[i].len == 0 || h.subfolders[i].text[g.len] == '/');
  }
  assert_int_equal(h.subfolders[h.subfolder_count - 1].group, 0);
}

static void segments(void **state) {
  const char *rest = ":a::bc:";
  struct ldx_segment s;
  assert_true(ldx_next_segment(&rest, &s) && s.len == 1 && s.at[0] == 'a');
  assert_true(ldx_next_segment(&rest, &s) && s.len == 2 && s.at[0] == 'b');
  assert_false(ldx_next_segment(&rest, &s));
  rest = NULL;
  assert_false(ldx_next_segment(&rest, &s));
}

/* What gcc knows of this CPU; it does not look at what the kernel saves, which makes no difference here. */
static void level_of_this_cpu(void **state) {
  __builtin_cpu_init();
  unsigned level = __builtin_cpu_supports("x86-64-v4")   ? 4
                   : __builtin_cpu_supports("x86-64-v3") ? 3
                   : __builtin_cpu_supports("x86-64-v2") ? 2
                                                         : 1;
  assert_int_equal(ldx_isa_level(), level);
  if (!__builtin_cpu_is("intel"))
    assert_null(ldx_isa_detect().platform);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(baseline),
      cmocka_unit_test(haswell_server),
      cmocka_unit_test(no_platform_no_mask),
      cmocka_unit_test(lists_of_names),
      cmocka_unit_test(very_long_lists),
      cmocka_unit_test(groups_are_first_components),
      cmocka_unit_test(segments),
      cmocka_unit_test(level_of_this_cpu),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
