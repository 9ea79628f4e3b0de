#include "image_writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/span.h"
#include "elf/symtab.h"

enum { CAPACITY = 64 * 1024, MAX_SYMBOLS = 512, MAX_STRINGS = 16 * 1024, MAX_PHDRS = 16 };

struct writer {
  const struct image_spec *spec;
  struct image im;
  const struct image_symbol *order[MAX_SYMBOLS]; /* as in the table; [0] is NULL */
  uint32_t first_hashed;
  char strings[MAX_STRINGS];
  uint32_t string_size;
  Elf64_Dyn *next_tag;
  uint32_t verdef_count, verneed_count;
};

static void must(bool ok, const char *what) {
  if (ok)
    return;
  fprintf(stderr, "image writer: %s\n", what);
  abort();
}

static void *append(struct writer *w, size_t size, size_t align) {
  size_t at = ldx_align_up(w->im.size, align);
  must(at + size <= CAPACITY, "image too large");
  w->im.size = at + size;
  return w->im.bytes + at;
}

/* Offset of a string in the string table; adds it when it is new. */
static uint32_t string(struct writer *w, const char *s) {
  for (uint32_t at = 0; at < w->string_size; at += (uint32_t)strlen(w->strings + at) + 1)
    if (!strcmp(w->strings + at, s))
      return at;
  uint32_t at = w->string_size;
  must(at + strlen(s) < MAX_STRINGS, "too many strings");
  strcpy(w->strings + at, s);
  w->string_size += (uint32_t)strlen(s) + 1;
  return at;
}

/* All strings are known before the first table is written, so that the string table can stand anywhere. */
static void collect_strings(struct writer *w) {
  const struct image_spec *s = w->spec;
  string(w, "");
  if (s->soname)
    string(w, s->soname);
  for (const char *const *n = s->needed; n && *n; n++)
    string(w, *n);
  for (const struct image_symbol *y = s->symbols; y && y->name; y++)
    string(w, y->name);
  for (const struct image_need *n = s->needs; n && n->file; n++) {
    string(w, n->file);
    string(w, n->version);
  }
  for (const struct image_def *d = s->defs; d && d->version; d++) {
    string(w, d->version);
    if (d->parent)
      string(w, d->parent);
  }
}

/* Symbols */

static bool is_defined(const struct image_symbol *y) { return y->place != IMAGE_UNDEFINED; }

static uint32_t gnu_buckets(const struct writer *w) {
  uint32_t hashed = w->im.symbol_count - w->first_hashed;
  return w->spec->gnu_buckets ? w->spec->gnu_buckets : hashed / 2 + 1;
}

static uint32_t bucket_of(const struct writer *w, uint32_t i) {
  return elf_name(w->order[i]->name).gnu % gnu_buckets(w);
}

/* Undefined symbols first, then the others by bucket, as a GNU hash table wants them. */
static void order_symbols(struct writer *w) {
  uint32_t n = 1;
  for (int defined = 0; defined < 2; defined++) {
    w->first_hashed = n;
    for (const struct image_symbol *y = w->spec->symbols; y && y->name; y++)
      if (is_defined(y) == defined) {
        must(n < MAX_SYMBOLS, "too many symbols");
        w->order[n++] = y;
      }
  }
  w->im.symbol_count = n;
  for (uint32_t i = w->first_hashed + 1; i < n; i++)
    for (uint32_t j = i; j > w->first_hashed && bucket_of(w, j - 1) > bucket_of(w, j); j--) {
      const struct image_symbol *y = w->order[j];
      w->order[j] = w->order[j - 1];
      w->order[j - 1] = y;
    }
}

static uint32_t index_of(const struct writer *w, const char *name) {
  for (uint32_t i = 1; name && i < w->im.symbol_count; i++)
    if (!strcmp(w->order[i]->name, name))
      return i;
  must(!name, "relocation against an unknown symbol");
  return 0;
}

/* The tables of the first segment. Addresses in other segments are added once these are placed. */

