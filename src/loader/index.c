/* Address to object, without a lock: a sorted table that is replaced as a whole. */
#include <string.h>

#include "loader/load.h"

static void insert(struct ldx_index *x, struct ldx_object *o) {
  uint32_t i = x->count++;
  for (; i > 0 && x->at[i - 1].start > o->map_start; i--)
    x->at[i] = x->at[i - 1];
  x->at[i] = (struct ldx_index_entry){o->map_start, o->map_end, o};
}

bool ldx_index_rebuild(struct ldx_object *const *add, uint32_t add_count, const struct ldx_object *remove) {
  const struct ldx_index *old = ldx_self.index;
  uint32_t room = (old ? old->count : 0) + add_count;
  struct ldx_index *x = ldx_new(sizeof *x + room * sizeof x->at[0]);
  if (!x)
    return false;
  for (uint32_t i = 0; old && i < old->count; i++)
    if (old->at[i].object != remove)
      x->at[x->count++] = old->at[i];
  for (uint32_t i = 0; i < add_count; i++)
    if (!add[i]->faked && !add[i]->real)
      insert(x, add[i]);
  __atomic_store_n(&ldx_self.index, x, __ATOMIC_RELEASE);
  ldx_retire_block((void *)old);
  return true;
}

struct ldx_object *ldx_object_at(uintptr_t addr) {
  const struct ldx_index *x = __atomic_load_n(&ldx_self.index, __ATOMIC_ACQUIRE);
  uint32_t low = 0, high = x ? x->count : 0;
  while (low < high) {
    uint32_t mid = low + (high - low) / 2;
    if (addr >= x->at[mid].end)
      low = mid + 1;
    else
      high = mid;
  }
  return x && low < x->count && addr >= x->at[low].start ? x->at[low].object : NULL;
}
