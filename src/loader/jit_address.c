/* From an address to the symbol that covers it, in objects made at run time: in the same time however many symbols
 * there are, and without a lock.
 *
 * A symbol of up to 2^n bytes stands on the list of the piece of 2^n bytes in which it begins. What covers an address
 * is then on the list of the address's piece, or of the one before, for one of the n's there are. Lists are linked by
 * numbers of symbols; they begin with the highest address. */
#include "loader/jit_core.h"

enum { LOWEST = 4, LEVELS = 32 };

struct ldx_jit_addresses {
  uintptr_t low;
  uint64_t size;           /* of the memory that has symbols */
  uint32_t used;           /* levels: one bit each */
  uint32_t *lists[LEVELS]; /* for each piece its first symbol */
  size_t bytes;            /* of all lists */
};

bool ldx_jit_addresses_new(struct ldx_jit_object *j) {
  struct ldx_jit_addresses *a = j->symbols->addresses = ldx_new(sizeof *a);
  if (!a)
    return false;
  a->low = j->regions[LDX_REGION_RODATA].at;
  a->size = j->high - a->low;
  for (uint32_t n = LOWEST; n < LEVELS; n++)
    a->bytes += ((a->size >> n) + 1) * sizeof(uint32_t);
  uint32_t *next = ldx_jit_sparse_new(a->bytes);
  if (!next) {
    ldx_delete(a);
    j->symbols->addresses = NULL;
    return false;
  }
  for (uint32_t n = LOWEST; n < LEVELS; n++) {
    a->lists[n] = next;
    next += (a->size >> n) + 1;
  }
  return true;
}

void ldx_jit_addresses_free(struct ldx_jit_object *j) {
  struct ldx_jit_addresses *a = j->symbols->addresses;
  if (a)
    sys_munmap(a->lists[LOWEST], a->bytes);
  ldx_delete(a);
  j->symbols->addresses = NULL;
}

/* Absolute symbols lie nowhere. */
static bool is_placed(const struct ldx_jit_addresses *a, const struct ldx_jit_object *j, const Elf64_Sym *s) {
  return s->st_shndx != SHN_ABS && j->low + s->st_value - a->low < a->size;
}

static uint32_t level_of(uint64_t size) {
  uint32_t n = LOWEST;
  while (n + 1 < LEVELS && size > 1ull << n)
    n++;
  return n;
}

static uint32_t *list_of(const struct ldx_jit_addresses *a, const struct ldx_jit_object *j, const Elf64_Sym *s) {
  uint32_t n = level_of(s->st_size);
  return &a->lists[n][(j->low + s->st_value - a->low) >> n];
}

void ldx_jit_address_add(struct ldx_jit_object *j, uint32_t slot) {
  struct ldx_jit_addresses *a = j->symbols->addresses;
  struct ldx_jit_slot *slots = j->symbols->slots;
  const Elf64_Sym *s = ldx_jit_symbol(j, slot);
  if (!is_placed(a, j, s))
    return;
  uint32_t *first = list_of(a, j, s), before = 0, next = *first;
  while (next && ldx_jit_symbol(j, next)->st_value > s->st_value) {
    before = next;
    next = slots[next].next;
  }
  slots[slot].next = next;
  slots[slot].before = before;
  if (next)
    slots[next].before = slot;
  __atomic_store_n(before ? &slots[before].next : first, slot, __ATOMIC_RELEASE);
  __atomic_store_n(&a->used, a->used | 1u << level_of(s->st_size), __ATOMIC_RELEASE);
}

void ldx_jit_address_remove(struct ldx_jit_object *j, uint32_t slot) {
  const struct ldx_jit_addresses *a = j->symbols->addresses;
  struct ldx_jit_slot *slots = j->symbols->slots;
  const Elf64_Sym *s = ldx_jit_symbol(j, slot);
  if (!is_placed(a, j, s))
    return;
  uint32_t before = slots[slot].before, next = slots[slot].next;
  if (next)
    slots[next].before = before;
  __atomic_store_n(before ? &slots[before].next : list_of(a, j, s), next, __ATOMIC_RELEASE);
}

bool ldx_jit_address_uses(const struct ldx_jit_object *j, uintptr_t low, uintptr_t high) {
  const struct ldx_jit_addresses *a = j->symbols->addresses;
  for (uint32_t n = LOWEST; n < LEVELS; n++) {
    if (!(a->used & 1u << n))
      continue;
    for (uint64_t piece = (low - a->low) >> n; piece <= (high - 1 - a->low) >> n; piece++)
      for (uint32_t i = a->lists[n][piece]; i; i = j->symbols->slots[i].next)
        if (j->low + ldx_jit_symbol(j, i)->st_value - low < high - low)
          return true;
  }
  return false;
}

/* By the rules of dladdr(3): without a size only exactly. */
static bool covers(const Elf64_Sym *s, uint64_t value) {
  return value == s->st_value || value - s->st_value < s->st_size;
}

static const Elf64_Sym *find_in(const struct ldx_jit_object *j, const uint32_t *list, uint64_t value) {
  uint32_t i = __atomic_load_n(list, __ATOMIC_ACQUIRE);
  for (; i; i = __atomic_load_n(&j->symbols->slots[i].next, __ATOMIC_ACQUIRE))
    if (covers(ldx_jit_symbol(j, i), value))
      return ldx_jit_symbol(j, i);
  return NULL;
}

static const Elf64_Sym *higher(const Elf64_Sym *a, const Elf64_Sym *b) {
  return !a || (b && b->st_value > a->st_value) ? b : a;
}

const Elf64_Sym *ldx_jit_address_find(const struct ldx_jit_object *j, uintptr_t at) {
  const struct ldx_jit_addresses *a = j->symbols->addresses;
  const Elf64_Sym *best = NULL;
  if (at - a->low >= a->size)
    return NULL;
  for (uint32_t left = __atomic_load_n(&a->used, __ATOMIC_ACQUIRE), n; left; left &= ~(1u << n)) {
    n = 31 - (uint32_t)__builtin_clz(left);
    uint64_t piece = (at - a->low) >> n;
    best = higher(best, find_in(j, &a->lists[n][piece], at - j->low));
    if (piece)
      best = higher(best, find_in(j, &a->lists[n][piece - 1], at - j->low));
  }
  return best;
}
