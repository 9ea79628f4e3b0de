/* ld.so.cache: what is found in good files, and that damage never does more than hide entries. */
#include "cache_writer.h"
#include "search/ldcache.h"
#include "stubs.h"
#include "unit.h"

#include <unistd.h>

#include "base/sys.h"

static struct ldx_heap heap;

/* A CPU of level 3; "mine" is preferred to everything built in. */
static const struct ldx_hwcaps *hwcaps(void *arg) {
  static struct ldx_hwcaps h;
  int *asked = arg;
  if (asked)
    ++*asked;
  const struct ldx_hwcaps_input in = {
      .isa = {.level = 3}, .at_platform = "x86_64", .prepend = "mine", .legacy_mask = LDX_HWCAP_IMPORTANT};
  if (!h.subfolders)
    assert_true(ldx_hwcaps_init(&h, &heap, &in));
  return &h;
}

static const char *find_in(struct cache_bytes b, const char *name, int *asked) {
  struct ldx_ldcache c;
  if (!ldx_ldcache_parse((struct ldx_span){b.at, b.size}, &c))
    return NULL;
  return ldx_ldcache_find(&c, name, hwcaps, asked);
}

/* Asserts what a name is found as; NULL: not at all. */
static void expect(struct cache_bytes b, const char *name, const char *path) {
  const char *found = find_in(b, name, NULL);
  if (!path) {
    assert_null(found);
    return;
  }
  assert_non_null(found);
  assert_string_equal(found, path);
}

static const struct cache_entry plain[] = {
    {.name = "libz.so.1", .path = "/lib/libz.so.1"},
    {.name = "libm.so.6", .path = "/lib/libm.so.6"},
    {.name = "libc.so.10", .path = "/lib/libc.so.10"},
    {.name = "libc.so.6", .path = "/lib/libc.so.6"},
    {.name = "libBad.so", .path = "/x86/libBad.so", .flags = 0x0003},
    {.name = "libBad.so", .path = "/lib/libBad.so"},
    {.name = "ld.so", .path = "/lib/ld.so"},
};
enum { PLAIN = sizeof plain / sizeof *plain };

static void finds_names(void **state) {
  struct cache_bytes b = cache_new(plain, PLAIN, NULL);
  int asked = 0;
  for (int i = 0; i < PLAIN; i++)
    if (!plain[i].flags)
      assert_string_equal(find_in(b, plain[i].name, &asked), plain[i].path);
  assert_int_equal(asked, 0);
  expect(b, "libc.so.06", "/lib/libc.so.6"); /* numbers are compared as numbers */
  expect(b, "libc.so.7", NULL);
  expect(b, "libc.so", NULL);
  expect(b, "", NULL);
  expect(b, "zzz", NULL);
  expect(b, "\xff", NULL);
  expect(b, "0", NULL);
  free(b.at);
}

static void finds_in_old_formats(void **state) {
  struct cache_bytes none = {0}, b = cache_old(plain, PLAIN, none);
  expect(b, "libc.so.6", "/lib/libc.so.6");
  expect(b, "libBad.so", "/lib/libBad.so");
  expect(b, "libnone.so", NULL);
  free(b.at);
  b = cache_old(plain, PLAIN - 2, cache_new(plain, PLAIN, NULL));
  expect(b, "libc.so.6", "/lib/libc.so.6");
  expect(b, "ld.so", "/lib/ld.so");
  free(b.at);
}

static void refuses_other_byte_order(void **state) {
  struct cache_bytes b = cache_new(plain, PLAIN, NULL);
  for (uint8_t flags = 0; flags < 4; flags++) {
    b.at[28] = flags;
    expect(b, "ld.so", flags == 0 || flags == 2 ? "/lib/ld.so" : NULL);
  }
  free(b.at);
}