static bool write_gnu_note(struct writer *w, uint32_t type, const void *desc, uint32_t size, size_t align) {
  uint8_t *p = append(w, 16 + ldx_align_up(size, align), align);
  memcpy(p, &(Elf64_Nhdr){4, size, type}, 12);
  memcpy(p + 12, "GNU", 4);
  memcpy(p + 16, desc, size);
  return true;
}

static bool write_property(struct writer *w) {
  uint32_t desc[4] = {0xc0000002, 4, w->spec->property, 0};
  return w->spec->property && write_gnu_note(w, NT_GNU_PROPERTY_TYPE_0, desc, sizeof desc, 8);
}

static bool write_note(struct writer *w) {
  const char *id = w->spec->build_id;
  return id && write_gnu_note(w, NT_GNU_BUILD_ID, id, (uint32_t)strlen(id), 4);
}

static bool write_gnu_hash(struct writer *w) {
  if (!w->spec->gnu_hash)
    return false;
  uint32_t words = w->spec->bloom_words ? w->spec->bloom_words : 2;
  uint32_t shift = w->spec->bloom_shift ? w->spec->bloom_shift : 6;
  uint32_t buckets = gnu_buckets(w), first = w->first_hashed, end = w->im.symbol_count;
  uint32_t *h = append(w, 16 + words * 8 + (buckets + end - first) * 4, 8);
  memcpy(h, (uint32_t[]){buckets, first, words, shift}, 16);
  uint64_t *bloom = (uint64_t *)(h + 4);
  uint32_t *bucket = (uint32_t *)(bloom + words), *chain = bucket + buckets;
  for (uint32_t i = first; i < end; i++) {
    uint32_t hash = elf_name(w->order[i]->name).gnu, b = hash % buckets;
    bloom[hash / 64 % words] |= 1ull << hash % 64 | 1ull << (hash >> shift) % 64;
    if (!bucket[b])
      bucket[b] = i;
    bool last = i + 1 == end || bucket_of(w, i + 1) != b;
    chain[i - first] = (hash & ~1u) | last;
  }
  return true;
}

static bool write_sysv_hash(struct writer *w) {
  if (!w->spec->sysv_hash)
    return false;
  uint32_t buckets = w->spec->sysv_buckets ? w->spec->sysv_buckets : w->im.symbol_count / 2 + 1;
  uint32_t *h = append(w, (2 + buckets + w->im.symbol_count) * 4, 8);
  h[0] = buckets;
  h[1] = w->im.symbol_count;
  uint32_t *bucket = h + 2, *chain = bucket + buckets;
  for (uint32_t i = 1; i < w->im.symbol_count; i++) {
    uint32_t *head = &bucket[elf_sysv_hash(w->order[i]->name) % buckets];
    chain[i] = *head;
    *head = i;
  }
  return true;
}

static bool write_symtab(struct writer *w) {
  Elf64_Sym *sym = append(w, w->im.symbol_count * sizeof *sym, 8);
  for (uint32_t i = 1; i < w->im.symbol_count; i++) {
    const struct image_symbol *y = w->order[i];
    uint8_t type = y->place == IMAGE_TEXT ? STT_FUNC : y->place == IMAGE_DATA ? STT_OBJECT : STT_NOTYPE;
    sym[i].st_name = string(w, y->name);
    sym[i].st_info = y->info ? y->info : ELF64_ST_INFO(STB_GLOBAL, type);
    sym[i].st_shndx = (uint16_t)(y->place == IMAGE_ABSOLUTE ? SHN_ABS : y->place);
    sym[i].st_value = y->value;
    sym[i].st_size = y->place == IMAGE_UNDEFINED ? 0 : 8;
  }
  return true;
}

static bool write_versym(struct writer *w) {
  if (!w->spec->needs && !w->spec->defs)
    return false;
  Elf64_Half *versym = append(w, w->im.symbol_count * sizeof *versym, 2);
  for (uint32_t i = 1; i < w->im.symbol_count; i++)
    versym[i] = w->order[i]->version ? w->order[i]->version : VER_NDX_GLOBAL;
  return true;
}

