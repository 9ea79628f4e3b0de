/* The search table of .eh_frame_hdr. In the region of these tables the first is always empty: it is for code without
 * frames. Others are made elsewhere and switched to. Who goes by program headers may read a table after its call of
 * dl_iterate_phdr has ended: their places are used in turn, so that an old table stays for some more. */
#include "loader/jit_unwind.h"

/* Entries at multiples of 8 bytes. */
enum { FIRST = sizeof(struct elf_frame_header) + 8, SMALL = 64 * 1024, TURNS = 8 };

static uintptr_t region_at(const struct ldx_jit_object *j) { return j->regions[LDX_REGION_FRAME_HDR].at; }

static struct elf_frame_header *new_header(struct ldx_jit_object *j, uint32_t offset) {
  uintptr_t at = region_at(j) + offset;
  elf_init_frame_header(ldx_jit_alias(j, at), at, j->regions[LDX_REGION_FRAMES].at);
  return (struct elf_frame_header *)at;
}

void ldx_table_begin(struct ldx_jit_object *j, struct ldx_frame_table *t) {
  t->now = new_header(j, 0);
  t->next = FIRST;
  j->regions[LDX_REGION_FRAME_HDR].used = FIRST;
}

static const struct ldx_frame_area *overlapped(const struct ldx_frame_table *t, uint64_t offset, uint64_t size) {
  for (size_t i = 0; i < t->area_count; i++)
    if (t->areas[i].offset < offset + size && offset < (uint64_t)t->areas[i].offset + t->areas[i].size)
      return &t->areas[i];
  return NULL;
}

/* The first place from there on that nobody uses; 0: there is none up to the limit. */
static uint32_t free_place(const struct ldx_frame_table *t, uint64_t from, uint64_t size, uint64_t limit) {
  const struct ldx_frame_area *a;
  while (from + size <= limit && (a = overlapped(t, from, size)))
    from = (uint64_t)a->offset + a->size;
  return from + size <= limit ? (uint32_t)from : 0;
}

static uint32_t find_place(const struct ldx_frame_table *t, uint64_t size, uint64_t region) {
  uint64_t turn = size * TURNS > SMALL ? size * TURNS : SMALL;
  uint32_t at = free_place(t, t->next, size, turn < region ? turn : region);
  if (!at)
    at = free_place(t, FIRST, size, turn < region ? turn : region);
  return at ? at : free_place(t, FIRST, size, region);
}

static bool reserve(struct ldx_jit_object *j, struct ldx_frame_table *t, uint64_t entries) {
  uint64_t size = sizeof(struct elf_frame_header) + entries * sizeof(struct elf_frame_entry),
           needed = ldx_align_up(size > t->told ? size : t->told, 8);
  if (t->area_count == t->area_room &&
      !ldx_heap_grow(&ldx_self.heap, (void **)&t->areas, &t->area_room, sizeof *t->areas, 8))
    return false;
  uint32_t at = find_place(t, needed, j->regions[LDX_REGION_FRAME_HDR].size);
  if (!at)
    return false;
  t->areas[t->area_count++] = (struct ldx_frame_area){at, (uint32_t)needed, 0};
  t->made = new_header(j, at);
  t->made_room = (uint32_t)entries;
  return true;
}

/* Room for as many again, where there is that much: entries whose code is gone stay until it is used up. */
bool ldx_table_reserve(struct ldx_jit_object *j, struct ldx_frame_table *t, uint32_t entries) {
  return reserve(j, t, 2ull * entries + 16) || reserve(j, t, entries + entries / 8);
}

void ldx_table_unreserve(struct ldx_frame_table *t) {
  if (t->made)
    t->area_count--;
  t->made = NULL;
}

/* The size never shrinks: it and the address cannot be changed at once. */
static void tell_program_header(struct ldx_jit_object *j, struct ldx_frame_table *t) {
  const Elf64_Phdr *seen = j->object->image.eh_frame_hdr;
  if (!seen)
    return;
  Elf64_Phdr *ph = ldx_jit_alias(j, (uintptr_t)seen);
  uint64_t size = sizeof *t->now + t->room * sizeof(struct elf_frame_entry),
           at = (uintptr_t)t->now - j->object->map.l_addr;
  if (size > t->told) {
    t->told = size;
    __atomic_store_n(&ph->p_memsz, size, __ATOMIC_RELEASE);
    __atomic_store_n(&ph->p_filesz, size, __ATOMIC_RELEASE);
  }
  __atomic_store_n(&ph->p_vaddr, at, __ATOMIC_RELEASE);
  __atomic_store_n(&ph->p_paddr, at, __ATOMIC_RELEASE);
  __atomic_store_n(&ph->p_offset, at, __ATOMIC_RELEASE);
}

void ldx_table_switch(struct ldx_jit_object *j, struct ldx_frame_table *t) {
  struct ldx_jit_region *r = &j->regions[LDX_REGION_FRAME_HDR];
  const struct ldx_frame_area *a = &t->areas[t->area_count - 1];
  t->next = a->offset + a->size;
  if (r->used < t->next)
    r->used = t->next;
  t->room = t->made_room;
  __atomic_store_n(&t->now, t->made, __ATOMIC_RELEASE);
  t->made = NULL;
  tell_program_header(j, t);
}

void ldx_table_retire(struct ldx_jit_object *j, struct ldx_frame_table *t, const struct elf_frame_header *old,
                      uint64_t epoch) {
  for (size_t i = 0; i < t->area_count; i++)
    if (region_at(j) + t->areas[i].offset == (uintptr_t)old)
      t->areas[i].epoch = epoch;
}

void ldx_table_settle(struct ldx_frame_table *t, uint64_t oldest_reader) {
  size_t kept = 0;
  for (size_t i = 0; i < t->area_count; i++)
    if (!t->areas[i].epoch || t->areas[i].epoch > oldest_reader)
      t->areas[kept++] = t->areas[i];
  t->area_count = kept;
}
