/* The loader's own memory: never a libc's malloc (the program's libc may not be usable yet, or be the very
 * thing being loaded). Small blocks come from size classes, large ones from mmap. Memory is zeroed.
 *
 * Threads: safe. Signals: safe; a call never waits for another one (it may have interrupted it), but takes a
 * private mapping instead. Errors: NULL when the kernel has no memory. */
#ifndef LDX_BASE_HEAP_H
#define LDX_BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LDX_HEAP_CLASSES 28

struct ldx_heap {
  uint32_t lock; /* 1: a call is at work on the lists */
  char *chunk, *chunk_end;
  void *free_list[LDX_HEAP_CLASSES];
  void *deferred; /* freed while the lock was taken */
};

void *ldx_heap_alloc(struct ldx_heap *h, size_t size);
void *ldx_heap_alloc_aligned(struct ldx_heap *h, size_t size, size_t align);
void ldx_heap_free(struct ldx_heap *h, void *p);
/* Makes an array of `item`-byte elements, full with *room of them, larger: twice, or `first` at the start. False when
 * out of memory, and the array is as it was. */
bool ldx_heap_grow(struct ldx_heap *h, void **array, size_t *room, size_t item, size_t first);
/* Gives the heap its first memory (zeroed, aligned to 16), so that start-up needs no system call for it. */
void ldx_heap_seed(struct ldx_heap *h, void *mem, size_t size);
/* Keeps others from its lists (they take private mappings) until it is released: around fork. False: the holder does
 * not come to an end; the calling thread may have interrupted itself. */
bool ldx_heap_hold(struct ldx_heap *h);
void ldx_heap_release(struct ldx_heap *h);
/* In the child of fork the lock's holder may be gone, in the middle of its work. */
void ldx_heap_after_fork(struct ldx_heap *h);

#endif