static bool write_verdef(struct writer *w) {
  Elf64_Verdef *vd = NULL;
  for (const struct image_def *d = w->spec->defs; d && d->version; d++) {
    uint32_t aux_count = d->parent ? 2 : 1, size = sizeof *vd + aux_count * sizeof(Elf64_Verdaux);
    if (vd)
      vd->vd_next = (uint32_t)(sizeof *vd + vd->vd_cnt * sizeof(Elf64_Verdaux));
    vd = append(w, size, vd ? 1 : 8);
    *vd = (Elf64_Verdef){1, d->flags, d->index, (uint16_t)aux_count, elf_sysv_hash(d->version), sizeof *vd, 0};
    Elf64_Verdaux *a = (Elf64_Verdaux *)(vd + 1);
    a[0] = (Elf64_Verdaux){string(w, d->version), d->parent ? sizeof *a : 0};
    if (d->parent)
      a[1] = (Elf64_Verdaux){string(w, d->parent), 0};
    w->verdef_count++;
  }
  return vd;
}

static bool write_verneed(struct writer *w) {
  Elf64_Verneed *vn = NULL;
  const struct image_need *n = w->spec->needs;
  while (n && n->file) {
    const char *file = n->file;
    if (vn)
      vn->vn_next = (uint32_t)(sizeof *vn + vn->vn_cnt * sizeof(Elf64_Vernaux));
    vn = append(w, sizeof *vn, vn ? 1 : 8);
    *vn = (Elf64_Verneed){1, 0, string(w, file), sizeof *vn, 0};
    for (Elf64_Vernaux *a = NULL; n->file && !strcmp(n->file, file); n++) {
      if (a)
        a->vna_next = sizeof *a;
      a = append(w, sizeof *a, 1);
      uint16_t flags = n->weak ? VER_FLG_WEAK : 0;
      *a = (Elf64_Vernaux){elf_sysv_hash(n->version), flags, n->word, string(w, n->version), 0};
      vn->vn_cnt++;
    }
    w->verneed_count++;
  }
  return vn;
}

static bool write_strtab(struct writer *w) {
  memcpy(append(w, w->string_size, 1), w->strings, w->string_size);
  return true;
}

static bool write_relas(struct writer *w, const struct image_rela *r) {
  for (const struct image_rela *first = r; r && r->type; r++) {
    Elf64_Rela *out = append(w, sizeof *out, r == first ? 8 : 1);
    *out = (Elf64_Rela){(uint64_t)r->offset, ELF64_R_INFO((uint64_t)index_of(w, r->symbol), r->type), r->addend};
  }
  return r;
}

static bool write_rela(struct writer *w) { return write_relas(w, w->spec->rela); }

static bool write_jmprel(struct writer *w) { return write_relas(w, w->spec->jmprel); }

static bool write_relr(struct writer *w) {
  for (const uint64_t *word = w->spec->relr; word && *word; word++)
    memcpy(append(w, 8, 8), word, 8);
  return w->spec->relr;
}

static void write_table(struct writer *w, enum image_table which) {
  static bool (*const writers[IMAGE_TABLES])(struct writer *) = {
      write_property, write_note,    write_gnu_hash, write_sysv_hash, write_symtab, write_versym,
      write_verdef,   write_verneed, write_strtab,   write_rela,      write_jmprel, write_relr};
  uint64_t align = which == IMAGE_STRTAB ? 1 : which == IMAGE_VERSYM ? 2 : which == IMAGE_NOTE ? 4 : 8;
  uint64_t start = ldx_align_up(w->im.size, align);
  if (writers[which](w))
    w->im.tables[which] = (struct image_part){start, w->im.size - start};
}

static void write_tables(struct writer *w) {
  for (unsigned t = 0; t < IMAGE_TABLES; t++)
    if (t != w->spec->last || !t)
      write_table(w, t);
  if (w->spec->last)
    write_table(w, w->spec->last);
}

