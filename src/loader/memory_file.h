/* Files in memory, and places for them that nothing leads to: for memory that is mapped more than once. Results are
 * the kernel's, -errno on failure. */
#ifndef LDX_LOADER_MEMORY_FILE_H
#define LDX_LOADER_MEMORY_FILE_H

#include <stddef.h>
#include <stdint.h>

/* Whether the process may make a file that large: 0 or -EFBIG. The kernel's answer would be a signal. */
long ldx_may_have_size(uint64_t size);
/* Out of the way of the program's own numbers: many programs count on low ones. The number as it is now. */
int ldx_move_descriptor_up(int fd);
/* A new file, filled with zeros: a descriptor. */
long ldx_new_memory_file(const char *name, uint64_t size);
/* Copies what is in the file, but no holes, to the same places. */
long ldx_copy_data(int to, int from, uint64_t size);
/* Reserves addresses where nothing is, anywhere: to be mapped over with MAP_FIXED. */
long ldx_reserve_anywhere(size_t size);

#endif
