/* Section headers of a copy: readers of files, and debuggers, go by them. */
#include <errno.h>
#include <string.h>

#include "base/sys.h"
#include "loader/memory_file.h"
#include "loader/reload.h"

enum { VERDEF = SHT_GNU_verdef, VERNEED = SHT_GNU_verneed, VERSYM = SHT_GNU_versym };

static const struct elf_segment *segment_of(const struct elf_image *im, uint64_t address) {
  for (uint32_t i = 0; i < im->segment_count; i++) {
    const struct elf_segment *s = &im->segments[i];
    if (address >= s->vaddr && address - s->vaddr <= s->memsz)
      return s;
  }
  return NULL;
}

/* What had no room in the file has it now, but for thread-local storage, whose addresses are none. */
static void move_loaded(Elf64_Shdr *s, const struct elf_image *im) {
  const struct elf_segment *in = segment_of(im, s->sh_addr);
  if (!in) {
    s->sh_type = SHT_NULL;
    return;
  }
  s->sh_offset = in->offset + (s->sh_addr - in->vaddr);
  if (s->sh_type == SHT_NOBITS && !(s->sh_flags & SHF_TLS))
    s->sh_type = SHT_PROGBITS;
}

void ldx_move_sections(Elf64_Shdr *s, uint32_t count, const struct ldx_section_layout *l) {
  for (uint32_t i = 0; i < count; i++)
    if (s[i].sh_flags & SHF_ALLOC)
      move_loaded(&s[i], l->image);
    else if (s[i].sh_type != SHT_NULL)
      s[i].sh_offset += l->to - l->from;
}

/* ---- when the tables were read anew */

struct table {
  struct ldx_image_copy *copy;
  const struct elf_dynamic *dyn; /* what was read */
  uint32_t symbols;
  uint64_t at; /* of the headers, in the file */
  Elf64_Shdr *sections;
  uint32_t count;
};

static long read_exactly(const struct ldx_image_copy *c, void *to, uint64_t size, uint64_t offset) {
  long n = sys_pread(c->fd, to, size, (int64_t)offset);
  return ldx_sys_failed(n) ? n : (uint64_t)n == size ? 0 : -EIO;
}

/* The program can write into its copy: the file's header is looked at again. */
static long read_sections(struct table *t) {
  Elf64_Ehdr eh;
  long r = read_exactly(t->copy, &eh, sizeof eh, 0);
  if (r || !eh.e_shnum || eh.e_shentsize != sizeof *t->sections ||
      !ldx_range_ok(t->copy->end, eh.e_shoff, eh.e_shnum, sizeof *t->sections))
    return r;
  t->sections = ldx_new(eh.e_shnum * sizeof *t->sections);
  if (!t->sections)
    return -ENOMEM;
  t->at = eh.e_shoff;
  t->count = eh.e_shnum;
  return read_exactly(t->copy, t->sections, t->count * sizeof *t->sections, t->at);
}

static Elf64_Shdr *of_type(const struct table *t, uint32_t type) {
  for (uint32_t i = 0; i < t->count; i++)
    if (t->sections[i].sh_type == type)
      return &t->sections[i];
  return NULL;
}

static Elf64_Shdr *linked(const struct table *t, const Elf64_Shdr *s) {
  return s && s->sh_link < t->count ? &t->sections[s->sh_link] : NULL;
}

/* Size 0: as it was, or as much as there is room for. */
static void lead_to(const struct table *t, Elf64_Shdr *s, uint64_t address, uint64_t size) {
  const struct elf_image *im = &t->copy->object->image;
  const struct elf_segment *in = segment_of(im, address);
  if (!s || !address || !in)
    return;
  if (!size)
    size = s->sh_addr == address ? s->sh_size : elf_room(im, address);
  s->sh_addr = address;
  s->sh_offset = in->offset + (address - in->vaddr);
  s->sh_size = size;
}

static uint64_t size_of_gnu_hash(const struct elf_symtab *s, uint32_t symbols) {
  uint32_t hashed = symbols > s->symbias ? symbols - s->symbias : 0;
  return 16 + ((uint64_t)s->bloom_mask + 1) * 8 + ((uint64_t)s->nbuckets + hashed) * 4;
}

static void follow_dynamic(struct table *t) {
  const struct elf_dynamic *d = t->dyn;
  const struct elf_symtab *s = &d->sym;
  Elf64_Shdr *dynsym = of_type(t, SHT_DYNSYM);
  lead_to(t, dynsym, elf_dynamic_value(d, DT_SYMTAB), t->symbols * sizeof(Elf64_Sym));
  if (dynsym && dynsym->sh_info > t->symbols)
    dynsym->sh_info = t->symbols ? 1 : 0;
  lead_to(t, linked(t, dynsym), elf_dynamic_value(d, DT_STRTAB), s->strsz);
  uint64_t sysv = s->bloom ? 0 : (2 + (uint64_t)s->nbuckets + s->chain_count) * 4;
  lead_to(t, of_type(t, SHT_HASH), elf_dynamic_value(d, DT_HASH), sysv);
  if (s->bloom)
    lead_to(t, of_type(t, SHT_GNU_HASH), elf_dynamic_value(d, ELF_DT_GNU_HASH), size_of_gnu_hash(s, t->symbols));
  lead_to(t, of_type(t, VERSYM), elf_dynamic_value(d, ELF_DT_VERSYM), t->symbols * sizeof(Elf64_Half));
  lead_to(t, of_type(t, VERDEF), elf_dynamic_value(d, ELF_DT_VERDEF), 0);
  lead_to(t, of_type(t, VERNEED), elf_dynamic_value(d, ELF_DT_VERNEED), 0);
}