/* Segments */

static Elf64_Phdr *add_phdr(struct writer *w, uint32_t type, uint32_t flags, uint64_t offset, uint64_t vaddr,
                            uint64_t size, uint64_t align) {
  must(w->im.ehdr->e_phnum < MAX_PHDRS, "too many program headers");
  Elf64_Phdr *ph = &w->im.phdrs[w->im.ehdr->e_phnum++];
  *ph = (Elf64_Phdr){type, flags, offset, vaddr, vaddr, size, size, align};
  return ph;
}

/* The address for file offset `offset` in the first free page behind segment `before`. */
static uint64_t address_behind(const struct writer *w, enum image_phdr before, uint64_t offset) {
  const Elf64_Phdr *ph = &w->im.phdrs[before];
  return ldx_align_up(ph->p_vaddr + ph->p_memsz, LDX_PAGE) + offset % LDX_PAGE;
}

static void write_text(struct writer *w) {
  uint8_t *code = append(w, IMAGE_FUNCTIONS * IMAGE_FUNCTION, 16);
  for (uint8_t i = 0; i < IMAGE_FUNCTIONS; i++)
    memcpy(code + i * IMAGE_FUNCTION, (uint8_t[]){0xb8, i, 0, 0, 0, 0xc3}, 6); /* mov $i, %eax; ret */
  uint64_t offset = (uint64_t)(code - w->im.bytes);
  w->im.text = address_behind(w, IMAGE_PH_R, offset);
  add_phdr(w, PT_LOAD, PF_R | PF_X, offset, w->im.text, IMAGE_FUNCTIONS * IMAGE_FUNCTION, LDX_PAGE);
}

static void tag(struct writer *w, int64_t tag, uint64_t value) { *w->next_tag++ = (Elf64_Dyn){tag, {value}}; }

static void table_tags(struct writer *w, enum image_table t, int64_t address, int64_t size) {
  const struct image_part *p = &w->im.tables[t];
  if (!p->size)
    return;
  tag(w, address, p->offset);
  if (size)
    tag(w, size, p->size);
}

static uint64_t leading_relatives(const struct image_spec *s) {
  uint64_t n = 0;
  for (const struct image_rela *r = s->rela; r && r->type == R_X86_64_RELATIVE; r++)
    n++;
  return n;
}

static void relocation_tags(struct writer *w, uint64_t pltgot) {
  const struct image_part *jmprel = &w->im.tables[IMAGE_JMPREL];
  table_tags(w, IMAGE_RELA, DT_RELA, DT_RELASZ);
  if (w->spec->jmprel_in_rela)
    w->next_tag[-1].d_un.d_val += jmprel->size;
  if (w->im.tables[IMAGE_RELA].size) {
    tag(w, DT_RELAENT, sizeof(Elf64_Rela));
    tag(w, DT_RELACOUNT, leading_relatives(w->spec));
  }
  table_tags(w, IMAGE_JMPREL, DT_JMPREL, DT_PLTRELSZ);
  if (jmprel->size) {
    tag(w, DT_PLTREL, DT_RELA);
    tag(w, DT_PLTGOT, pltgot);
  }
  table_tags(w, IMAGE_RELR, DT_RELR, DT_RELRSZ);
  if (w->im.tables[IMAGE_RELR].size)
    tag(w, DT_RELRENT, 8);
}

static void version_tags(struct writer *w) {
  table_tags(w, IMAGE_VERSYM, DT_VERSYM, 0);
  table_tags(w, IMAGE_VERDEF, DT_VERDEF, 0);
  if (w->verdef_count)
    tag(w, DT_VERDEFNUM, w->verdef_count);
  table_tags(w, IMAGE_VERNEED, DT_VERNEED, 0);
  if (w->verneed_count)
    tag(w, DT_VERNEEDNUM, w->verneed_count);
}

