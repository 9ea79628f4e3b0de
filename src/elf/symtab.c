#include "elf/symtab.h"

uint32_t elf_sysv_hash(const char *name) {
  uint32_t h = 0;
  for (const unsigned char *p = (const unsigned char *)name; *p; p++) {
    h = (h << 4) + *p;
    h ^= (h >> 24) & 0xf0;
  }
  return h & 0x0fffffff;
}

static uint32_t gnu_walk(const struct elf_symtab *t, const struct elf_name *name, struct elf_walk *w, uint32_t i) {
  for (;; i++) {
    uint32_t c = i - t->symbias;
    if (i >= t->nsym || c >= t->chain_count)
      break;
    if (((t->chain[c] ^ name->gnu) >> 1) == 0 && elf_name_is(t, &t->sym[i], name))
      return w->index = i;
    if (t->chain[c] & 1)
      break;
  }
  return w->index = 0;
}

static uint32_t sysv_walk(const struct elf_symtab *t, const struct elf_name *name, struct elf_walk *w, uint32_t i) {
  while (i && i < t->chain_count && i < t->nsym && w->left) {
    w->left--;
    if (elf_name_is(t, &t->sym[i], name))
      return w->index = i;
    i = t->chain[i];
  }
  return w->index = 0;
}

uint32_t elf_find_first(const struct elf_symtab *t, struct elf_name *name, struct elf_walk *w) {
  if (!t->buckets)
    return w->index = 0;
  if (t->bloom) {
    if (!elf_bloom_may_have(t->bloom, t->bloom_mask, t->bloom_shift, name->gnu))
      return w->index = 0;
    uint32_t i = t->buckets[name->gnu % t->nbuckets];
    return i < t->symbias || !i ? (w->index = 0) : gnu_walk(t, name, w, i);
  }
  if (name->sysv == ELF_NO_SYSV)
    name->sysv = elf_sysv_hash(name->text);
  w->left = t->chain_count;
  return sysv_walk(t, name, w, t->buckets[name->sysv % t->nbuckets]);
}

uint32_t elf_find_next(const struct elf_symtab *t, struct elf_name *name, struct elf_walk *w) {
  if (!t->bloom)
    return sysv_walk(t, name, w, t->chain[w->index]);
  if (t->chain[w->index - t->symbias] & 1)
    return w->index = 0;
  return gnu_walk(t, name, w, w->index + 1);
}

uint32_t elf_symbol_count(const struct elf_symtab *t) {
  if (!t->buckets)
    return 0;
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
