#include "loader/jit_save.h"

#include <string.h>

#include "loader/jit_core.h"

enum {
  NO_SECTION,
  DYNAMIC,
  DYNSYM,
  DYNSTR,
  HASH,
  VERSYM,
  VERDEF,
  FRAMES,
  RODATA,
  CODE,
  DATA,
  SYMTAB, /* from here on: not in memory */
  STRTAB,
  NAMES,
  SECTIONS
};
#define SECTION_NAMES                                                                                                \
  "\0.dynamic\0.dynsym\0.dynstr\0.hash\0.gnu.version\0.gnu.version_d\0.eh_frame\0.rodata\0.text\0.data\0.symtab\0"   \
  ".strtab\0.shstrtab"
enum { DYNAMIC_ENTRIES = 10, MOST_SEGMENTS = 12, VERSION_SIZE = sizeof(Elf64_Verdef) + sizeof(Elf64_Verdaux) };

struct save {
  const struct ldx_jit_object *j;
  uint32_t symbols, versions; /* with the null symbol; with the definition of the object's own name */
  uint32_t bodies;            /* functions that jumps lead to: nobody finds them by name, but nm tells them */
  size_t names;               /* bytes of the symbols' and versions' names */
  char *frames;               /* NULL: none */
  Elf64_Shdr sections[SECTIONS];
  Elf64_Phdr segments[MOST_SEGMENTS];
  uint32_t segment_count;
  uint64_t size; /* of the file */
  char *file;
};

static const char *name_of(const struct save *s, uint32_t slot) {
  return ldx_jit_name(s->j, ldx_jit_symbol(s->j, slot)->st_name);
}

/* The next symbol behind a slot; 0: it was the last. */
static uint32_t next_symbol(const struct save *s, uint32_t slot) {
  while (++slot < s->j->symbols->used)
    if (s->j->symbols->slots[slot].alive)
      return slot;
  return 0;
}

/* The next index of a version in use; 0: it was the last. */
static uint32_t next_version(const struct save *s, uint32_t index) {
  const struct ldx_object *o = s->j->object;
  for (index = index < VER_NDX_GLOBAL ? VER_NDX_GLOBAL : index; ++index < o->version_count;)
    if (o->versions[index].name)
      return index;
  return 0;
}

static uint32_t body_of(const struct save *s, uint32_t slot) {
  const struct ldx_jit_jump *jump = s->j->symbols->slots[slot].jump;
  return jump ? jump->body : 0;
}

/* --- measuring -------------------------------------------------------------------------------------------- */

static void count(struct save *s) {
  const struct ldx_object *o = s->j->object;
  s->symbols = 1;
  s->names = 1 + strlen(o->soname) + 1;
  for (uint32_t i = 0; (i = next_symbol(s, i)); s->symbols++) {
    s->names += strlen(name_of(s, i)) + 1;
    s->bodies += body_of(s, i) != 0;
  }
  s->versions = o->dyn.sym.versym ? 1 : 0;
  for (uint32_t i = 0; (i = next_version(s, i)); s->versions++)
    s->names += strlen(o->versions[i].name) + 1;
}

static void section(struct save *s, int which, uint32_t type, uint64_t flags, uintptr_t address, uint64_t size) {
  s->sections[which] = (Elf64_Shdr){.sh_type = type,
                                    .sh_flags = flags,
                                    .sh_addr = address,
                                    .sh_size = size,
                                    .sh_addralign = which == DYNSTR || which >= STRTAB ? 1 : 8};
}

static void region(struct save *s, int which, enum ldx_jit_region_kind kind, uint64_t flags) {
  const struct ldx_jit_region *r = &s->j->regions[kind];
  section(s, which, SHT_PROGBITS, flags, r->at, r->used);
  s->sections[which].sh_addralign = LDX_PAGE;
}

static void link_to(struct save *s, int which, uint32_t to, uint32_t info, uint64_t entry) {
  s->sections[which].sh_link = to;
  s->sections[which].sh_info = info;
  s->sections[which].sh_entsize = entry;
}

