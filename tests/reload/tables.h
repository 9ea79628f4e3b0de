/* Makes symbol tables anew: those of an object with one symbol renamed, in memory of the object itself. */
#ifndef TABLES_H
#define TABLES_H

#include "common.h"

static inline uint32_t sysv_hash(const char *s) {
  uint32_t h = 0, g;
  for (; *s; s++) {
    h = (h << 4) + (unsigned char)*s;
    g = h & 0xf0000000;
    h ^= g >> 24;
    h &= ~g;
  }
  return h;
}

/* Symbols of a table with a GNU or a SysV hash. */
static inline uint32_t count_symbols(void *handle) {
  if (!entry(handle, DT_GNU_HASH))
    return ((uint32_t *)table_of(handle, DT_HASH))[1];
  uint32_t *h = table_of(handle, DT_GNU_HASH), last = 0;
  uint32_t *buckets = h + 4 + 2 * h[2], *chain = buckets + h[0];
  for (uint32_t i = 0; i < h[0]; i++)
    last = buckets[i] > last ? buckets[i] : last;
  while (last && !(chain[last - h[1]] & 1))
    last++;
  return last + 1;
}

struct tables {
  Elf64_Sym *symbols;
  char *strings;
  uint32_t *hash; /* SysV */
  Elf64_Half *versions;
  uint32_t count;
  size_t strings_size;
};

/* One bucket for all: a SysV table of any names. */
static inline void fill_hash(struct tables *t) {
  t->hash[0] = 1;
  t->hash[1] = t->count;
  t->hash[2] = t->count > 1 ? 1 : 0;
  for (uint32_t i = 0; i < t->count; i++)
    t->hash[3 + i] = i && i + 1 < t->count ? i + 1 : 0;
}

/* The tables of the object with `from` called `to`, written to `where` (which can be written). */
static inline struct tables make_tables(void *handle, char *where, const char *from, const char *to) {
  struct tables t = {.count = count_symbols(handle)};
  const Elf64_Sym *old = table_of(handle, DT_SYMTAB);
  const char *old_strings = table_of(handle, DT_STRTAB);
  size_t old_size = entry(handle, DT_STRSZ)->d_un.d_val;
  t.symbols = (Elf64_Sym *)where;
  memcpy(t.symbols, old, t.count * sizeof *old);
  t.versions = (Elf64_Half *)(t.symbols + t.count);
  if (entry(handle, DT_VERSYM))
    memcpy(t.versions, table_of(handle, DT_VERSYM), t.count * sizeof *t.versions);
  t.hash = (uint32_t *)(t.versions + t.count + t.count % 2);
  t.strings = (char *)(t.hash + 3 + t.count);
  memcpy(t.strings, old_strings, old_size);
  strcpy(t.strings + old_size, to);
  t.strings_size = old_size + strlen(to) + 1;
  for (uint32_t i = 1; i < t.count; i++)
    if (!strcmp(old_strings + old[i].st_name, from))
      t.symbols[i].st_name = (uint32_t)old_size;
  fill_hash(&t);
  return t;
}

/* One more symbol, whose name is the last text. */
static inline void add_symbol(struct tables *t, const char *name, uint64_t value) {
  struct tables old = *t;
  char *where = (char *)t->symbols + (64 << 10);
  t->symbols = (Elf64_Sym *)where;
  memcpy(t->symbols, old.symbols, old.count * sizeof *old.symbols);
  t->symbols[t->count++] = (Elf64_Sym){.st_name = (uint32_t)(old.strings_size - strlen(name) - 1),
                                       .st_value = value,
                                       .st_size = 8,
                                       .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
                                       .st_shndx = 1};
  t->versions = (Elf64_Half *)(t->symbols + t->count);
  memcpy(t->versions, old.versions, old.count * sizeof *old.versions);
  t->versions[old.count] = VER_NDX_GLOBAL;
  t->hash = (uint32_t *)(t->versions + t->count + t->count % 2);
  t->strings = (char *)(t->hash + 3 + t->count);
  memcpy(t->strings, old.strings, old.strings_size);
  fill_hash(t);
}

static inline void set_entry(void *handle, Elf64_Dyn *d, long tag, uint64_t value) {
  Elf64_Dyn *w = writable(handle, d);
  w->d_tag = tag;
  w->d_un.d_val = value;
}

/* Leads the dynamic section to them. Of the two kinds of hash SysV's is left. */
static inline void install(void *handle, const struct tables *t) {
  uintptr_t base = map_of(handle)->l_addr;
  for (Elf64_Dyn *d = map_of(handle)->l_ld; d->d_tag; d++)
    if (d->d_tag == DT_GNU_HASH || d->d_tag == DT_HASH)
      set_entry(handle, d, DT_HASH, (uintptr_t)t->hash - base);
  set_entry(handle, entry(handle, DT_SYMTAB), DT_SYMTAB, (uintptr_t)t->symbols - base);
  set_entry(handle, entry(handle, DT_STRTAB), DT_STRTAB, (uintptr_t)t->strings - base);
  set_entry(handle, entry(handle, DT_STRSZ), DT_STRSZ, t->strings_size);
  if (entry(handle, DT_VERSYM))
    set_entry(handle, entry(handle, DT_VERSYM), DT_VERSYM, (uintptr_t)t->versions - base);
}

#endif
