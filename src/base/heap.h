/* The loader's own memory: never a libc's malloc (the program's libc may not be usable yet, or be the very
 * thing being loaded). Small blocks come from size classes, large ones from mmap. Memory is zeroed.
 *
 * Threads: safe. Signals: a call that interrupts another call of the same thread takes a private mapping
 * instead of the lock. Errors: NULL when the kernel has no memory. */
#ifndef LDX_BASE_HEAP_H
#define LDX_BASE_HEAP_H

#include <stddef.h>
#include <stdint.h>

#define LDX_HEAP_CLASSES 14

struct ldx_heap {
  uint32_t lock;
  uintptr_t owner; /* thread pointer of the holder */
  char *chunk, *chunk_end;
  void *free_list[LDX_HEAP_CLASSES];
  void *deferred; /* freed by a signal handler inside a heap call */
};

void *ldx_heap_alloc(struct ldx_heap *h, size_t size);
void *ldx_heap_alloc_aligned(struct ldx_heap *h, size_t size, size_t align);
void ldx_heap_free(struct ldx_heap *h, void *p);
/* Gives the heap its first memory, so that start-up needs no system call for it. */
void ldx_heap_seed(struct ldx_heap *h, void *mem, size_t size);
/* In the child of fork the lock's holder may be gone. */
void ldx_heap_after_fork(struct ldx_heap *h);

#endif