/* Tables lie where the process has the like of them: what is alive of those is never larger. */
static void measure(struct save *s) {
  const struct ldx_jit_region *r = s->j->regions;
  size_t frames = 0;
  count(s);
  s->frames =
      ldx_jit_unwind_copy(s->j, r[LDX_REGION_CODE].at, r[LDX_REGION_CODE].at + r[LDX_REGION_CODE].size, &frames);
  frames = s->frames && frames <= r[LDX_REGION_FRAMES].size ? frames : 0;
  section(s, DYNAMIC, SHT_DYNAMIC, SHF_ALLOC, r[LDX_REGION_HEAD].at + LDX_PAGE, DYNAMIC_ENTRIES * sizeof(Elf64_Dyn));
  section(s, DYNSYM, SHT_DYNSYM, SHF_ALLOC, r[LDX_REGION_SYMBOLS].at, s->symbols * sizeof(Elf64_Sym));
  section(s, DYNSTR, SHT_STRTAB, SHF_ALLOC, r[LDX_REGION_STRINGS].at, s->names);
  section(s, HASH, SHT_HASH, SHF_ALLOC, r[LDX_REGION_HASH].at, (2 + 2ull * s->symbols) * sizeof(uint32_t));
  uint64_t words = s->versions ? s->symbols * sizeof(Elf64_Half) : 0;
  section(s, VERSYM, SHT_GNU_versym, SHF_ALLOC, r[LDX_REGION_VERSIONS].at, words);
  s->sections[VERSYM].sh_addralign = 2;
  section(s, VERDEF, SHT_GNU_verdef, SHF_ALLOC, ldx_align_up(r[LDX_REGION_VERSIONS].at + words, 8),
          s->versions * VERSION_SIZE);
  section(s, FRAMES, SHT_PROGBITS, SHF_ALLOC, r[LDX_REGION_FRAMES].at, frames);
  region(s, RODATA, LDX_REGION_RODATA, SHF_ALLOC);
  region(s, CODE, LDX_REGION_CODE, SHF_ALLOC | SHF_EXECINSTR);
  region(s, DATA, LDX_REGION_DATA, SHF_ALLOC | SHF_WRITE);
  section(s, SYMTAB, SHT_SYMTAB, 0, 0, (s->symbols + s->bodies) * sizeof(Elf64_Sym));
  section(s, STRTAB, SHT_STRTAB, 0, 0, s->names);
  section(s, NAMES, SHT_STRTAB, 0, 0, sizeof SECTION_NAMES);
  link_to(s, DYNAMIC, DYNSTR, 0, sizeof(Elf64_Dyn));
  link_to(s, DYNSYM, DYNSTR, 1, sizeof(Elf64_Sym));
  link_to(s, HASH, DYNSYM, 0, sizeof(uint32_t));
  link_to(s, VERSYM, DYNSYM, 0, sizeof(Elf64_Half));
  link_to(s, VERDEF, DYNSTR, s->versions, 0);
  link_to(s, SYMTAB, STRTAB, 1 + s->bodies, sizeof(Elf64_Sym));
}

/* --- places in the file ----------------------------------------------------------------------------------- */

static void segment(struct save *s, uint32_t type, uint32_t flags, uint64_t offset, uintptr_t at, uint64_t size,
                    uint64_t align) {
  s->segments[s->segment_count++] = (Elf64_Phdr){.p_type = type,
                                                 .p_flags = flags,
                                                 .p_offset = offset,
                                                 .p_vaddr = at,
                                                 .p_paddr = at,
                                                 .p_filesz = size,
                                                 .p_memsz = size,
                                                 .p_align = align};
}

/* A segment of one or two sections, page by page as memory has it; what is empty takes no place. */
static void load(struct save *s, int first, int last, uint32_t flags) {
  Elf64_Shdr *a = &s->sections[first], *z = &s->sections[last];
  uintptr_t at = first == DYNAMIC ? s->j->regions[LDX_REGION_HEAD].at : a->sh_addr;
  uint64_t size = z->sh_addr + z->sh_size - at;
  bool empty = !a->sh_size && !z->sh_size;
  uint64_t offset = first == DYNAMIC ? 0 : empty ? s->size : ldx_align_up(s->size, LDX_PAGE);
  for (Elf64_Shdr *h = a; h <= z; h++)
    h->sh_offset = offset + (empty ? 0 : h->sh_addr - at);
  if (empty)
    return;
  segment(s, PT_LOAD, flags, offset, at, size, LDX_PAGE);
  s->size = offset + size;
}