static void write_tags(struct writer *w, uint64_t arrays) {
  const struct image_spec *s = w->spec;
  for (const char *const *n = s->needed; n && *n; n++)
    tag(w, DT_NEEDED, string(w, *n));
  if (s->soname)
    tag(w, DT_SONAME, string(w, s->soname));
  table_tags(w, IMAGE_GNU_HASH, DT_GNU_HASH, 0);
  table_tags(w, IMAGE_SYSV_HASH, DT_HASH, 0);
  table_tags(w, IMAGE_STRTAB, DT_STRTAB, DT_STRSZ);
  table_tags(w, IMAGE_SYMTAB, DT_SYMTAB, 0);
  tag(w, DT_SYMENT, sizeof(Elf64_Sym));
  relocation_tags(w, arrays + 16);
  version_tags(w);
  if (s->init_fini) {
    tag(w, DT_INIT, w->im.text);
    tag(w, DT_FINI, w->im.text + IMAGE_FUNCTION);
    tag(w, DT_INIT_ARRAY, arrays);
    tag(w, DT_INIT_ARRAYSZ, 8);
    tag(w, DT_FINI_ARRAY, arrays + 8);
    tag(w, DT_FINI_ARRAYSZ, 8);
  }
}

enum { MAX_TAGS = 48, ARRAYS = 16 + 24 }; /* init array, fini array, the PLT's three words */

/* Dynamic section, arrays, data: that order, so that the data can end in zero-filled space. */
static void write_data(struct writer *w) {
  uint8_t *start = append(w, MAX_TAGS * sizeof(Elf64_Dyn) + ARRAYS + IMAGE_DATA_SIZE, 16);
  uint64_t offset = (uint64_t)(start - w->im.bytes), vaddr = address_behind(w, IMAGE_PH_X, offset);
  uint64_t size = w->im.size - offset, arrays = vaddr + MAX_TAGS * sizeof(Elf64_Dyn);
  w->im.data = arrays + ARRAYS;
  w->im.dynamic = w->next_tag = (Elf64_Dyn *)start;
  write_tags(w, arrays);
  must(w->next_tag < w->im.dynamic + MAX_TAGS, "too many tags");
  add_phdr(w, PT_LOAD, PF_R | PF_W, offset, vaddr, size, LDX_PAGE)->p_memsz += IMAGE_BSS_SIZE;
  add_phdr(w, PT_DYNAMIC, PF_R | PF_W, offset, vaddr, (uint64_t)((uint8_t *)(w->next_tag + 1) - start), 8);
  add_phdr(w, PT_GNU_RELRO, PF_R, offset, vaddr, w->im.data - vaddr, 1);
  add_phdr(w, PT_GNU_STACK, PF_R | PF_W, 0, 0, 0, 16);
  uint64_t array_words[] = {w->im.text, w->im.text + IMAGE_FUNCTION, vaddr};
  memcpy(start + (arrays - vaddr), array_words, sizeof array_words);
  for (uint64_t i = 0; i < IMAGE_DATA_SIZE / 8; i++)
    memcpy(start + (w->im.data - vaddr) + i * 8, &i, 8);
}

static void add_other_phdrs(struct writer *w) {
  const struct image_part *note = &w->im.tables[IMAGE_NOTE], *property = &w->im.tables[IMAGE_PROPERTY];
  const Elf64_Phdr *data = &w->im.phdrs[IMAGE_PH_W];
  if (note->size)
    add_phdr(w, PT_NOTE, PF_R, note->offset, note->offset, note->size, 4);
  if (property->size) {
    add_phdr(w, PT_NOTE, PF_R, property->offset, property->offset, property->size, 8);
    add_phdr(w, PT_GNU_PROPERTY, PF_R, property->offset, property->offset, property->size, 8);
  }
  if (w->spec->tls)
    add_phdr(w, PT_TLS, PF_R, w->im.data - data->p_vaddr + data->p_offset, w->im.data, 32, 16)->p_memsz = 48;
}

