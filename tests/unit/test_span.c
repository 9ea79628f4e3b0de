/* Range checks that no arithmetic overflow defeats, and the small helpers beside them. */
#include "base/span.h"
#include "unit.h"

static void checks_ranges(void **state) {
  assert_true(ldx_range_ok(0, 0, 0, 1));
  assert_true(ldx_range_ok(10, 10, 0, 1));
  assert_true(ldx_range_ok(10, 0, 10, 1));
  assert_true(ldx_range_ok(10, 2, 2, 4));
  assert_true(ldx_range_ok(UINT64_MAX, 0, UINT64_MAX, 1));
  assert_false(ldx_range_ok(10, 11, 0, 1));
  assert_false(ldx_range_ok(10, 1, 10, 1));
  assert_false(ldx_range_ok(10, 3, 2, 4));
  assert_false(ldx_range_ok(0, 0, 1, 1));
}

/* Products and sums that wrap around to something small. */
static void ranges_do_not_wrap(void **state) {
  assert_false(ldx_range_ok(100, UINT64_MAX, 1, 1));
  assert_false(ldx_range_ok(100, UINT64_MAX - 7, 8, 1));
  assert_false(ldx_range_ok(100, 8, UINT64_MAX - 7, 1));
  assert_false(ldx_range_ok(100, 0, 1ull << 61, 8));
  assert_false(ldx_range_ok(100, 0, 1ull << 32, 1ull << 32));
  assert_false(ldx_range_ok(100, 0, UINT64_MAX / 24 + 1, 24));
  assert_false(ldx_range_ok(100, 0, 2, 1ull << 63));
  assert_true(ldx_range_ok(100, 100, UINT64_MAX, 0)); /* nothing, many times */
  assert_false(ldx_range_ok(100, 101, UINT64_MAX, 0));
}

/* All of a small world against the obvious formula. */
static void ranges_equal_plain_arithmetic(void **state) {
  for (uint64_t size = 0; size < 12; size++)
    for (uint64_t off = 0; off < 14; off++)
      for (uint64_t count = 0; count < 14; count++)
        for (uint64_t item = 1; item < 5; item++)
          assert_int_equal(ldx_range_ok(size, off, count, item), off + count * item <= size);
}

static void gives_pointers_inside(void **state) {
  uint8_t bytes[16];
  struct ldx_span s = {bytes, sizeof bytes};
  assert_ptr_equal(ldx_span_at(s, 0, 16, 1), bytes);
  assert_ptr_equal(ldx_span_at(s, 8, 1, 8), bytes + 8);
  assert_ptr_equal(ldx_span_at(s, 16, 0, 8), bytes + 16);
  assert_null(ldx_span_at(s, 9, 1, 8));
  assert_null(ldx_span_at(s, 0, UINT64_MAX, 8));
  assert_null(ldx_span_at((struct ldx_span){0}, 0, 1, 1));
}

static void aligns(void **state) {
  assert_int_equal(ldx_align_up(0, 4096), 0);
  assert_int_equal(ldx_align_up(1, 4096), 4096);
  assert_int_equal(ldx_align_up(4096, 4096), 4096);
  assert_int_equal(ldx_align_up(4097, 4096), 8192);
  assert_int_equal(ldx_align_up(7, 1), 7);
  assert_int_equal(ldx_align_down(4095, 4096), 0);
  assert_int_equal(ldx_align_down(4096, 4096), 4096);
  assert_int_equal(ldx_align_down(UINT64_MAX, 1ull << 63), 1ull << 63);
}

static void knows_powers_of_two(void **state) {
  for (unsigned i = 0; i < 64; i++) {
    assert_true(ldx_is_pow2(1ull << i));
    if (i > 1)
      assert_false(ldx_is_pow2((1ull << i) - 1));
    if (i)
      assert_false(ldx_is_pow2((1ull << i) + 1));
  }
  assert_false(ldx_is_pow2(0));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      CASE(checks_ranges),
      CASE(ranges_do_not_wrap),
      CASE(ranges_equal_plain_arithmetic),
      CASE(gives_pointers_inside),
      CASE(aligns),
      CASE(knows_powers_of_two),
  };
  return RUN(tests);
}