static void lay_out(struct save *s) {
  load(s, DYNAMIC, DYNAMIC, PF_R);
  load(s, DYNSYM, DYNSYM, PF_R);
  load(s, VERSYM, VERDEF, PF_R);
  load(s, DYNSTR, DYNSTR, PF_R);
  load(s, HASH, HASH, PF_R);
  load(s, FRAMES, FRAMES, PF_R);
  load(s, RODATA, RODATA, PF_R);
  load(s, CODE, CODE, PF_R | PF_X);
  load(s, DATA, DATA, PF_R | PF_W);
  const Elf64_Shdr *d = &s->sections[DYNAMIC];
  segment(s, PT_DYNAMIC, PF_R, d->sh_offset, d->sh_addr, d->sh_size, 8);
  segment(s, PT_GNU_STACK, PF_R | PF_W, 0, 0, 0, 16);
  for (int i = SYMTAB; i < SECTIONS; i++) {
    s->sections[i].sh_offset = s->size = ldx_align_up(s->size, 8);
    s->size += s->sections[i].sh_size;
  }
  s->size = ldx_align_up(s->size, 8) + sizeof s->sections;
}

/* --- contents --------------------------------------------------------------------------------------------- */

static void *at(const struct save *s, int which) { return s->file + s->sections[which].sh_offset; }

static Elf64_Word add_name(const struct save *s, size_t *used, const char *text) {
  size_t n = strlen(text) + 1, place = *used;
  memcpy((char *)at(s, DYNSTR) + place, text, n);
  *used += n;
  return (Elf64_Word)place;
}

static uint16_t section_of(const Elf64_Sym *sym) {
  switch (sym->st_shndx) {
  case LDX_REGION_RODATA + 1:
    return RODATA;
  case LDX_REGION_CODE + 1:
    return CODE;
  case LDX_REGION_DATA + 1:
    return DATA;
  default:
    return SHN_ABS;
  }
}

/* An entry of the table, as it stands in a file. */
static Elf64_Sym symbol(const struct save *s, uint32_t slot, Elf64_Word name) {
  Elf64_Sym sym = *ldx_jit_symbol(s->j, slot);
  sym.st_value = ldx_symbol_address(s->j->object, &sym);
  sym.st_shndx = section_of(&sym);
  sym.st_name = name;
  return sym;
}

/* Local symbols stand before the others. */
static Elf64_Sym body(const struct save *s, uint32_t slot, Elf64_Word name) {
  Elf64_Sym sym = symbol(s, slot, name);
  sym.st_info = ELF64_ST_INFO(STB_LOCAL, ELF64_ST_TYPE(sym.st_info));
  sym.st_other = STV_DEFAULT;
  return sym;
}

static void write_symbols(const struct save *s, size_t *names) {
  Elf64_Sym *to = at(s, DYNSYM), *local = at(s, SYMTAB);
  Elf64_Half *words = s->versions ? at(s, VERSYM) : NULL;
  uint32_t *hash = at(s, HASH), *chains = hash + 2 + s->symbols, n = 1;
  hash[0] = hash[1] = s->symbols;
  for (uint32_t i = 0; (i = next_symbol(s, i)); n++) {
    to[n] = symbol(s, i, add_name(s, names, name_of(s, i)));
    if (body_of(s, i))
      *++local = body(s, body_of(s, i), to[n].st_name);
    uint32_t *bucket = &hash[2 + s->j->symbols->slots[i].hash % s->symbols];
    chains[n] = *bucket;
    *bucket = n;
    if (words)
      words[n] = elf_versym(&s->j->object->dyn.sym, i);
  }
  memcpy(local + 1, to + 1, (n - 1) * sizeof *to);
}

static void write_version(const struct save *s, uint32_t n, uint32_t index, const char *text, Elf64_Word name) {
  char *to = (char *)at(s, VERDEF) + n * VERSION_SIZE;
  Elf64_Verdef d = {
      VER_DEF_CURRENT, index == VER_NDX_GLOBAL ? VER_FLG_BASE : 0, (Elf64_Half)index, 1, elf_sysv_hash(text),
      sizeof d,        n + 1 == s->versions ? 0 : VERSION_SIZE};
  Elf64_Verdaux aux = {name, 0};
  memcpy(to, &d, sizeof d);
  memcpy(to + sizeof d, &aux, sizeof aux);
}

static void write_versions(const struct save *s, Elf64_Word soname, size_t *names) {
  const struct ldx_object *o = s->j->object;
  uint32_t n = 0;
  if (s->versions)
    write_version(s, n++, VER_NDX_GLOBAL, o->soname, soname);
  for (uint32_t i = 0; (i = next_version(s, i));)
    write_version(s, n++, i, o->versions[i].name, add_name(s, names, o->versions[i].name));
}

