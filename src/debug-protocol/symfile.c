#include "debug-protocol/symfile.h"

#include <stdbool.h>
#include <string.h>

#include "base/span.h"
#include "ldx/jit.h"

/* DWARF 4: sections 7.5 and 6.2. */
enum { TAG_COMPILE_UNIT = 0x11, TAG_SUBPROGRAM = 0x2e };
enum {
  AT_NAME = 0x03,
  AT_STMT_LIST = 0x10,
  AT_LOW_PC = 0x11,
  AT_HIGH_PC = 0x12,
  AT_LANGUAGE = 0x13,
  AT_DECL_FILE = 0x3a,
  AT_DECL_LINE = 0x3b,
  AT_EXTERNAL = 0x3f
};
enum {
  FORM_ADDR = 0x01,
  FORM_DATA2 = 0x05,
  FORM_DATA4 = 0x06,
  FORM_DATA8 = 0x07,
  FORM_STRING = 0x08,
  FORM_DATA1 = 0x0b,
  FORM_SEC_OFFSET = 0x17,
  FORM_FLAG_PRESENT = 0x19
};
enum { UNIT = 1, SUBPROGRAM = 2 }; /* our abbreviations */
/* No language that debuggers know: as for assembler, they expect no prologue of a compiler. */
enum { DWARF = 4, LANG_ASSEMBLER = 0x8001 };
enum { LNS_COPY = 1, LNS_ADVANCE_PC = 2, LNS_ADVANCE_LINE = 3, LNE_END_SEQUENCE = 1, LNE_SET_ADDRESS = 2 };
enum { LINE_BASE = -5, LINE_RANGE = 14, OPCODE_BASE = 13 };

enum { NOTHING, SYMTAB, STRTAB, SHSTRTAB, EH_FRAME, DEBUG_ABBREV, DEBUG_INFO, DEBUG_LINE, TABLES };

static const char section_names[] =
    "\0.symtab\0.strtab\0.shstrtab\0.eh_frame\0.debug_abbrev\0.debug_info\0.debug_line\0"
    ".text\0.data\0.rodata";

static const unsigned char abbreviations[] = {UNIT,
                                              TAG_COMPILE_UNIT,
                                              1, /* has children */
                                              AT_NAME,
                                              FORM_STRING,
                                              AT_LANGUAGE,
                                              FORM_DATA2,
                                              AT_LOW_PC,
                                              FORM_ADDR,
                                              AT_HIGH_PC,
                                              FORM_DATA8,
                                              AT_STMT_LIST,
                                              FORM_SEC_OFFSET,
                                              0,
                                              0, /**/
                                              SUBPROGRAM,
                                              TAG_SUBPROGRAM,
                                              0,
                                              AT_NAME,
                                              FORM_STRING,
                                              AT_EXTERNAL,
                                              FORM_FLAG_PRESENT,
                                              AT_DECL_FILE,
                                              FORM_DATA1,
                                              AT_DECL_LINE,
                                              FORM_DATA4,
                                              AT_LOW_PC,
                                              FORM_ADDR,
                                              AT_HIGH_PC,
                                              FORM_DATA8,
                                              0,
                                              0, /**/
                                              0};

/* Where bytes go; base NULL: they are only counted. */
struct sink {
  char *base;
  uint64_t done;
};

static void put(struct sink *s, const void *bytes, size_t n) {
  if (s->base && n)
    memcpy(s->base + s->done, bytes, n);
  s->done += n;
}
static void put1(struct sink *s, unsigned v) { put(s, &(uint8_t){(uint8_t)v}, 1); }
static void put2(struct sink *s, uint16_t v) { put(s, &v, sizeof v); }
static void put4(struct sink *s, uint32_t v) { put(s, &v, sizeof v); }
static void put8(struct sink *s, uint64_t v) { put(s, &v, sizeof v); }
static void put_text(struct sink *s, const char *text) { put(s, text, strlen(text) + 1); }
static void align(struct sink *s, uint64_t to) { s->done = ldx_align_up(s->done, to); }