/* ---- .symtab: gdb takes no symbols of .dynsym where there is one */

/* The bytes of both tables as they will be. */
struct symtab {
  Elf64_Sym *symbols;
  char *strings;
  uint64_t locals, count, strings_size, old_strings;
};

static bool is_sound(const struct table *t, const struct ldx_file_part *p) {
  return p->size && ldx_range_ok(t->copy->end, p->offset, p->size, 1);
}

/* What the linker wrote stays in the file, and is begun with each time. */
static bool find_original(struct table *t, const Elf64_Shdr *symtab, const Elf64_Shdr *strtab) {
  struct ldx_image_copy *c = t->copy;
  if (!c->symtab.size) {
    c->symtab = (struct ldx_file_part){symtab->sh_offset, symtab->sh_size};
    c->strtab = (struct ldx_file_part){strtab->sh_offset, strtab->sh_size};
  }
  return is_sound(t, &c->symtab) && is_sound(t, &c->strtab) && c->symtab.size % sizeof(Elf64_Sym) == 0;
}

/* The global ones of .symtab are those of .dynsym: the linker makes all others local. */
static void keep_locals(struct symtab *s, uint64_t count) {
  for (uint64_t i = 0; i < count; i++)
    if (!i || ELF64_ST_BIND(s->symbols[i].st_info) == STB_LOCAL)
      s->symbols[s->locals++] = s->symbols[i];
}

static void add_globals(const struct table *t, struct symtab *s) {
  const struct elf_symtab *d = &t->dyn->sym;
  s->count = s->locals;
  for (uint32_t i = 1; i < t->symbols; i++) {
    if (d->sym[i].st_name >= d->strsz || ELF64_ST_BIND(d->sym[i].st_info) == STB_LOCAL)
      continue;
    s->symbols[s->count] = d->sym[i];
    s->symbols[s->count++].st_name += (uint32_t)s->old_strings;
  }
}

static long make_symtab(const struct table *t, struct symtab *s) {
  const struct ldx_image_copy *c = t->copy;
  const struct elf_symtab *d = &t->dyn->sym;
  s->old_strings = c->strtab.size;
  s->strings_size = s->old_strings + d->strsz;
  s->symbols = ldx_new(c->symtab.size + t->symbols * sizeof *s->symbols);
  s->strings = ldx_new(s->strings_size);
  if (!s->symbols || !s->strings || s->strings_size > UINT32_MAX)
    return -ENOMEM;
  long r = read_exactly(c, s->symbols, c->symtab.size, c->symtab.offset);
  if (!r)
    r = read_exactly(c, s->strings, c->strtab.size, c->strtab.offset);
  if (r)
    return r;
  memcpy(s->strings + s->old_strings, d->str, d->strsz);
  keep_locals(s, c->symtab.size / sizeof *s->symbols);
  add_globals(t, s);
  return 0;
}

/* Behind all else, but not over the latest one, which somebody may be reading. */
static uint64_t place_of(const struct ldx_image_copy *c, uint64_t size) {
  uint64_t first = ldx_align_up(c->end, 64);
  bool fits = !c->symbols.size || first + size <= c->symbols.offset;
  return fits ? first : ldx_align_up(c->symbols.offset + c->symbols.size, 64);
}

static long write_symtab(struct table *t, const struct symtab *s, Elf64_Shdr *symtab, Elf64_Shdr *strtab) {
  uint64_t size = s->count * sizeof *s->symbols, at = place_of(t->copy, size + s->strings_size);
  long r = ldx_may_have_size(at + size + s->strings_size);
  if (!r)
    r = ldx_write_all(t->copy->fd, s->symbols, size, at);
  if (!r)
    r = ldx_write_all(t->copy->fd, s->strings, s->strings_size, at + size);
  if (r)
    return r;
  t->copy->symbols = (struct ldx_file_part){at, size + s->strings_size};
  symtab->sh_offset = at;
  symtab->sh_size = size;
  symtab->sh_info = (uint32_t)s->locals;
  strtab->sh_offset = at + size;
  strtab->sh_size = s->strings_size;
  return 0;
}

static long renew_symtab(struct table *t) {
  Elf64_Shdr *symtab = of_type(t, SHT_SYMTAB), *strtab = linked(t, symtab);
  if (!strtab || !t->dyn->sym.sym || !find_original(t, symtab, strtab))
    return 0;
  struct symtab s = {0};
  long r = make_symtab(t, &s);
  if (!r)
    r = write_symtab(t, &s, symtab, strtab);
  ldx_delete(s.symbols);
  ldx_delete(s.strings);
  return r;
}

long ldx_show_tables(struct ldx_image_copy *c, const struct elf_dynamic *d) {
  struct table t = {.copy = c, .dyn = d, .symbols = elf_symbol_count(&d->sym)};
  long r = read_sections(&t);
  if (!r && t.count) {
    follow_dynamic(&t);
    r = renew_symtab(&t);
    if (!r)
      r = ldx_write_all(c->fd, t.sections, t.count * sizeof *t.sections, t.at);
  }
  ldx_delete(t.sections);
  return r;
}
