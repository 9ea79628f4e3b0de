/* Sorting by a number within each item. */
#include <stdlib.h>

#include "base/sort.h"
#include "unit.h"

struct item {
  uint64_t tag, key;
};

static void check(struct item *items, size_t count) {
  ldx_sort(items, count, sizeof *items, offsetof(struct item, key));
  for (size_t i = 0; i < count; i++) {
    assert_true(i == 0 || items[i - 1].key <= items[i].key);
    assert_int_equal(items[i].tag, ~items[i].key); /* an item moves as a whole */
  }
}

static void sorts(void **state) {
  struct item items[200];
  srand(7);
  for (size_t count = 0; count <= 200; count++) {
    uint64_t sum = 0, after = 0;
    for (size_t i = 0; i < count; i++) {
      uint64_t key = count % 3 == 0 ? (uint64_t)rand() << 40 | i : count % 3 == 1 ? i / 2 : count - i;
      items[i] = (struct item){~key, key};
      sum += key;
    }
    check(items, count);
    for (size_t i = 0; i < count; i++)
      after += items[i].key;
    assert_int_equal(sum, after); /* none was lost, or came twice */
  }
}

static void sorts_plain_numbers(void **state) {
  uint64_t numbers[] = {3, UINT64_MAX, 0, 3, 1};
  ldx_sort(numbers, 5, sizeof *numbers, 0);
  const uint64_t want[] = {0, 1, 3, 3, UINT64_MAX};
  assert_memory_equal(numbers, want, sizeof want);
}

int main(void) {
  const struct CMUnitTest tests[] = {CASE(sorts), CASE(sorts_plain_numbers)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
