/* Arrays in order of a number: addresses, most often. */
#ifndef LDX_BASE_SORT_H
#define LDX_BASE_SORT_H

#include <stddef.h>
#include <stdint.h>

/* Ascending by the uint64_t that stands `key` bytes into each item of `size` bytes (a multiple of 8). In place, no
 * memory, no worst case worse than n log n; equal items in any order. */
void ldx_sort(void *items, size_t count, size_t size, size_t key);

#endif