/* A number that counts the bytes behind it is written when they are there. */
static uint64_t begin_counted(struct sink *s) {
  put4(s, 0);
  return s->done;
}
static void end_counted(struct sink *s, uint64_t begin) {
  uint32_t n = (uint32_t)(s->done - begin);
  if (s->base)
    memcpy(s->base + begin - sizeof n, &n, sizeof n);
}

static void put_unsigned(struct sink *s, uint64_t v) {
  for (; v >= 0x80; v >>= 7)
    put1(s, 0x80 | (v & 0x7f));
  put1(s, (unsigned)v);
}

static void put_signed(struct sink *s, int64_t v) {
  for (; v < -0x40 || v > 0x3f; v >>= 7)
    put1(s, 0x80 | (v & 0x7f));
  put1(s, v & 0x7f);
}

static void put_line_header(struct sink *s, const char *file) {
  static const unsigned char operands[OPCODE_BASE - 1] = {0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1};
  put2(s, DWARF);
  uint64_t header = begin_counted(s);
  put1(s, 1); /* bytes of the shortest instruction */
  put1(s, 1); /* operations of one */
  put1(s, 1); /* each row is the begin of a statement */
  put1(s, (unsigned)LINE_BASE);
  put1(s, LINE_RANGE);
  put1(s, OPCODE_BASE);
  put(s, operands, sizeof operands);
  put1(s, 0); /* no folders */
  put_text(s, file);
  put(s, "\0\0\0", 3); /* folder, time, length */
  put1(s, 0);
  end_counted(s, header);
}

static void put_row(struct sink *s, uint64_t bytes, int64_t lines) {
  uint64_t special = (uint64_t)(lines - LINE_BASE) + LINE_RANGE * bytes + OPCODE_BASE;
  if (lines >= LINE_BASE && lines < LINE_BASE + LINE_RANGE && bytes < 256 && special < 256) {
    put1(s, (unsigned)special);
    return;
  }
  put1(s, LNS_ADVANCE_PC);
  put_unsigned(s, bytes);
  put1(s, LNS_ADVANCE_LINE);
  put_signed(s, lines);
  put1(s, LNS_COPY);
}

static void put_lines(struct sink *s, const struct ldx_jit_lines *l) {
  uint64_t unit = begin_counted(s);
  put_line_header(s, l->file);
  put1(s, 0);
  put_unsigned(s, 1 + sizeof l->code);
  put1(s, LNE_SET_ADDRESS);
  put8(s, l->code);
  uint32_t offset = 0, line = 1;
  for (const struct ldx_jit_line *at = l->at, *end = at + l->count; at < end; at++) {
    put_row(s, at->offset - offset, (int64_t)at->line - line);
    offset = at->offset;
    line = at->line;
  }
  put1(s, LNS_ADVANCE_PC);
  put_unsigned(s, l->size - offset);
  put1(s, 0);
  put_unsigned(s, 1);
  put1(s, LNE_END_SEQUENCE);
  end_counted(s, unit);
}

