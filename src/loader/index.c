/* Address to object, without a lock: a sorted table that is replaced as a whole. Most objects lie close together, as
 * the kernel places mappings: a second table, a slot for every piece of that stretch, tells where in the first to
 * look. */
#include <string.h>

#include "loader/load.h"

enum { SLOTS_PER_OBJECT = 4 };

static void insert(struct ldx_index *x, struct ldx_object *o) {
  const Elf64_Phdr *eh_frame = o->made ? NULL : o->image.eh_frame_hdr; /* there it depends on the address */
  uint32_t i = x->count++;
  for (; i > 0 && x->at[i - 1].start > o->map_start; i--)
    x->at[i] = x->at[i - 1];
  x->at[i] = (struct ldx_index_entry){o->map_start, o->map_end, o, eh_frame ? o->map.l_addr + eh_frame->p_vaddr : 0};
}

/* The stretch [*low, *high) of entries that lie close together: without those at its ends (the program, the vDSO)
 * that are farther away from the others than these from each other. */
static void find_stretch(const struct ldx_index *x, uint32_t *low, uint32_t *high) {
  *low = 0;
  *high = x->count;
  while (*high - *low > 1) {
    uintptr_t first = x->at[*low + 1].start, last = x->at[*high - 2].end,
              all = x->at[*high - 1].end - x->at[*low].start;
    if (first - x->at[*low].end > all / 2)
      ++*low;
    else if (x->at[*high - 1].start - last > all / 2)
      --*high;
    else
      return;
  }
}

/* slot[i] is the first entry that ends behind where piece i begins; slot[-1] and slot[slots + 1] are the ends of the
 * table. */
static void fill_slots(struct ldx_index *x) {
  uint32_t low, high, i;
  find_stretch(x, &low, &high);
  if (low == high)
    return;
  uintptr_t size = x->at[high - 1].end - x->at[low].start;
  x->base = x->at[low].start;
  x->hole = low ? x->at[low - 1].end : 0;
  for (x->shift = 12; size >> x->shift >= (uintptr_t)SLOTS_PER_OBJECT * x->count; x->shift++)
    ;
  x->slots = (uint32_t)(size >> x->shift) + 1;
  i = low;
  for (uint32_t piece = 0; piece <= x->slots; piece++) {
    while (i < high && x->at[i].end <= x->base + ((uintptr_t)piece << x->shift))
      i++;
    x->slot[piece] = i;
  }
  x->slot[x->slots + 1] = x->count;
}

bool ldx_index_rebuild(struct ldx_object *const *add, uint32_t add_count) {
  const struct ldx_index *old = ldx_self.index;
  size_t room = (old ? old->count : 0) + add_count, entries = room * sizeof old->at[0];
  struct ldx_index *x = ldx_new(sizeof *x + entries + (room * SLOTS_PER_OBJECT + 3) * sizeof *x->slot);
  if (!x)
    return false;
  x->slot = (uint32_t *)((char *)x->at + entries) + 1;
  for (uint32_t i = 0; old && i < old->count; i++)
    if (!old->at[i].object->removed)
      x->at[x->count++] = old->at[i];
  for (uint32_t i = 0; i < add_count; i++)
    if (!add[i]->faked && !add[i]->real)
      insert(x, add[i]);
  fill_slots(x);
  __atomic_store_n(&ldx_self.index, x, __ATOMIC_RELEASE);
  ldx_retire_block((void *)old);
  return true;
}

struct ldx_object *ldx_object_at(uintptr_t addr) {
  const struct ldx_index_entry *e = ldx_index_at(addr);
  return e ? e->object : NULL;
}
