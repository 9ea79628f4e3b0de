#include "hooks/policy_memory.h"

#include <string.h>

struct ldx_policy_block {
  struct ldx_policy_block *next;
  size_t used, size;
  _Alignas(16) char bytes[];
};

struct ldx_policy *ldx_policy_new(struct ldx_heap *heap) {
  struct ldx_policy *p = ldx_heap_alloc(heap, sizeof *p);
  if (p)
    p->heap = heap;
  return p;
}

void ldx_policy_free(struct ldx_policy *p) {
  if (!p)
    return;
  for (struct ldx_policy_block *b = p->blocks, *next; b; b = next) {
    next = b->next;
    ldx_heap_free(p->heap, b);
  }
  ldx_heap_free(p->heap, p);
}

void *policy_alloc(struct ldx_policy *p, size_t size) {
  enum { USUAL = 2048 };
  struct ldx_policy_block *b = p->blocks;
  size = ldx_align_up(size, 16);
  if (!b || b->size - b->used < size) {
    size_t room = size > USUAL ? size : USUAL;
    b = ldx_heap_alloc(p->heap, sizeof *b + room);
    if (!b)
      return NULL;
    b->size = room;
    b->next = p->blocks;
    p->blocks = b;
  }
  void *out = b->bytes + b->used;
  b->used += size;
  return out;
}

void *policy_append(struct ldx_policy *p, void *list, size_t item) {
  struct policy_list *l = list;
  if (l->count == l->room) {
    uint32_t room = l->room ? l->room * 2 : 4;
    char *more = policy_alloc(p, room * item);
    if (!more)
      return NULL;
    if (l->count)
      memcpy(more, l->at, l->count * item);
    l->at = more;
    l->room = room;
  }
  return memset(l->at + l->count++ * item, 0, item);
}
