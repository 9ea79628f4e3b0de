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

/* What one search needs of an object. `bloom` is NULL for a SysV hash table; `buckets` NULL: nothing to find. */
struct elf_symtab {
  const uint64_t *bloom;
  uint32_t bloom_mask, bloom_shift;
  const uint32_t *buckets, *chain;
  uint32_t nbuckets, symbias, chain_count;
  uint32_t nsym; /* limit for symbol indices, not a count */
  const Elf64_Sym *sym;
  const char *str;
  uint64_t strsz;
  const Elf64_Half *versym;
  uint32_t nversym;
  uintptr_t bias;
};

uint32_t elf_sysv_hash(const char *name);

static inline struct elf_name elf_name(const char *text) {
  uint32_t h = 5381;
  const unsigned char *p = (const unsigned char *)text;
  for (; *p; p++)
    h = h * 33 + *p;
  return (struct elf_name){text, h, (uint32_t)(p - (const unsigned char *)text), ELF_NO_SYSV};
}

/* False when the Bloom filter proves that the name is not in the table. */
static inline bool elf_bloom_may_have(const uint64_t *bloom, uint32_t mask, uint32_t shift, uint32_t hash) {
  uint64_t word = bloom[(hash / 64) & mask];
  return (word >> (hash & 63)) & (word >> ((hash >> shift) & 63)) & 1;
}

/* Index of a symbol within the chain of a GNU hash table: walking state. */
struct elf_walk {
  uint32_t index; /* current symbol, 0 at the end */
  uint32_t left;  /* SysV: steps left, against cycles */
};

/* The first and the next symbol whose hash equals the name's; 0 at the end. Names are compared. */
uint32_t elf_find_first(const struct elf_symtab *t, struct elf_name *name, struct elf_walk *w);
uint32_t elf_find_next(const struct elf_symtab *t, struct elf_name *name, struct elf_walk *w);

static inline bool elf_name_is(const struct elf_symtab *t, const Elf64_Sym *s, const struct elf_name *name) {
  return s->st_name < t->strsz && t->strsz - s->st_name > name->len &&
         !memcmp(t->str + s->st_name, name->text, name->len + 1);
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
