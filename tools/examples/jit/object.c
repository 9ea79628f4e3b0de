#include "object.h"

#include <dlfcn.h>
#include <errno.h>
#include <gelf.h>
#include <libelf.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { JUMP_SIZE = 16, SLOT_SIZE = 8 };

struct section {
  Elf_Scn *scn;
  GElf_Shdr header;
  const char *name;
  char *at;      /* where it runs; NULL: not loaded */
  char *written; /* where it is written: another view of the same memory, or the file's bytes in the copy */
};

struct file {
  ldx_jit *jit;
  char *copy; /* becomes the debug information */
  size_t size;
  Elf *elf;
  struct section *sections;
  size_t count;
  Elf_Data *symbols;
  size_t symbol_count, names; /* section index of the names */
  uintptr_t *values;
  char *jumps; /* one a symbol: where code may jump to when the symbol is far away */
  char *slots; /* one a symbol: its address, for code that reads it from a global offset table */
  char *error;
  size_t error_size;
};

static bool fail(struct file *f, const char *format, ...) {
  va_list args;
  va_start(args, format);
  vsnprintf(f->error, f->error_size, format, args);
  va_end(args);
  return false;
}

static bool read_sections(struct file *f) {
  size_t names;
  f->elf = elf_memory(f->copy, f->size);
  if (!f->elf || elf_kind(f->elf) != ELF_K_ELF || elf_getshdrnum(f->elf, &f->count) ||
      elf_getshdrstrndx(f->elf, &names))
    return fail(f, "not an ELF file: %s", elf_errmsg(-1));
  f->sections = calloc(f->count, sizeof *f->sections);
  for (size_t i = 1; f->sections && i < f->count; i++) {
    struct section *s = &f->sections[i];
    s->scn = elf_getscn(f->elf, i);
    if (!gelf_getshdr(s->scn, &s->header))
      return fail(f, "damaged section header: %s", elf_errmsg(-1));
    s->name = elf_strptr(f->elf, names, s->header.sh_name);
    if (s->header.sh_type == SHT_SYMTAB) {
      f->symbols = elf_getdata(s->scn, NULL);
      f->names = s->header.sh_link;
      f->symbol_count = f->symbols ? f->symbols->d_size / sizeof(Elf64_Sym) : 0;
    }
  }
  return f->sections && f->symbols ? true : fail(f, "no symbols");
}

static bool is_named(const struct section *s, const char *name) { return s->name && !strcmp(s->name, name); }

static bool is_frames(const struct section *s) { return is_named(s, ".eh_frame"); }

/* Sections of no size have no address either. */
static bool is_loaded(const struct section *s) { return (s->header.sh_flags & SHF_ALLOC) && s->header.sh_size; }

static bool place(struct file *f, struct section *s) {
  const GElf_Shdr *h = &s->header;
  enum ldx_jit_kind kind = h->sh_flags & SHF_EXECINSTR ? LDX_JIT_CODE
                           : h->sh_flags & SHF_WRITE   ? LDX_JIT_DATA
                                                       : LDX_JIT_RODATA;
  if (h->sh_flags & SHF_TLS)
    return fail(f, "%s: thread-local variables are not supported", s->name);
  s->at = ldx_jit_alloc(f->jit, h->sh_size, h->sh_addralign ? h->sh_addralign : 1, kind);
  if (!s->at)
    return fail(f, "%s: no room", s->name);
  s->written = ldx_jit_writable(f->jit, s->at);
  Elf_Data *d = elf_getdata(s->scn, NULL);
  if (h->sh_type == SHT_NOBITS)
    memset(s->written, 0, h->sh_size);
  else if (d && d->d_size == h->sh_size)
    memcpy(s->written, d->d_buf, h->sh_size);
  else
    return fail(f, "%s: damaged", s->name);
  return true;
}

/* Debug information is relocated in the copy of the file. */
static bool place_all(struct file *f) {
  for (size_t i = 1; i < f->count; i++) {
    struct section *s = &f->sections[i];
    if (is_loaded(s) && !place(f, s))
      return false;
    if (!is_loaded(s) && s->header.sh_type == SHT_PROGBITS && !is_named(s, ".stab"))
      s->written = f->copy + s->header.sh_offset;
  }
  f->jumps = ldx_jit_alloc(f->jit, f->symbol_count * JUMP_SIZE + 1, JUMP_SIZE, LDX_JIT_CODE);
  f->slots = ldx_jit_alloc(f->jit, f->symbol_count * SLOT_SIZE + 1, SLOT_SIZE, LDX_JIT_RODATA);
  return f->jumps && f->slots ? true : fail(f, "no room");
}

