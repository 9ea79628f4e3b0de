#include "base/heap.h"

#include <string.h>
#include <sys/mman.h>

#include "base/span.h"
#include "base/sys.h"
#include "base/valgrind.h"

/* A block's header sits in the 16 bytes before it. */
struct block {
  size_t size;  /* with this header; for large blocks the whole mapping */
  uint32_t cls; /* size class, or LARGE, or ALIGNED */
  uint32_t off; /* ALIGNED: distance back to the real block */
};
enum { MIN_SHIFT = 5, LARGE = 100, ALIGNED = 101 };
#define CHUNK (256 * 1024ul)
#define LARGEST (64 * 1024ul) /* of the classes */

/* Two classes for every doubling: 32, 48, 64, 96, 128, ... A free block stands in the largest class that it
 * fills; blocks are cut from the chunk exactly as large as asked for. */
static size_t class_size(unsigned cls) { return (size_t)(2 + (cls & 1)) << (cls / 2 + MIN_SHIFT - 1); }

static unsigned class_above(size_t size) {
  if (size <= class_size(0))
    return 0;
  unsigned cls = 2 * (63 - (unsigned)__builtin_clzl(size) - MIN_SHIFT);
  return cls + (class_size(cls) < size) + (class_size(cls + 1) < size);
}

/* size >= class_size(0) */
static unsigned class_below(size_t size) {
  unsigned log = 63 - (unsigned)__builtin_clzl(size);
  return 2 * (log - MIN_SHIFT) + (size >> (log - 1) & 1);
}

static void *map_pages(size_t size) {
  long r = sys_mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (ldx_sys_failed(r))
    return NULL;
  ldx_no_race_checks((void *)r, size);
  return (void *)r;
}

static void *alloc_large(size_t size) {
  size_t whole = ldx_align_up(size, LDX_PAGE);
  struct block *b = whole >= size ? map_pages(whole) : NULL;
  if (!b)
    return NULL;
  b->size = whole;
  b->cls = LARGE;
  return b + 1;
}

static void push_free(struct ldx_heap *h, struct block *b) {
  *(void **)(b + 1) = h->free_list[b->cls];
  h->free_list[b->cls] = b;
}

static void drain_deferred(struct ldx_heap *h) {
  void *p = __atomic_exchange_n(&h->deferred, NULL, __ATOMIC_ACQUIRE);
  while (p) {
    void *next = *(void **)p;
    push_free(h, (struct block *)p - 1);
    p = next;
  }
}

static struct block *carve(struct ldx_heap *h, size_t need) {
  size_t size = ldx_align_up(need < class_size(0) ? class_size(0) : need, 16);
  if ((size_t)(h->chunk_end - h->chunk) < size) {
    char *c = map_pages(CHUNK);
    if (!c)
      return NULL;
    h->chunk = c;
    h->chunk_end = c + CHUNK;
  }
  struct block *b = (struct block *)h->chunk;
  h->chunk += size;
  b->size = size;
  b->cls = class_below(size);
  return b;
}

/* Gives up after a while: the holder may be what this call, of a signal handler, interrupted. */
static bool enter(struct ldx_heap *h) {
  for (int tries = 200; tries; tries--) {
    uint32_t held = __atomic_load_n(&h->lock, __ATOMIC_RELAXED);
    if (!held && __atomic_compare_exchange_n(&h->lock, &held, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
      return true;
  }
  return false;
}

static void leave(struct ldx_heap *h) { __atomic_store_n(&h->lock, 0, __ATOMIC_RELEASE); }

/* A free block of at least `need` bytes: any of the class above, or one of the latest of the class below. */
static struct block *take(struct ldx_heap *h, size_t need) {
  enum { LATEST = 16 };
  void **link = &h->free_list[class_below(need < class_size(0) ? class_size(0) : need)];
  for (int i = 0; i < LATEST && *link; i++, link = (void **)((struct block *)*link + 1)) {
    struct block *b = *link;
    if (b->size >= need) {
      *link = *(void **)(b + 1);
      return b;
    }
  }
  link = &h->free_list[class_above(need)];
  struct block *b = *link;
  if (b)
    *link = *(void **)(b + 1);
  return b;
}

void *ldx_heap_alloc(struct ldx_heap *h, size_t size) {
  size_t need = size + sizeof(struct block);
  if (need < size)
    return NULL;
  if (need > LARGEST || !enter(h))
    return alloc_large(need);
  drain_deferred(h);
  struct block *b = take(h, need);
  if (b) {
    leave(h);
    memset(b + 1, 0, need - sizeof *b);
    return b + 1;
  }
  b = carve(h, need); /* fresh pages are zero already */
  leave(h);
  return b ? b + 1 : NULL;
}

void *ldx_heap_alloc_aligned(struct ldx_heap *h, size_t size, size_t align) {
  if (align <= sizeof(struct block))
    return ldx_heap_alloc(h, size);
  if (size + align < size)
    return NULL;
  char *raw = ldx_heap_alloc(h, size + align);
  if (!raw)
    return NULL;
  char *p = (char *)ldx_align_up((uintptr_t)raw, align);
  if (p != raw) {
    struct block *b = (struct block *)p - 1;
    b->cls = ALIGNED;
    b->off = (uint32_t)(p - raw);
  }
  return p;
}

void ldx_heap_free(struct ldx_heap *h, void *p) {
  if (!p)
    return;
  struct block *b = (struct block *)p - 1;
  if (b->cls == ALIGNED)
    b = (struct block *)((char *)p - b->off) - 1;
  if (b->cls == LARGE) {
    sys_munmap(b, b->size);
    return;
  }
  if (!enter(h)) {
    void **slot = (void **)(b + 1);
    do
      *slot = __atomic_load_n(&h->deferred, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(&h->deferred, slot, slot, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED));
    return;
  }
  push_free(h, b);
  leave(h);
}

bool ldx_heap_grow(struct ldx_heap *h, void **array, size_t *room, size_t item, size_t first) {
  size_t more = *room ? *room * 2 : first;
  void *p = ldx_heap_alloc(h, more * item);
  if (!p)
    return false;
  if (*room)
    memcpy(p, *array, *room * item);
  ldx_heap_free(h, *array);
  *array = p;
  *room = more;
  return true;
}

void ldx_heap_seed(struct ldx_heap *h, void *mem, size_t size) {
  h->chunk = mem;
  h->chunk_end = h->chunk + size;
}

bool ldx_heap_hold(struct ldx_heap *h) {
  for (int rounds = 1000; rounds; rounds--) {
    if (enter(h))
      return true;
    LDX_SYS(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
  }
  return false;
}

void ldx_heap_release(struct ldx_heap *h) { leave(h); }

void ldx_heap_after_fork(struct ldx_heap *h) {
  if (!h->lock)
    return;
  h->chunk = h->chunk_end = NULL; /* half-changed lists are given up, not trusted */
  memset(h->free_list, 0, sizeof h->free_list);
  h->lock = 0;
}
