#include "elf/dynamic.h"

#include <string.h>

int elf_dynamic_index(int64_t tag) {
  if (tag >= 0 && tag < ELF_DT_NUM)
    return (int)tag;
  switch (tag) {
  case DT_VERNEEDNUM:
    return ELF_DT_VERNEEDNUM;
  case DT_VERNEED:
    return ELF_DT_VERNEED;
  case DT_VERDEFNUM:
    return ELF_DT_VERDEFNUM;
  case DT_VERDEF:
    return ELF_DT_VERDEF;
  case DT_FLAGS_1:
    return ELF_DT_FLAGS_1;
  case DT_RELCOUNT:
    return ELF_DT_RELCOUNT;
  case DT_RELACOUNT:
    return ELF_DT_RELACOUNT;
  case DT_VERSYM:
    return ELF_DT_VERSYM;
  case DT_AUXILIARY:
    return ELF_DT_AUXILIARY;
  case DT_FILTER:
    return ELF_DT_FILTER;
  case DT_GNU_HASH:
    return ELF_DT_GNU_HASH;
  case DT_TLSDESC_PLT:
    return ELF_DT_TLSDESC_PLT;
  case DT_TLSDESC_GOT:
    return ELF_DT_TLSDESC_GOT;
  case DT_GNU_FLAGS_1:
    return ELF_DT_GNU_FLAGS_1;
  default:
    return -1;
  }
}

const char *elf_string(const struct elf_dynamic *d, uint64_t off) {
  return off < d->sym.strsz ? d->sym.str + off : NULL;
}

const char *elf_dynamic_string(const struct elf_dynamic *d, int index) {
  return d->info[index] ? elf_string(d, elf_dynamic_value(d, index)) : NULL;
}

static enum elf_error read_tags(Elf64_Dyn *d, uint64_t room, struct elf_dynamic *out) {
  out->table = d;
  for (; out->count < room && d->d_tag != DT_NULL; d++, out->count++) {
    int i = elf_dynamic_index(d->d_tag);
    if (i >= 0)
      out->info[i] = d;
  }
  return out->count == room ? ELF_BAD_DYNAMIC : ELF_OK;
}

static enum elf_error read_strings(const struct elf_image *im, struct elf_dynamic *out) {
  uint64_t size = elf_dynamic_value(out, DT_STRSZ);
  if (!out->info[DT_STRTAB])
    return size ? ELF_BAD_STRTAB : ELF_OK;
  const char *s = elf_at(im, elf_dynamic_value(out, DT_STRTAB), size);
  if (!s || !size || s[size - 1])
    return ELF_BAD_STRTAB;
  out->sym.str = s;
  out->sym.strsz = size;
  return ELF_OK;
}

/* The format has no count of symbols: the end of the segment is the limit that keeps reads inside. */
static enum elf_error read_symbols(const struct elf_image *im, struct elf_dynamic *out) {
  if (!out->info[DT_SYMTAB])
    return ELF_OK;
  uint64_t addr = elf_dynamic_value(out, DT_SYMTAB);
  if (addr % 8 || (out->info[DT_SYMENT] && elf_dynamic_value(out, DT_SYMENT) != sizeof(Elf64_Sym)) || !out->sym.str)
    return ELF_BAD_SYMTAB;
  out->sym.sym = elf_at(im, addr, sizeof(Elf64_Sym));
  if (!out->sym.sym)
    return ELF_BAD_SYMTAB;
  uint64_t n = elf_room(im, addr) / sizeof(Elf64_Sym);
  out->sym.nsym = n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
  if (out->info[ELF_DT_VERSYM]) {
    addr = elf_dynamic_value(out, ELF_DT_VERSYM);
    out->sym.versym = addr % 2 ? NULL : elf_at(im, addr, sizeof(Elf64_Half));
    if (!out->sym.versym)
      return ELF_BAD_VERSIONS;
    out->sym.nversym = (uint32_t)(elf_room(im, addr) / sizeof(Elf64_Half));
  }
  return ELF_OK;
}