static uintptr_t look_up(const struct file *f, const char *name) {
  void *p = dlsym(f->jit, name);
  return (uintptr_t)(p ? p : dlsym(RTLD_DEFAULT, name));
}

static bool resolve(struct file *f, size_t i, const GElf_Sym *s) {
  const char *name = elf_strptr(f->elf, f->names, s->st_name);
  uintptr_t *value = &f->values[i];
  if (s->st_shndx == SHN_ABS)
    *value = s->st_value;
  else if (s->st_shndx == SHN_COMMON)
    return fail(f, "%s: common symbols are not supported (-fno-common)", name);
  else if (s->st_shndx != SHN_UNDEF && s->st_shndx < f->count)
    *value = (uintptr_t)f->sections[s->st_shndx].at + s->st_value;
  else if (i && name && *name)
    *value = look_up(f, name);
  if (i && s->st_shndx == SHN_UNDEF && !*value && GELF_ST_BIND(s->st_info) != STB_WEAK)
    return fail(f, "undefined symbol: %s", name);
  return true;
}

/* jmp *0(%rip), and the address behind it. */
static void write_jump(const struct file *f, size_t i) {
  static const unsigned char jump[] = {0xff, 0x25, 0, 0, 0, 0};
  char *to = ldx_jit_writable(f->jit, f->jumps + i * JUMP_SIZE);
  memcpy(to, jump, sizeof jump);
  memcpy(to + sizeof jump, &f->values[i], 8);
  memcpy(ldx_jit_writable(f->jit, f->slots + i * SLOT_SIZE), &f->values[i], 8);
}

static bool resolve_all(struct file *f) {
  f->values = calloc(f->symbol_count, sizeof *f->values);
  for (size_t i = 0; f->values && i < f->symbol_count; i++) {
    GElf_Sym s;
    if (!gelf_getsym(f->symbols, (int)i, &s) || !resolve(f, i, &s))
      return false;
    write_jump(f, i);
  }
  return f->values ? true : fail(f, "cannot allocate memory");
}

static bool put(struct file *f, char *to, size_t room, int64_t value, size_t size, bool is_signed) {
  bool fits = size == 8 || (is_signed ? value == (int32_t)value : value == (int64_t)(uint32_t)value);
  if (room < size || !fits)
    return fail(f, "relocation does not fit: compile with -fPIC");
  memcpy(to, &value, size);
  return true;
}

/* psABI 4.4.1; S, A, P, G and L as there. */
static bool relocate(struct file *f, struct section *s, const GElf_Rela *r) {
  size_t i = GELF_R_SYM(r->r_info);
  if (i >= f->symbol_count || r->r_offset >= s->header.sh_size)
    return fail(f, "damaged relocation");
  char *to = s->written + r->r_offset;
  size_t room = s->header.sh_size - r->r_offset;
  int64_t value = (int64_t)f->values[i] + r->r_addend, place = (int64_t)(uintptr_t)s->at + (int64_t)r->r_offset;
  int64_t slot = (int64_t)(uintptr_t)(f->slots + i * SLOT_SIZE) + r->r_addend;
  int64_t jump = (int64_t)(uintptr_t)(f->jumps + i * JUMP_SIZE) + r->r_addend;
  switch (GELF_R_TYPE(r->r_info)) {
  case R_X86_64_NONE:
    return true;
  case R_X86_64_64:
    return put(f, to, room, value, 8, true);
  case R_X86_64_32:
    return put(f, to, room, value, 4, false);
  case R_X86_64_32S:
    return put(f, to, room, value, 4, true);
  case R_X86_64_PC64:
    return put(f, to, room, value - place, 8, true);
  case R_X86_64_PC32:
    return put(f, to, room, value - place, 4, true);
  case R_X86_64_PLT32: /* always by a jump when it is too far */
    return put(f, to, room, value - place == (int32_t)(value - place) ? value - place : jump - place, 4, true);
  case R_X86_64_GOTPCREL:
  case R_X86_64_GOTPCRELX:
  case R_X86_64_REX_GOTPCRELX:
    return put(f, to, room, slot - place, 4, true);
  default:
    return fail(f, "relocation type %u is not supported", (unsigned)GELF_R_TYPE(r->r_info));
  }
}

