/* Damage with knowledge of the format: values that matter, at places that matter. */
#ifndef LDX_TESTS_MUTATE_H
#define LDX_TESTS_MUTATE_H

#include <stddef.h>
#include <stdint.h>

/* Changes the image in place; the new size, at most `size`. The same seed does the same. */
size_t mutate_image(uint8_t *data, size_t size, uint32_t seed);

#endif