/* The first symbol that does not lie below. */
static size_t first_at(const struct ldx_symfile *what, uintptr_t at) {
  size_t low = 0, high = what->count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (what->symbols[middle].value < at)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

static uint32_t line_at(const struct ldx_jit_lines *l, uint64_t offset) {
  const struct ldx_jit_line *at = l->at;
  size_t i = 0;
  while (i + 1 < l->count && at[i + 1].offset <= offset)
    i++;
  return l->count ? at[i].line : 0;
}

static void put_subprogram(struct sink *s, const struct ldx_symfile_symbol *f, const struct ldx_jit_lines *l) {
  uint64_t left = l->code + l->size - f->value, size = f->size ? f->size : 1;
  put1(s, SUBPROGRAM);
  put_text(s, f->name);
  put1(s, 1); /* of the file table */
  put4(s, line_at(l, f->value - l->code));
  put8(s, f->value);
  put8(s, size < left ? size : left);
}

static void put_unit(struct sink *s, const struct ldx_symfile *what, const struct ldx_jit_lines *l, uint64_t table) {
  uint64_t unit = begin_counted(s);
  put2(s, DWARF);
  put4(s, 0); /* of .debug_abbrev */
  put1(s, sizeof l->code);
  put1(s, UNIT);
  put_text(s, l->file);
  put2(s, LANG_ASSEMBLER);
  put8(s, l->code);
  put8(s, l->size);
  put4(s, (uint32_t)table);
  for (size_t i = first_at(what, l->code); i < what->count && what->symbols[i].value - l->code < l->size; i++)
    if (ELF64_ST_TYPE(what->symbols[i].info) == STT_FUNC)
      put_subprogram(s, &what->symbols[i], l);
  put1(s, 0); /* no more children */
  end_counted(s, unit);
}

/* The file as it is laid out. */
struct layout {
  const struct ldx_symfile *what;
  struct sink out;
  Elf64_Shdr tables[TABLES];
  uint32_t table_count;
};

static void begin_section(struct layout *l, uint32_t index, uint32_t type, uint64_t to) {
  align(&l->out, to);
  l->tables[index] = (Elf64_Shdr){.sh_type = type, .sh_offset = l->out.done, .sh_addralign = to};
}
static void end_section(struct layout *l, uint32_t index) {
  l->tables[index].sh_size = l->out.done - l->tables[index].sh_offset;
}

static void put_symbols(struct layout *l) {
  const struct ldx_symfile *what = l->what;
  begin_section(l, SYMTAB, SHT_SYMTAB, 8);
  put(&l->out, &(Elf64_Sym){0}, sizeof(Elf64_Sym));
  uint32_t name = 1;
  size_t run = 0;
  for (size_t i = 0; i < what->count; i++) {
    const struct ldx_symfile_symbol *s = &what->symbols[i];
    while (run < what->run_count && what->runs[run].high <= s->value)
      run++;
    bool inside = run < what->run_count && s->value >= what->runs[run].low;
    Elf64_Sym sym = {.st_name = inside ? name : 0,
                     .st_info = s->info,
                     .st_shndx = inside ? (uint16_t)(l->table_count + run) : SHN_ABS,
                     .st_value = s->value,
                     .st_size = s->size};
    put(&l->out, &sym, sizeof sym);
    name += (uint32_t)strlen(s->name) + 1;
  }
  end_section(l, SYMTAB);
  l->tables[SYMTAB].sh_entsize = sizeof(Elf64_Sym);
  l->tables[SYMTAB].sh_link = STRTAB;
  l->tables[SYMTAB].sh_info = 1; /* no local symbols but the first */
}

static void put_strings(struct layout *l) {
  begin_section(l, STRTAB, SHT_STRTAB, 1);
  put1(&l->out, 0);
  for (size_t i = 0; i < l->what->count; i++)
    put_text(&l->out, l->what->symbols[i].name);
  end_section(l, STRTAB);
  begin_section(l, SHSTRTAB, SHT_STRTAB, 1);
  put(&l->out, section_names, sizeof section_names);
  end_section(l, SHSTRTAB);
}

static void put_frames(struct layout *l) {
  begin_section(l, EH_FRAME, SHT_PROGBITS, 8);
  put(&l->out, l->what->frames, l->what->frames_size);
  put4(&l->out, 0);
  end_section(l, EH_FRAME);
}

static void put_debug(struct layout *l) {
  const struct ldx_symfile *what = l->what;
  begin_section(l, DEBUG_ABBREV, SHT_PROGBITS, 1);
  put(&l->out, abbreviations, sizeof abbreviations);
  end_section(l, DEBUG_ABBREV);
  begin_section(l, DEBUG_INFO, SHT_PROGBITS, 1);
  struct sink lines = {NULL, 0}; /* tells where each table will begin */
  for (const struct ldx_jit_lines *t = what->lines; t; t = t->next) {
    put_unit(&l->out, what, t, lines.done);
    put_lines(&lines, t);
  }
  end_section(l, DEBUG_INFO);
  begin_section(l, DEBUG_LINE, SHT_PROGBITS, 1);
  for (const struct ldx_jit_lines *t = what->lines; t; t = t->next)
    put_lines(&l->out, t);
  end_section(l, DEBUG_LINE);
}

/* Of the n-th section, or by what is in it. */
static uint32_t name_of(uint32_t n) {
  uint32_t at = 0;
  for (; n; n--)
    at += (uint32_t)strlen(section_names + at) + 1;
  return at;
}
static uint32_t run_name(const struct ldx_symfile_run *r) {
  return name_of(r->flags & SHF_EXECINSTR ? TABLES : r->flags & SHF_WRITE ? TABLES + 1 : TABLES + 2);
}

static void put_section_headers(struct layout *l) {
  const struct ldx_symfile *what = l->what;
  align(&l->out, 8);
  for (uint32_t i = 0; i < l->table_count; i++) {
    l->tables[i].sh_name = name_of(i);
    put(&l->out, &l->tables[i], sizeof l->tables[i]);
  }
  for (size_t i = 0; i < what->run_count; i++) {
    const struct ldx_symfile_run *r = &what->runs[i];
    Elf64_Shdr s = {.sh_name = run_name(r),
                    .sh_type = SHT_NOBITS,
                    .sh_flags = SHF_ALLOC | r->flags,
                    .sh_addr = r->low,
                    .sh_offset = sizeof(Elf64_Ehdr),
                    .sh_size = r->high - r->low,
                    .sh_addralign = 1};
    put(&l->out, &s, sizeof s);
  }
  for (size_t i = 0; i < what->spare_runs; i++)
    put(&l->out, &(Elf64_Shdr){0}, sizeof(Elf64_Shdr));
}

static void put_file(struct layout *l) {
  Elf64_Ehdr eh = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                   .e_type = ET_EXEC,
                   .e_machine = EM_X86_64,
                   .e_version = EV_CURRENT,
                   .e_phoff = sizeof eh,
                   .e_phnum = 1,
                   .e_phentsize = sizeof(Elf64_Phdr),
                   .e_ehsize = sizeof eh,
                   .e_shentsize = sizeof(Elf64_Shdr),
                   .e_shnum = (uint16_t)(l->table_count + l->what->run_count + l->what->spare_runs),
                   .e_shstrndx = SHSTRTAB};
  /* An executable has program headers, if only one that says nothing of where it is loaded. */
  Elf64_Phdr stack = {.p_type = PT_GNU_STACK, .p_flags = PF_R | PF_W, .p_align = 16};
  put(&l->out, &eh, sizeof eh);
  put(&l->out, &stack, sizeof stack);
  put_symbols(l);
  put_frames(l);
  if (l->what->lines)
    put_debug(l);
  put_strings(l);
  put_section_headers(l);
  if (l->out.base)
    ((Elf64_Ehdr *)l->out.base)->e_shoff = l->out.done - eh.e_shnum * sizeof(Elf64_Shdr);
}