static bool relocate_all(struct file *f) {
  for (size_t i = 1; i < f->count; i++) {
    const struct section *s = &f->sections[i];
    if (s->header.sh_type != SHT_RELA || s->header.sh_info >= f->count || !f->sections[s->header.sh_info].written)
      continue;
    Elf_Data *d = elf_getdata(s->scn, NULL);
    for (size_t n = 0; d && n < d->d_size / sizeof(Elf64_Rela); n++) {
      GElf_Rela r;
      if (!gelf_getrela(d, (int)n, &r) || !relocate(f, &f->sections[s->header.sh_info], &r))
        return false;
    }
  }
  return true;
}

static bool bind_symbol(struct file *f, size_t i, const GElf_Sym *s) {
  struct ldx_jit_symbol symbol = {.size = sizeof symbol,
                                  .flags = GELF_ST_BIND(s->st_info) == STB_WEAK ? LDX_JIT_WEAK : 0,
                                  .name = elf_strptr(f->elf, f->names, s->st_name),
                                  .addr = (void *)f->values[i],
                                  .bytes = s->st_size,
                                  .type = GELF_ST_TYPE(s->st_info)};
  int r = ldx_jit_bind(f->jit, &symbol);
  return r ? fail(f, "%s: %s", symbol.name, strerror(-r)) : true;
}

static bool bind_all(struct file *f) {
  for (size_t i = 1; i < f->symbol_count; i++) {
    GElf_Sym s;
    bool known = gelf_getsym(f->symbols, (int)i, &s) && s.st_shndx != SHN_UNDEF && s.st_shndx < f->count;
    if (known && GELF_ST_BIND(s.st_info) != STB_LOCAL && f->sections[s.st_shndx].at && !bind_symbol(f, i, &s))
      return false;
  }
  return true;
}

/* They are kept by ldx; the memory was wanted for its addresses only. */
static bool give_frames(struct file *f) {
  for (size_t i = 1; i < f->count; i++) {
    struct section *s = &f->sections[i];
    if (!is_frames(s) || !s->at)
      continue;
    int r = ldx_jit_frames(f->jit, s->written, s->header.sh_size, s->at);
    if (r)
      return fail(f, ".eh_frame: %s", strerror(-r));
    ldx_jit_free(f->jit, s->at);
    s->at = NULL;
  }
  return true;
}

static bool has_debug_information(const struct file *f) {
  for (size_t i = 1; i < f->count; i++)
    if (is_named(&f->sections[i], ".debug_info"))
      return true;
  return false;
}

/* The copy of the file, with the addresses that all has become: no relocations are left. */
static bool give_debug_information(struct file *f) {
  Elf64_Ehdr *header = (Elf64_Ehdr *)f->copy;
  Elf64_Shdr *sections = (Elf64_Shdr *)(f->copy + header->e_shoff);
  if (!has_debug_information(f))
    return true;
  header->e_type = ET_EXEC;
  for (size_t i = 1; i < f->count; i++) {
    sections[i].sh_addr = (uintptr_t)f->sections[i].at;
    if (sections[i].sh_type == SHT_RELA || is_frames(&f->sections[i]))
      sections[i].sh_type = SHT_NULL;
  }
  Elf64_Sym *symbols = f->symbols->d_buf;
  for (size_t i = 1; i < f->symbol_count; i++)
    if (symbols[i].st_shndx != SHN_UNDEF && symbols[i].st_shndx < f->count)
      symbols[i].st_value = f->values[i];
  for (size_t i = 1; i < f->count; i++) /* the library may have made a copy of its own */
    if (sections[i].sh_type == SHT_SYMTAB)
      memmove(f->copy + sections[i].sh_offset, symbols, f->symbols->d_size);
  int r = ldx_jit_debug(f->jit, f->copy, f->size);
  return r ? fail(f, "debug information: %s", strerror(-r)) : true;
}

/* ---- line numbers as stabs (tcc): offsets in a function, which is named before them */

enum { STAB_FUNCTION = 0x24, STAB_LINE = 0x44, STAB_FILE = 0x64, STAB_INCLUDED = 0x84 };
struct stab {
  uint32_t text;
  uint8_t type, other;
  uint16_t line;
  uint32_t value;
};

struct stabs {
  const char *file;
  uintptr_t code;
  size_t size, count;
  struct ldx_jit_line *lines;
};