static void heeds_legacy_capabilities(void **state) {
  const struct {
    uint64_t hwcap;
    bool usable;
  } cases[] = {{0, true},           {LDX_HWCAP_X86_64, true}, {LDX_HWCAP_AVX512_1, false},
               {1, false},          {1ull << 63, true},       {LDX_HWCAP_X86_64 | 1ull << 63, true},
               {1ull << 50, false}, {1ull << 52, false}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const struct cache_entry e[] = {{.name = "a", .path = "/best", .hwcap = cases[i].hwcap},
                                    {.name = "a", .path = "/plain"}};
    struct cache_bytes b = cache_new(e, 2, NULL);
    expect(b, "a", cases[i].usable ? "/best" : "/plain");
    free(b.at);
  }
}

static const char *const names[] = {"mine", "other", "x86-64-v2", "x86-64-v3", "x86-64-v4", NULL};

static void ranks_glibc_hwcaps(void **state) {
  const struct cache_entry e[] = {{.name = "a", .path = "/v4", .hwcap = CACHE_NAMED(0, 4)},
                                  {.name = "a", .path = "/v2", .hwcap = CACHE_NAMED(0, 2)},
                                  {.name = "a", .path = "/v3", .hwcap = CACHE_NAMED(0, 3)},
                                  {.name = "a", .path = "/mine", .hwcap = CACHE_NAMED(0, 0)},
                                  {.name = "a", .path = "/other", .hwcap = CACHE_NAMED(0, 1)},
                                  {.name = "a", .path = "/plain"}};
  struct cache_bytes b = cache_new(e, 6, names);
  expect(b, "a", "/mine");
  free(b.at);
  b = cache_new(e, 3, names);
  expect(b, "a", "/v3");
  free(b.at);
  b = cache_new(e + 4, 2, names);
  expect(b, "a", "/plain");
  free(b.at);
  b = cache_new(e, 6, NULL); /* names that the file does not tell are of no use */
  expect(b, "a", "/plain");
  free(b.at);
}

static void heeds_the_cpu_level_of_entries(void **state) {
  for (unsigned level = 0; level < 1024; level++) {
    const struct cache_entry e[] = {{.name = "a", .path = "/v2", .hwcap = CACHE_NAMED(level, 2)},
                                    {.name = "a", .path = "/plain"}};
    struct cache_bytes b = cache_new(e, 2, names);
    expect(b, "a", level < 3 ? "/v2" : "/plain");
    free(b.at);
  }
}

/* A file with every feature. */
static struct cache_bytes rich(unsigned kind) {
  const struct cache_entry e[] = {
      {.name = "libq.so.12", .path = "/v2", .hwcap = CACHE_NAMED(1, 2)},
      {.name = "libq.so.12", .path = "/v3", .hwcap = CACHE_NAMED(2, 3)},
      {.name = "libq.so.12", .path = "/legacy", .hwcap = LDX_HWCAP_X86_64},
      {.name = "libq.so.12", .path = "/plain"},
      {.name = "libq.so.2", .path = "/two"},
      {.name = "liba.so", .path = "/a"},
  };
  const struct cache_bytes none = {0};
  switch (kind % 3) {
  case 0:
    return cache_new(e, 6, names);
  case 1:
    return cache_old(e, 6, none);
  default:
    return cache_old(e, 6, cache_new(e, 6, names));
  }
}

/* Asks for several names; what is found must be a string inside the bytes. */
static void ask_all(struct cache_bytes b) {
  const char *const asked[] = {"libq.so.12", "libq.so.2", "liba.so", "libz.so", "", "q", "libq.so.012"};
  for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
    const char *found = find_in(b, asked[i], NULL);
    if (found) {
      assert_in_range((uintptr_t)found, (uintptr_t)b.at, (uintptr_t)b.at + b.size - 1);
      assert_non_null(memchr(found, '\0', b.size - (size_t)(found - (const char *)b.at)));
    }
  }
}

static void survives_every_truncation(void **state) {
  for (unsigned kind = 0; kind < 3; kind++) {
    struct cache_bytes whole = rich(kind);
    expect(whole, "liba.so", "/a");
    for (size_t size = 0; size <= whole.size; size++) {
      struct cache_bytes cut = {malloc(size ? size : 1), size};
      memcpy(cut.at, whole.at, size);
      ask_all(cut);
      free(cut.at);
    }
    free(whole.at);
  }
}