static void write_dynamic(const struct save *s, Elf64_Word soname) {
  const Elf64_Shdr *h = s->sections;
  Elf64_Dyn *d = at(s, DYNAMIC);
  *d++ = (Elf64_Dyn){DT_SONAME, {soname}};
  *d++ = (Elf64_Dyn){DT_HASH, {h[HASH].sh_addr}};
  *d++ = (Elf64_Dyn){DT_STRTAB, {h[DYNSTR].sh_addr}};
  *d++ = (Elf64_Dyn){DT_SYMTAB, {h[DYNSYM].sh_addr}};
  *d++ = (Elf64_Dyn){DT_STRSZ, {h[DYNSTR].sh_size}};
  *d++ = (Elf64_Dyn){DT_SYMENT, {sizeof(Elf64_Sym)}};
  if (!s->versions)
    return;
  *d++ = (Elf64_Dyn){DT_VERSYM, {h[VERSYM].sh_addr}};
  *d++ = (Elf64_Dyn){DT_VERDEF, {h[VERDEF].sh_addr}};
  *d++ = (Elf64_Dyn){DT_VERDEFNUM, {s->versions}};
}

/* By the view that is written: a debugger's breakpoints are not in it. */
static void copy_region(const struct save *s, int which) {
  const Elf64_Shdr *h = &s->sections[which];
  memcpy(at(s, which), ldx_jit_alias(s->j, h->sh_addr), h->sh_size);
}

/* Sections that this object has no use for are left out of the table's text, but stay as empty ones of no type. */
static void name_sections(struct save *s) {
  static const char names[] = SECTION_NAMES;
  uint32_t name = 0;
  for (int i = 0; i < SECTIONS; i++) {
    s->sections[i].sh_name = name;
    name += (uint32_t)strlen(names + name) + 1;
  }
  for (int i = VERSYM; !s->versions && i <= VERDEF; i++)
    s->sections[i] = (Elf64_Shdr){0};
  memcpy(at(s, NAMES), names, sizeof names);
}

static void write_headers(struct save *s) {
  Elf64_Ehdr head = {.e_type = ET_DYN,
                     .e_machine = EM_X86_64,
                     .e_version = EV_CURRENT,
                     .e_phoff = sizeof head,
                     .e_shoff = s->size - sizeof s->sections,
                     .e_ehsize = sizeof head,
                     .e_phentsize = sizeof(Elf64_Phdr),
                     .e_phnum = (Elf64_Half)s->segment_count,
                     .e_shentsize = sizeof(Elf64_Shdr),
                     .e_shnum = SECTIONS,
                     .e_shstrndx = NAMES};
  memcpy(head.e_ident, ELFMAG, SELFMAG);
  head.e_ident[EI_CLASS] = ELFCLASS64;
  head.e_ident[EI_DATA] = ELFDATA2LSB;
  head.e_ident[EI_VERSION] = EV_CURRENT;
  memcpy(s->file, &head, sizeof head);
  memcpy(s->file + head.e_phoff, s->segments, s->segment_count * sizeof *s->segments);
  memcpy(s->file + head.e_shoff, s->sections, sizeof s->sections);
}

static void write_contents(struct save *s) {
  size_t names = 1;
  Elf64_Word soname = add_name(s, &names, s->j->object->soname);
  write_symbols(s, &names);
  write_versions(s, soname, &names);
  memcpy(at(s, STRTAB), at(s, DYNSTR), s->names);
  write_dynamic(s, soname);
  if (s->sections[FRAMES].sh_size)
    memcpy(at(s, FRAMES), s->frames, s->sections[FRAMES].sh_size);
  for (int i = RODATA; i <= DATA; i++)
    copy_region(s, i);
  name_sections(s);
  write_headers(s);
}

static const struct ldx_jit_object *find(const char *name) {
  const struct ldx_jit_object *j, *found = NULL;
  for (j = ldx_self.jits; j; j = j->next)
    if (!strcmp(j->name, name) || !strcmp(j->object->map.l_name, name))
      found = !found || j->object->id < found->object->id ? j : found;
  return found;
}

char *ldx_jit_save(const char *name, size_t *size) {
  ldx_rlock_enter(&ldx_self.lock);
  struct save s = {.j = find(name)};
  if (s.j) {
    measure(&s);
    lay_out(&s);
    s.file = ldx_new(s.size);
    if (s.file)
      write_contents(&s);
    ldx_delete(s.frames);
  }
  ldx_rlock_leave(&ldx_self.lock);
  *size = s.size;
  return s.file;
}