static bool give_lines(struct file *f, struct stabs *s) {
  int r = s->code && s->count && s->file
              ? ldx_jit_lines(f->jit, (void *)s->code, s->size, s->file, s->lines, s->count)
              : 0;
  s->count = 0;
  return r ? fail(f, "line numbers: %s", strerror(-r)) : true;
}

/* "NAME:F..." */
static void find_function(const struct file *f, struct stabs *s, const char *text) {
  size_t n = strcspn(text, ":");
  s->code = 0;
  for (size_t i = 1; i < f->symbol_count; i++) {
    GElf_Sym symbol;
    const char *name = gelf_getsym(f->symbols, (int)i, &symbol) ? elf_strptr(f->elf, f->names, symbol.st_name) : NULL;
    if (!name || symbol.st_shndx == SHN_UNDEF || strncmp(name, text, n) || name[n])
      continue;
    s->code = f->values[i];
    s->size = symbol.st_size;
  }
}

static bool read_stab(struct file *f, struct stabs *s, const struct stab *e, const char *text) {
  if ((e->type == STAB_FILE || e->type == STAB_INCLUDED) && *text && text[strlen(text) - 1] != '/')
    s->file = text;
  if (e->type == STAB_FUNCTION && *text) {
    if (!give_lines(f, s))
      return false;
    find_function(f, s, text);
  }
  bool later = !s->count || e->value > s->lines[s->count - 1].offset;
  if (e->type == STAB_LINE && later && e->value < s->size)
    s->lines[s->count++] = (struct ldx_jit_line){e->value, e->line};
  return true;
}

static bool give_stabs(struct file *f) {
  const Elf_Data *stabs = NULL, *texts = NULL;
  for (size_t i = 1; i < f->count; i++) {
    if (is_named(&f->sections[i], ".stab"))
      stabs = elf_getdata(f->sections[i].scn, NULL);
    if (is_named(&f->sections[i], ".stabstr"))
      texts = elf_getdata(f->sections[i].scn, NULL);
  }
  size_t count = stabs && texts && texts->d_size ? stabs->d_size / sizeof(struct stab) : 0;
  struct stabs s = {.lines = calloc(count + 1, sizeof *s.lines)};
  bool ok = s.lines ? true : fail(f, "cannot allocate memory");
  for (size_t i = 0; ok && i < count; i++) {
    const struct stab *e = (const struct stab *)stabs->d_buf + i;
    if (e->text < texts->d_size)
      ok = read_stab(f, &s, e, (const char *)texts->d_buf + e->text);
  }
  ok = ok && give_lines(f, &s);
  free(s.lines);
  return ok;
}

static void give_back(struct file *f) {
  ldx_jit_discard(f->jit);
  for (size_t i = 1; f->sections && i < f->count; i++)
    if (f->sections[i].at)
      ldx_jit_free(f->jit, f->sections[i].at);
  ldx_jit_free(f->jit, f->jumps);
  ldx_jit_free(f->jit, f->slots);
}

static bool give_frame_pointers(struct file *f) {
  for (size_t i = 1; i < f->symbol_count; i++) {
    GElf_Sym s;
    bool known = gelf_getsym(f->symbols, (int)i, &s) && s.st_shndx != SHN_UNDEF && s.st_shndx < f->count;
    if (!known || GELF_ST_TYPE(s.st_info) != STT_FUNC || !s.st_size)
      continue;
    int r = ldx_jit_frame(f->jit, (void *)f->values[i], s.st_size, LDX_JIT_FRAME_POINTER);
    if (r)
      return fail(f, "frames: %s", strerror(-r));
  }
  return true;
}

int jit_add_object(ldx_jit *jit, const void *bytes, size_t size, unsigned flags, char *error, size_t error_size) {
  struct file f = {.jit = jit, .copy = malloc(size), .size = size, .error = error, .error_size = error_size};
  elf_version(EV_CURRENT);
  bool ok = f.copy ? true : fail(&f, "cannot allocate memory");
  if (ok)
    memcpy(f.copy, bytes, size);
  ok = ok && read_sections(&f) && place_all(&f) && resolve_all(&f) && relocate_all(&f) && bind_all(&f) &&
       give_frames(&f) && give_debug_information(&f) && give_stabs(&f) &&
       (!(flags & JIT_FRAME_POINTERS) || give_frame_pointers(&f));
  if (!ok)
    give_back(&f);
  elf_end(f.elf);
  free(f.sections);
  free(f.values);
  free(f.copy);
  return ok ? 0 : -1;
}