/* Every 32-bit word takes every value that offsets and counts go wrong with. */
static void survives_absurd_words(void **state) {
  for (unsigned kind = 0; kind < 3; kind++) {
    struct cache_bytes b = rich(kind);
    const uint32_t values[] = {
        0, 1, 0x7fffffff, 0x80000000, 0xffffffff, (uint32_t)b.size, (uint32_t)b.size - 1, 0xaaaaaab};
    for (size_t offset = 0; offset + 4 <= b.size; offset += 4) {
      uint32_t was = cache_peek(b, offset);
      for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        cache_poke(b, offset, values[i]);
        ask_all(b);
      }
      cache_poke(b, offset, was);
    }
    free(b.at);
  }
}

static uint32_t next_random(uint32_t *seed) {
  *seed = *seed * 1664525 + 1013904223;
  return *seed >> 8;
}

static void survives_random_damage(void **state) {
  for (uint32_t round = 0; round < 500; round++) {
    uint32_t seed = round;
    struct cache_bytes b = rich(round);
    for (uint32_t n = 1 + next_random(&seed) % 8; n-- > 0;)
      b.at[next_random(&seed) % b.size] = (uint8_t)next_random(&seed);
    ask_all(b);
    free(b.at);
  }
}

static void write_cache(const char *path, const char *found) {
  const struct cache_entry e[] = {{.name = "a", .path = found}};
  struct cache_bytes b = cache_new(e, 1, NULL);
  char fresh[4096];
  snprintf(fresh, sizeof fresh, "%s.new", path);
  FILE *f = fopen(fresh, "wb");
  assert_int_equal(fwrite(b.at, 1, b.size, f), b.size);
  fclose(f);
  assert_int_equal(rename(fresh, path), 0);
  free(b.at);
}

static unsigned long calls_to_load(struct ldx_ldcache *c, const char *path) {
  unsigned long before = stub_syscalls();
  ldx_ldcache_load(c, path, NULL, NULL);
  return stub_syscalls() - before;
}

static void reads_the_file_once_and_notices_a_new_one(void **state) {
  char folder[] = "/tmp/ldx-ldcache-XXXXXX", path[64];
  assert_non_null(mkdtemp(folder));
  snprintf(path, sizeof path, "%s/cache", folder);
  struct ldx_ldcache c = {0};
  ldx_ldcache_load(&c, path, NULL, NULL); /* no file yet */
  assert_null(ldx_ldcache_find(&c, "a", hwcaps, NULL));
  assert_int_equal(calls_to_load(&c, path), 0);
  write_cache(path, "/one");
  c.current = false;
  assert_int_equal(calls_to_load(&c, path), 4); /* open, fstat, mmap, close */
  assert_string_equal(ldx_ldcache_find(&c, "a", hwcaps, NULL), "/one");
  assert_int_equal(calls_to_load(&c, path), 0);
  c.current = false;
  assert_int_equal(calls_to_load(&c, path), 1); /* stat */
  assert_string_equal(ldx_ldcache_find(&c, "a", hwcaps, NULL), "/one");
  write_cache(path, "/two");
  c.current = false;
  ldx_ldcache_load(&c, path, NULL, NULL);
  assert_string_equal(ldx_ldcache_find(&c, "a", hwcaps, NULL), "/two");
  unlink(path);
  c.current = false;
  ldx_ldcache_load(&c, path, NULL, NULL);
  assert_null(ldx_ldcache_find(&c, "a", hwcaps, NULL));
  ldx_ldcache_unload(&c, NULL);
  rmdir(folder);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(finds_names),
      cmocka_unit_test(finds_in_old_formats),
      cmocka_unit_test(refuses_other_byte_order),
      cmocka_unit_test(heeds_legacy_capabilities),
      cmocka_unit_test(ranks_glibc_hwcaps),
      cmocka_unit_test(heeds_the_cpu_level_of_entries),
      cmocka_unit_test(survives_every_truncation),
      cmocka_unit_test(survives_absurd_words),
      cmocka_unit_test(survives_random_damage),
      cmocka_unit_test(reads_the_file_once_and_notices_a_new_one),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