static enum elf_error read_gnu_hash(const struct elf_image *im, struct elf_dynamic *out) {
  uint64_t addr = elf_dynamic_value(out, ELF_DT_GNU_HASH), room = elf_room(im, addr);
  const uint32_t *h = addr % 8 ? NULL : elf_at(im, addr, 16);
  if (!h)
    return ELF_BAD_HASH;
  uint32_t nbuckets = h[0], symbias = h[1], bloom_words = h[2];
  uint64_t bloom_end = 16 + (uint64_t)bloom_words * 8, bucket_end = bloom_end + (uint64_t)nbuckets * 4;
  if (!nbuckets || !ldx_is_pow2(bloom_words) || bucket_end > room || h[3] > 31)
    return ELF_BAD_HASH;
  struct elf_symtab *t = &out->sym;
  t->bloom = (const uint64_t *)(h + 4);
  t->bloom_mask = bloom_words - 1;
  t->bloom_shift = h[3];
  t->buckets = (const uint32_t *)((const uint8_t *)h + bloom_end);
  t->nbuckets = nbuckets;
  t->bucket_magic = elf_magic(nbuckets);
  t->symbias = symbias;
  t->chain = (const uint32_t *)((const uint8_t *)h + bucket_end);
  uint64_t limit = (room - bucket_end) / 4;
  t->chain_count = limit > UINT32_MAX ? UINT32_MAX : (uint32_t)limit;
  return ELF_OK;
}

static enum elf_error read_sysv_hash(const struct elf_image *im, struct elf_dynamic *out) {
  uint64_t addr = elf_dynamic_value(out, DT_HASH), room = elf_room(im, addr);
  const uint32_t *h = addr % 4 ? NULL : elf_at(im, addr, 8);
  if (!h || (8 + ((uint64_t)h[0] + h[1]) * 4) > room || !h[0])
    return ELF_BAD_HASH;
  struct elf_symtab *t = &out->sym;
  t->buckets = h + 2;
  t->nbuckets = h[0];
  t->chain = h + 2 + h[0];
  t->chain_count = h[1];
  return ELF_OK;
}

static enum elf_error read_hash(const struct elf_image *im, struct elf_dynamic *out) {
  if (!out->sym.sym)
    return ELF_OK;
  if (out->info[ELF_DT_GNU_HASH])
    return read_gnu_hash(im, out);
  return out->info[DT_HASH] ? read_sysv_hash(im, out) : ELF_OK;
}

static enum elf_error read_relas(const struct elf_image *im, uint64_t addr, uint64_t size, struct elf_relas *out) {
  if (!size)
    return ELF_OK;
  if (size % sizeof(Elf64_Rela) || addr % 8 || !(out->at = elf_at(im, addr, size)))
    return ELF_BAD_RELOC_TABLE;
  out->count = size / sizeof(Elf64_Rela);
  return ELF_OK;
}

/* Linkers may let DT_RELASZ include the PLT's relocations: these are done as JMPREL alone. */
static enum elf_error cut_jmprel(struct elf_relas *rela, const struct elf_relas *jmprel) {
  uintptr_t start = (uintptr_t)rela->at, end = start + rela->count * sizeof(Elf64_Rela);
  uintptr_t plt = (uintptr_t)jmprel->at, plt_end = plt + jmprel->count * sizeof(Elf64_Rela);
  if (!jmprel->count || plt >= end || plt_end <= start)
    return ELF_OK;
  if (plt < start || plt_end != end)
    return ELF_BAD_RELOC_TABLE;
  rela->count = (plt - start) / sizeof(Elf64_Rela);
  return ELF_OK;
}

static enum elf_error read_relocations(const struct elf_image *im, struct elf_dynamic *out) {
  if ((out->info[DT_RELAENT] && elf_dynamic_value(out, DT_RELAENT) != sizeof(Elf64_Rela)) ||
      (out->info[DT_RELRENT] && elf_dynamic_value(out, DT_RELRENT) != 8) ||
      (out->info[DT_REL] && elf_dynamic_value(out, DT_RELSZ)) ||
      (out->info[DT_PLTREL] && elf_dynamic_value(out, DT_PLTREL) != DT_RELA))
    return ELF_BAD_RELOC_TABLE;
  enum elf_error e = ELF_OK;
  if (out->info[DT_RELA])
    e = read_relas(im, elf_dynamic_value(out, DT_RELA), elf_dynamic_value(out, DT_RELASZ), &out->rela);
  if (!e && out->info[DT_JMPREL])
    e = read_relas(im, elf_dynamic_value(out, DT_JMPREL), elf_dynamic_value(out, DT_PLTRELSZ), &out->jmprel);
  if (!e)
    e = cut_jmprel(&out->rela, &out->jmprel);
  if (e)
    return e;
  out->relative_count = elf_dynamic_value(out, ELF_DT_RELACOUNT);
  if (out->relative_count > out->rela.count)
    return ELF_BAD_RELOC_TABLE;
  if (out->info[DT_RELR] && elf_dynamic_value(out, DT_RELRSZ)) {
    uint64_t size = elf_dynamic_value(out, DT_RELRSZ);
    if (size % 8 || elf_dynamic_value(out, DT_RELR) % 8 ||
        !(out->relr = elf_at(im, elf_dynamic_value(out, DT_RELR), size)))
      return ELF_BAD_RELOC_TABLE;
    out->relr_count = size / 8;
  }
  return ELF_OK;
}

