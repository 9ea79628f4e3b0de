#include "elf/symtab.h"

uint32_t elf_sysv_hash(const char *name) {
  uint32_t h = 0;
  for (const unsigned char *p = (const unsigned char *)name; *p; p++) {
    h = (h << 4) + *p;
    h ^= (h >> 24) & 0xf0;
  }
  return h & 0x0fffffff;
}

/* The GNU hash, h * 33 + c from 5381 on, four characters a step: one multiplication lies on the path. */
struct elf_name elf_name(const char *text) {
  enum { P2 = 33 * 33, P3 = 33 * P2, P4 = 33 * P3 };
  const unsigned char *p = (const unsigned char *)text;
  uint32_t len = (uint32_t)strlen(text), h = 5381, n = len;
  for (; n >= 4; n -= 4, p += 4)
    h = h * P4 + (p[0] * P3 + p[1] * P2 + p[2] * 33u + p[3]);
  for (; n; n--, p++)
    h = h * 33 + *p;
  return (struct elf_name){text, h, len, ELF_NO_SYSV};
}

static uint32_t sysv_walk(const struct elf_symtab *t, const struct elf_name *name, struct elf_walk *w, uint32_t i) {
  while (i && i < w->count && i < t->nsym && w->left) {
    w->left--;
    if (elf_name_is(t, &t->sym[i], name))
      return w->index = i;
    i = __atomic_load_n(&w->chain[i], __ATOMIC_ACQUIRE);
  }
  return w->index = 0;
}

static uint32_t live_first(const struct elf_symtab *t, const struct elf_name *name, struct elf_walk *w) {
  const uint32_t *table = __atomic_load_n(t->live, __ATOMIC_ACQUIRE), buckets = table[0];
  w->chain = table + 2 + buckets;
  w->left = w->count = buckets;
  return sysv_walk(t, name, w, __atomic_load_n(&table[2 + name->sysv % buckets], __ATOMIC_ACQUIRE));
}

uint32_t elf_sysv_first(const struct elf_symtab *t, struct elf_name *name, struct elf_walk *w) {
  if (!t->buckets)
    return w->index = 0;
  if (name->sysv == ELF_NO_SYSV)
    name->sysv = elf_sysv_hash(name->text);
  if (t->live)
    return live_first(t, name, w);
  w->chain = t->chain;
  w->left = w->count = t->chain_count;
  return sysv_walk(t, name, w, t->buckets[name->sysv % t->nbuckets]);
}

uint32_t elf_sysv_next(const struct elf_symtab *t, struct elf_name *name, struct elf_walk *w) {
  return sysv_walk(t, name, w, __atomic_load_n(&w->chain[w->index], __ATOMIC_ACQUIRE));
}

uint32_t elf_symbol_count(const struct elf_symtab *t) {
  if (!t->buckets)
    return 0;
  if (t->live)
    return __atomic_load_n(&__atomic_load_n(t->live, __ATOMIC_ACQUIRE)[1], __ATOMIC_ACQUIRE);
  if (!t->bloom)
    return t->chain_count < t->nsym ? t->chain_count : t->nsym;
  uint32_t last = 0;
  for (uint32_t b = 0; b < t->nbuckets; b++)
    if (t->buckets[b] > last)
      last = t->buckets[b];
  if (last < t->symbias || !last)
    return t->symbias < t->nsym ? t->symbias : t->nsym;
  while (last < t->nsym && last - t->symbias < t->chain_count && !(t->chain[last - t->symbias] & 1))
    last++;
  return last < t->nsym ? last + 1 : t->nsym;
}