/* Addresses in the text and data become known last. */
static void relocate_tables(struct writer *w) {
  Elf64_Sym *sym = image_table(&w->im, IMAGE_SYMTAB);
  for (uint32_t i = 1; i < w->im.symbol_count; i++)
    sym[i].st_value += w->order[i]->place == IMAGE_TEXT   ? w->im.text
                       : w->order[i]->place == IMAGE_DATA ? w->im.data
                                                          : 0;
  for (unsigned t = IMAGE_RELA; t <= IMAGE_JMPREL; t++) {
    Elf64_Rela *r = image_table(&w->im, t);
    for (uint64_t i = 0; i < w->im.tables[t].size / sizeof *r; i++) {
      r[i].r_offset += w->im.data;
      if (ELF64_R_TYPE(r[i].r_info) == R_X86_64_RELATIVE)
        r[i].r_addend += (int64_t)w->im.data;
    }
  }
  uint64_t *relr = image_table(&w->im, IMAGE_RELR);
  for (uint64_t i = 0; i < w->im.tables[IMAGE_RELR].size / 8; i++)
    relr[i] += relr[i] & 1 ? 0 : w->im.data;
}

static void write_header(struct writer *w) {
  Elf64_Ehdr *eh = append(w, sizeof *eh, 8);
  w->im.ehdr = eh;
  *eh = (Elf64_Ehdr){.e_type = ET_DYN,
                     .e_machine = EM_X86_64,
                     .e_version = EV_CURRENT,
                     .e_phoff = sizeof *eh,
                     .e_ehsize = sizeof *eh,
                     .e_phentsize = sizeof(Elf64_Phdr),
                     .e_shentsize = sizeof(Elf64_Shdr)};
  memcpy(eh->e_ident, ELFMAG, SELFMAG);
  eh->e_ident[EI_CLASS] = ELFCLASS64;
  eh->e_ident[EI_DATA] = ELFDATA2LSB;
  eh->e_ident[EI_VERSION] = EV_CURRENT;
  w->im.phdrs = append(w, MAX_PHDRS * sizeof(Elf64_Phdr), 8);
}

struct image image_write(const struct image_spec *spec) {
  struct writer *w = calloc(1, sizeof *w);
  must(w && (w->im.bytes = calloc(1, CAPACITY)), "no memory");
  w->spec = spec;
  collect_strings(w);
  order_symbols(w);
  write_header(w);
  write_tables(w);
  add_phdr(w, PT_LOAD, PF_R, 0, 0, w->im.size, LDX_PAGE);
  write_text(w);
  write_data(w);
  add_other_phdrs(w);
  relocate_tables(w);
  struct image im = w->im;
  free(w);
  return im;
}

void image_free(struct image *im) {
  free(im->bytes);
  *im = (struct image){0};
}

Elf64_Dyn *image_tag(const struct image *im, int64_t tag) {
  for (Elf64_Dyn *d = im->dynamic; d->d_tag != DT_NULL; d++)
    if (d->d_tag == tag)
      return d;
  return NULL;
}

Elf64_Phdr *image_phdr(const struct image *im, uint32_t type) {
  for (uint16_t i = 0; i < im->ehdr->e_phnum; i++)
    if (im->phdrs[i].p_type == type)
      return &im->phdrs[i];
  return NULL;
}

void *image_table(const struct image *im, enum image_table table) {
  return im->tables[table].size ? im->bytes + im->tables[table].offset : NULL;
}

uint32_t image_symbol_index(const struct image *im, const char *name, uint16_t version) {
  const Elf64_Sym *sym = image_table(im, IMAGE_SYMTAB);
  const Elf64_Half *versym = image_table(im, IMAGE_VERSYM);
  const char *strings = image_table(im, IMAGE_STRTAB);
  for (uint32_t i = 1; i < im->symbol_count; i++)
    if (!strcmp(strings + sym[i].st_name, name) && (!versym || versym[i] == version))
      return i;
  return 0;
}
