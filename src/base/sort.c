#include "base/sort.h"

struct heap {
  char *at;
  size_t size, key;
};

static uint64_t key(const struct heap *h, size_t i) { return *(const uint64_t *)(h->at + i * h->size + h->key); }

static void swap(const struct heap *h, size_t i, size_t j) {
  uint64_t *a = (uint64_t *)(h->at + i * h->size), *b = (uint64_t *)(h->at + j * h->size);
  for (size_t w = 0; w < h->size / sizeof *a; w++) {
    uint64_t word = a[w];
    a[w] = b[w];
    b[w] = word;
  }
}

/* Below `i` all is a heap, the largest item first. */
static void sink(const struct heap *h, size_t i, size_t count) {
  for (size_t child; (child = 2 * i + 1) < count; i = child) {
    child += child + 1 < count && key(h, child) < key(h, child + 1);
    if (key(h, i) >= key(h, child))
      return;
    swap(h, i, child);
  }
}

void ldx_sort(void *items, size_t count, size_t size, size_t key_offset) {
  const struct heap h = {items, size, key_offset};
  for (size_t i = count / 2; i; i--)
    sink(&h, i - 1, count);
  for (size_t end = count; end > 1; end--) {
    swap(&h, 0, end - 1);
    sink(&h, 0, end - 1);
  }
}