char *ldx_symfile_make(struct ldx_heap *heap, const struct ldx_symfile *what, uint64_t *size) {
  struct layout l = {.what = what, .table_count = what->lines ? TABLES : DEBUG_ABBREV};
  put_file(&l);
  *size = l.out.done;
  l.out = (struct sink){ldx_heap_alloc(heap, *size), 0};
  if (l.out.base)
    put_file(&l);
  return l.out.base;
}

struct ldx_symfile_view ldx_symfile_read(const char *file) {
  const Elf64_Ehdr *eh = (const Elf64_Ehdr *)file;
  Elf64_Shdr *s = (Elf64_Shdr *)(file + eh->e_shoff);
  bool debug = eh->e_shnum > DEBUG_INFO && s[DEBUG_INFO].sh_type == SHT_PROGBITS;
  uint32_t first = debug ? TABLES : DEBUG_ABBREV;
  return (struct ldx_symfile_view){.symbols = (Elf64_Sym *)(file + s[SYMTAB].sh_offset) + 1,
                                   .count = s[SYMTAB].sh_size / sizeof(Elf64_Sym) - 1,
                                   .strings = file + s[STRTAB].sh_offset,
                                   .frames = (char *)file + s[EH_FRAME].sh_offset,
                                   .sections = s + first,
                                   .first_section = first};
}