static enum elf_error read_functions(const struct elf_image *im, const struct elf_dynamic *d, int array, int size,
                                     struct elf_functions *out) {
  uint64_t bytes = elf_dynamic_value(d, size);
  if (!d->info[array] || !bytes)
    return ELF_OK;
  if (bytes % 8 || elf_dynamic_value(d, array) % 8 || !(out->at = elf_at(im, elf_dynamic_value(d, array), bytes)))
    return ELF_BAD_INIT;
  out->count = bytes / 8;
  return ELF_OK;
}

static enum elf_error read_init(const struct elf_image *im, struct elf_dynamic *out) {
  enum elf_error e = read_functions(im, out, DT_PREINIT_ARRAY, DT_PREINIT_ARRAYSZ, &out->preinit_array);
  if (!e)
    e = read_functions(im, out, DT_INIT_ARRAY, DT_INIT_ARRAYSZ, &out->init_array);
  if (!e)
    e = read_functions(im, out, DT_FINI_ARRAY, DT_FINI_ARRAYSZ, &out->fini_array);
  out->init = elf_dynamic_value(out, DT_INIT);
  out->fini = elf_dynamic_value(out, DT_FINI);
  if ((out->init && !elf_at_memory(im, out->init, 1, PF_X)) || (out->fini && !elf_at_memory(im, out->fini, 1, PF_X)))
    return ELF_BAD_INIT;
  return e;
}

static enum elf_error read_flags(const struct elf_image *im, struct elf_dynamic *out) {
  out->flags = elf_dynamic_value(out, DT_FLAGS);
  out->flags_1 = elf_dynamic_value(out, ELF_DT_FLAGS_1);
  out->gnu_flags_1 = elf_dynamic_value(out, ELF_DT_GNU_FLAGS_1);
  out->symbolic = out->info[DT_SYMBOLIC] || out->flags & DF_SYMBOLIC;
  out->textrel = out->info[DT_TEXTREL] || out->flags & DF_TEXTREL;
  out->bind_now = out->info[DT_BIND_NOW] || out->flags & DF_BIND_NOW || out->flags_1 & DF_1_NOW;
  if (out->info[DT_PLTGOT] && out->jmprel.count) {
    out->pltgot =
        elf_dynamic_value(out, DT_PLTGOT) % 8 ? NULL : elf_at_memory(im, elf_dynamic_value(out, DT_PLTGOT), 24, PF_W);
    if (!out->pltgot) /* no room for the lazy-binding words: bind at once */
      out->bind_now = true;
  } else if (out->jmprel.count) {
    out->bind_now = true;
  }
  return ELF_OK;
}

enum elf_error elf_read_dynamic(const struct elf_image *im, struct elf_dynamic *out) {
  Elf64_Dyn *d = im->dynamic ? elf_at(im, im->dynamic->p_vaddr, sizeof *d) : NULL;
  memset(out, 0, sizeof *out);
  if (!d)
    return im->dynamic ? ELF_BAD_DYNAMIC : ELF_NO_DYNAMIC;
  uint64_t room = elf_room(im, im->dynamic->p_vaddr) / sizeof *d;
  return elf_read_tags(im, d, room > UINT32_MAX ? UINT32_MAX : (uint32_t)room, out);
}

enum elf_error elf_read_tags(const struct elf_image *im, Elf64_Dyn *table, uint32_t room, struct elf_dynamic *out) {
  static enum elf_error (*const steps[])(const struct elf_image *, struct elf_dynamic *) = {
      read_strings, read_symbols, read_hash, read_relocations, read_init, read_flags};
  memset(out, 0, sizeof *out);
  enum elf_error e = read_tags(table, room, out);
  for (size_t i = 0; !e && i < LDX_COUNT(steps); i++)
    e = steps[i](im, out);
  out->sym.bias = im->bias;
  return e;
}
