#include "mutate.h"

#include <string.h>

#include "base/span.h"
#include "elf/defs.h"

struct damage {
  uint8_t *data;
  size_t size;
  uint32_t random;
};

static uint32_t below(struct damage *m, uint64_t n) {
  m->random ^= m->random << 13;
  m->random ^= m->random >> 17;
  m->random ^= m->random << 5;
  return n ? (uint32_t)(m->random % n) : 0;
}

static uint64_t value_at(const struct damage *m, size_t at) {
  uint64_t v;
  memcpy(&v, m->data + at, 8);
  return v;
}

/* Program header number n, or NULL when it lies outside. */
static Elf64_Phdr *phdr(const struct damage *m, unsigned n) {
  if (m->size < sizeof(Elf64_Ehdr))
    return NULL;
  uint64_t at = value_at(m, offsetof(Elf64_Ehdr, e_phoff));
  if (at % 8 || !ldx_range_ok(m->size, at, n + 1ull, sizeof(Elf64_Phdr)))
    return NULL;
  return (Elf64_Phdr *)(m->data + at) + n;
}

/* Where in the file the bytes of an address are; 0 when nowhere. */
static size_t offset_of(const struct damage *m, uint64_t vaddr) {
  const Elf64_Phdr *ph;
  for (unsigned i = 0; i < 16 && (ph = phdr(m, i)); i++)
    if (ph->p_type == PT_LOAD && vaddr >= ph->p_vaddr && vaddr - ph->p_vaddr < ph->p_filesz &&
        ldx_range_ok(m->size, ph->p_offset, vaddr - ph->p_vaddr + 8, 1))
      return ph->p_offset + (vaddr - ph->p_vaddr);
  return 0;
}

static size_t dynamic_at(const struct damage *m) {
  const Elf64_Phdr *ph;
  for (unsigned i = 0; i < 16 && (ph = phdr(m, i)); i++)
    if (ph->p_type == PT_DYNAMIC)
      return offset_of(m, ph->p_vaddr);
  return 0;
}

/* A place somewhere in the table that some dynamic entry points to. */
static size_t place_in_table(struct damage *m) {
  size_t entry = dynamic_at(m) + below(m, 40) * sizeof(Elf64_Dyn);
  size_t table = entry + 16 <= m->size ? offset_of(m, value_at(m, entry + 8)) : 0;
  return table + 4 * below(m, 32);
}

static size_t choose_place(struct damage *m) {
  switch (below(m, 8)) {
  case 0:
    return 4 * below(m, sizeof(Elf64_Ehdr) / 4);
  case 1:
  case 2:
    return sizeof(Elf64_Ehdr) + 8 * below(m, 7 * 12);
  case 3:
  case 4:
    return dynamic_at(m) + 8 * below(m, 80);
  case 5:
  case 6:
    return place_in_table(m);
  default:
    return 4 * below(m, m->size / 4);
  }
}

static uint64_t choose_value(struct damage *m, uint64_t old) {
  static const uint64_t limits[] = {0,      1,          2,          4,          8,          24,         0x7f,
                                    0xff,   0x7fff,     0x8000,     0xffff,     0x10000,    0x7fffffff, 0x80000000,
                                    0x1000, 0xfffffff8, 0xffffffff, 1ull << 32, 1ull << 46, 1ull << 47, 1ull << 63,
                                    -1ull,  -8ull,      -0x1000ull, 6,          0x6ffffef5, 0x6ffffffe, 0x6ffffffc};
  uint64_t other = value_at(m, below(m, m->size / 8 - 1) * 8);
  switch (below(m, 8)) {
  case 0:
  case 1:
    return limits[below(m, LDX_COUNT(limits))];
  case 2:
    return old + below(m, 64) - 32;
  case 3:
    return other;
  case 4:
    return other + below(m, 64) - 32;
  case 5:
    return old ^ 1ull << below(m, 64);
  case 6:
    return m->size + below(m, 64) - 32;
  default:
    return old + 8 * (below(m, 64) - 32ull);
  }
}

static void change_value(struct damage *m) {
  static const unsigned widths[] = {8, 8, 4, 4, 2, 1};
  size_t at = choose_place(m), width = widths[below(m, LDX_COUNT(widths))];
  if (at + 8 > m->size)
    return;
  uint64_t old = value_at(m, at), value = choose_value(m, old);
  memcpy(m->data + at, &value, width);
}

static void copy_block(struct damage *m) {
  size_t n = 8 * (1 + below(m, 8)), from = 8 * below(m, m->size / 8), to = 8 * below(m, m->size / 8);
  if (from + n <= m->size && to + n <= m->size)
    memmove(m->data + to, m->data + from, n);
}

size_t mutate_image(uint8_t *data, size_t size, uint32_t seed) {
  struct damage m = {data, size, seed * 2654435761u | 1};
  for (int i = 0; i < 4; i++)
    below(&m, 1);
  if (size < sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr))
    return size;
  for (uint32_t n = 1 + below(&m, 4); n; n--)
    if (below(&m, 16))
      change_value(&m);
    else
      copy_block(&m);
  return below(&m, 64) ? size : size - below(&m, size / 4);
}
