/* Symbol tables and their hashes. A table is searched by name; which of several candidates is the right
 * one (versions, kinds) is the caller's rule, so the search is an iteration.
 *
 * Sources: gABI ch. 5 "Hash Table"; the GNU hash section as binutils writes it. */
#ifndef LDX_ELF_SYMTAB_H
#define LDX_ELF_SYMTAB_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "elf/defs.h"

/* A name to look up: hashed once, compared many times. */
struct elf_name {
  const char *text;
  uint32_t gnu, len;
  uint32_t sysv; /* ELF_NO_SYSV until needed */
};
#define ELF_NO_SYSV UINT32_MAX

/* What one search needs of an object. `bloom` is NULL for a SysV hash table; `buckets` NULL: nothing to find.
 * A table that grows while it is read is found by `live`, and stands as in a file: number of buckets, of symbols,
 * buckets, chains. It has no fewer chains than buckets, and who began to walk in one goes on in it. */
struct elf_symtab {
  const uint64_t *bloom;
  uint32_t bloom_mask, bloom_shift;
  const uint32_t *buckets, *chain;
  uint32_t nbuckets, symbias, chain_count;
  uint64_t bucket_magic; /* elf_magic(nbuckets) */
  uint32_t nsym;         /* limit for symbol indices, not a count */
  const Elf64_Sym *sym;
  const char *str;
  uint64_t strsz;
  const Elf64_Half *versym;
  uint32_t nversym;
  uintptr_t bias;
  const uint32_t *const *live; /* NULL: a table that stays as it is */
};

uint32_t elf_sysv_hash(const char *name);

struct elf_name elf_name(const char *text);

/* False when the Bloom filter proves that the name is not in the table. */
static inline bool elf_bloom_may_have(const uint64_t *bloom, uint32_t mask, uint32_t shift, uint32_t hash) {
  uint64_t word = bloom[(hash / 64) & mask];
  return (word >> (hash & 63)) & (word >> ((hash >> shift) & 63)) & 1;
}

/* Walking state. */
struct elf_walk {
  uint32_t index;        /* current symbol, 0 at the end */
  uint32_t left;         /* SysV: steps left, against cycles */
  uint32_t count;        /* SysV: entries of the chain */
  const uint32_t *chain; /* SysV */
};

/* Remainder without a division: the fractional part of a * (1 / d), times d. Exact for 32-bit operands
 * (Lemire, Kaser, Kurz: "Faster Remainder by Direct Computation", 2019). */
static inline uint64_t elf_magic(uint32_t d) { return UINT64_MAX / d + 1; }
static inline uint32_t elf_mod(uint32_t a, uint32_t d, uint64_t magic) {
  return (uint32_t)(((unsigned __int128)(magic * a) * d) >> 64);
}

/* n >= 1 bytes, word by word; the last word may overlap the one before. */
static inline bool elf_same_text(const char *a, const char *b, uint32_t n) {
  uint64_t x, y;
  if (n < 8) {
    for (uint32_t i = 0; i < n; i++)
      if (a[i] != b[i])
        return false;
    return true;
  }
  for (uint32_t i = 0; i + 8 < n; i += 8) {
    memcpy(&x, a + i, 8);
    memcpy(&y, b + i, 8);
    if (x != y)
      return false;
  }
  memcpy(&x, a + n - 8, 8);
  memcpy(&y, b + n - 8, 8);
  return x == y;
}

static inline bool elf_name_is(const struct elf_symtab *t, const Elf64_Sym *s, const struct elf_name *name) {
  const char *text = t->str + s->st_name;
  return s->st_name < t->strsz && (text == name->text || (t->strsz - s->st_name > name->len &&
                                                          elf_same_text(text, name->text, name->len + 1)));
}

static inline uint32_t elf_gnu_walk(const struct elf_symtab *t, const struct elf_name *name, struct elf_walk *w,
                                    uint32_t i) {
  for (;; i++) {
    uint32_t c = i - t->symbias;
    if (i >= t->nsym || c >= t->chain_count)
      break;
    uint32_t word = t->chain[c];
    if (((word ^ name->gnu) >> 1) == 0 && elf_name_is(t, &t->sym[i], name))
      return w->index = i;
    if (word & 1)
      break;
  }
  return w->index = 0;
}

uint32_t elf_sysv_first(const struct elf_symtab *t, struct elf_name *name, struct elf_walk *w);
uint32_t elf_sysv_next(const struct elf_symtab *t, struct elf_name *name, struct elf_walk *w);

/* The first and the next symbol whose hash equals the name's; 0 at the end. Names are compared. */
static inline uint32_t elf_find_first(const struct elf_symtab *t, struct elf_name *name, struct elf_walk *w) {
  if (!t->bloom)
    return elf_sysv_first(t, name, w);
  if (!elf_bloom_may_have(t->bloom, t->bloom_mask, t->bloom_shift, name->gnu))
    return w->index = 0;
  uint32_t i = t->buckets[elf_mod(name->gnu, t->nbuckets, t->bucket_magic)];
  return i < t->symbias || !i ? (w->index = 0) : elf_gnu_walk(t, name, w, i);
}

static inline uint32_t elf_find_next(const struct elf_symtab *t, struct elf_name *name, struct elf_walk *w) {
  if (!t->bloom)
    return elf_sysv_next(t, name, w);
  if (t->chain[w->index - t->symbias] & 1)
    return w->index = 0;
  return elf_gnu_walk(t, name, w, w->index + 1);
}

/* Checked access by index: NULL when outside. */
static inline const Elf64_Sym *elf_symbol(const struct elf_symtab *t, uint64_t index) {
  return index < t->nsym ? &t->sym[index] : NULL;
}
static inline const char *elf_symbol_name(const struct elf_symtab *t, const Elf64_Sym *s) {
  return s->st_name < t->strsz ? t->str + s->st_name : "";
}
/* The version word of a symbol: 1 (global, unversioned) when the object has no version table. */
static inline uint16_t elf_versym(const struct elf_symtab *t, uint64_t index) {
  return index < t->nversym ? t->versym[index] : VER_NDX_GLOBAL;
}

/* Number of symbols, for those who list them (costs a walk over the hash table). */
uint32_t elf_symbol_count(const struct elf_symtab *t);

#endif
