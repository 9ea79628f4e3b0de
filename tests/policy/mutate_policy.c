/* Damage to JSON text, and to the section headers of an ELF file. */
#include <elf.h>
#include <stdbool.h>
#include <string.h>

#include "mutate.h"

struct damage {
  uint8_t *data;
  size_t size;
  uint32_t random;
};

static uint32_t below(struct damage *m, size_t n) {
  m->random ^= m->random << 13;
  m->random ^= m->random >> 17;
  m->random ^= m->random << 5;
  return n ? (uint32_t)(m->random % n) : 0;
}

/* What JSON is made of, and what readers of it trip over. */
static const char *const pieces[] = {"{",
                                     "}",
                                     "[",
                                     "]",
                                     ",",
                                     ":",
                                     "\"",
                                     "\\",
                                     "\\u0000",
                                     "\\ud83d",
                                     "\\ude00",
                                     "\\u00",
                                     "!replace",
                                     "$HOME",
                                     "${",
                                     "$1",
                                     "$$",
                                     "*",
                                     "?",
                                     "0",
                                     "-1",
                                     "1e9",
                                     "9999999999999999999",
                                     "true",
                                     "null",
                                     "\xff",
                                     "\xc3",
                                     "\xf0\x9f\x98\x80",
                                     "\n",
                                     "[[[[[[[[",
                                     "{\"a\":{\"a\":",
                                     "\"version\":1",
                                     "\"match\":\"*\"",
                                     "tool:",
                                     "fd:",
                                     "//"};

static void move_piece(struct damage *m) {
  size_t from = below(m, m->size), to = below(m, m->size), n = below(m, 24);
  if (from + n <= m->size && to + n <= m->size)
    memmove(m->data + to, m->data + from, n);
}

static void overwrite(struct damage *m) {
  const char *piece = pieces[below(m, sizeof pieces / sizeof pieces[0])];
  size_t n = strlen(piece), at = below(m, m->size);
  if (at + n <= m->size)
    memcpy(m->data + at, piece, n);
}

static void take_out(struct damage *m) {
  size_t at = below(m, m->size), n = below(m, 8);
  if (at + n > m->size)
    return;
  memmove(m->data + at, m->data + at + n, m->size - at - n);
  m->size -= n;
}

static void damage_text(struct damage *m) {
  switch (below(m, 6)) {
  case 0:
    m->data[below(m, m->size)] ^= (uint8_t)(1 << below(m, 8));
    break;
  case 1:
    move_piece(m);
    break;
  case 2:
    take_out(m);
    break;
  case 3:
    m->size -= m->size > 1 ? below(m, m->size > 16 ? 16 : m->size - 1) : 0;
    break;
  default:
    overwrite(m);
  }
}

static uint64_t odd_value(struct damage *m) {
  const uint64_t values[] = {
      0,        1,          m->size,    m->size - 1,       m->size + 1, UINT64_MAX, UINT64_MAX - 63,
      1u << 20, 1ull << 32, 1ull << 63, below(m, m->size), 0xff00,      0xffff,     SHT_NOBITS};
  return values[below(m, sizeof values / sizeof values[0])];
}

static void damage_elf(struct damage *m) {
  static const uint8_t fields[][2] = {/* of a header: offset, size */
                                      {0, 4}, {4, 4}, {8, 8}, {24, 8}, {32, 8}, {40, 4}};
  Elf64_Ehdr eh;
  memcpy(&eh, m->data, sizeof eh);
  uint64_t value = odd_value(m);
  size_t section = below(m, eh.e_shnum ? eh.e_shnum : 1u);
  const uint8_t *field = fields[below(m, sizeof fields / sizeof fields[0])];
  uint64_t at = eh.e_shoff + section * sizeof(Elf64_Shdr) + field[0];
  switch (below(m, 4)) {
  case 0:
    at = offsetof(Elf64_Ehdr, e_shoff);
    memcpy(m->data + at, &value, 8);
    break;
  case 1:
    memcpy(m->data + offsetof(Elf64_Ehdr, e_shentsize) + 2 * below(m, 3), &value, 2);
    break;
  default:
    if (at < m->size && m->size - at >= field[1])
      memcpy(m->data + at, &value, field[1]);
  }
}

size_t mutate_image(uint8_t *data, size_t size, uint32_t seed) {
  struct damage m = {data, size, seed * 2654435761u | 1};
  bool elf = size >= sizeof(Elf64_Ehdr) && !memcmp(data, "\177ELF", 4);
  for (uint32_t n = 1 + below(&m, 4); n && m.size; n--) {
    if (elf)
      damage_elf(&m);
    else
      damage_text(&m);
  }
  return m.size;
}
