/* The small ELF files that debuggers are shown, read by libelf and libdw. */
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <gelf.h>

#include "debug-protocol/symfile.h"
#include "ldx/jit.h"
#include "unit.h"

enum { FUNC = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC), OBJECT = ELF64_ST_INFO(STB_WEAK, STT_OBJECT) };

static struct ldx_heap heap;
static const struct ldx_symfile_symbol symbols[] = {
    {"absolute", 0x1000, 0, FUNC},
    {"first", 0x40000, 11, FUNC},
    {"second", 0x40010, 0, FUNC},
    {"alone", 0x50000, 0x100, FUNC},
    {"inner", 0x50080, 0x10, ELF64_ST_INFO(STB_GLOBAL, STT_NOTYPE)},
    {"counter", 0x60000, 8, OBJECT},
    {"constant", 0x70000, 4, OBJECT},
};
static const struct ldx_symfile_run runs[] = {{0x40000, 0x40020, SHF_EXECINSTR},
                                              {0x50000, 0x50100, SHF_EXECINSTR},
                                              {0x60000, 0x60010, SHF_WRITE},
                                              {0x70000, 0x70010, 0}};

struct made {
  char *bytes;
  uint64_t size;
  Elf *elf;
};

static struct made make(const struct ldx_symfile *what) {
  struct made m;
  m.bytes = ldx_symfile_make(&heap, what, &m.size);
  assert_non_null(m.bytes);
  elf_version(EV_CURRENT);
  m.elf = elf_memory(m.bytes, m.size);
  assert_int_equal(elf_kind(m.elf), ELF_K_ELF);
  return m;
}

static void done(struct made *m) {
  elf_end(m->elf);
  ldx_heap_free(&heap, m->bytes);
}

static Elf_Scn *section(Elf *elf, const char *name, GElf_Shdr *header) {
  size_t names;
  assert_int_equal(elf_getshdrstrndx(elf, &names), 0);
  for (Elf_Scn *s = NULL; (s = elf_nextscn(elf, s));)
    if (gelf_getshdr(s, header) && !strcmp(elf_strptr(elf, names, header->sh_name), name))
      return s;
  return NULL;
}

static void has_symbols_in_sections(void **state) {
  struct made m = make(&(struct ldx_symfile){.symbols = symbols, .count = 7, .runs = runs, .run_count = 4});
  GElf_Shdr header, home;
  Elf_Data *table = elf_getdata(section(m.elf, ".symtab", &header), NULL);
  assert_int_equal(header.sh_size / header.sh_entsize, 8);
  assert_int_equal(header.sh_info, 1);
  for (int i = 0; i < 7; i++) {
    GElf_Sym s;
    assert_non_null(gelf_getsym(table, i + 1, &s));
    assert_string_equal(elf_strptr(m.elf, header.sh_link, s.st_name),
                        i ? symbols[i].name : ""); /* it has no section */
    assert_int_equal(s.st_value, symbols[i].value);
    assert_int_equal(s.st_size, symbols[i].size);
    assert_int_equal(s.st_info, symbols[i].info);
    if (!i) {
      assert_int_equal(s.st_shndx, SHN_ABS);
      continue;
    }
    assert_non_null(gelf_getshdr(elf_getscn(m.elf, s.st_shndx), &home));
    assert_in_range(s.st_value, home.sh_addr, home.sh_addr + home.sh_size - 1);
  }
  done(&m);
}

static void has_a_section_for_each_run(void **state) {
  static const char *const names[] = {".text", ".text", ".data", ".rodata"};
  struct made m = make(&(struct ldx_symfile){.symbols = symbols, .count = 7, .runs = runs, .run_count = 4});
  size_t strings, found = 0;
  assert_int_equal(elf_getshdrstrndx(m.elf, &strings), 0);
  for (Elf_Scn *s = NULL; (s = elf_nextscn(m.elf, s));) {
    GElf_Shdr h;
    assert_non_null(gelf_getshdr(s, &h));
    if (!(h.sh_flags & SHF_ALLOC))
      continue;
    assert_int_equal(h.sh_type, SHT_NOBITS);
    assert_int_equal(h.sh_addr, runs[found].low);
    assert_int_equal(h.sh_size, runs[found].high - runs[found].low);
    assert_int_equal(h.sh_flags, SHF_ALLOC | runs[found].flags);
    assert_string_equal(elf_strptr(m.elf, strings, h.sh_name), names[found++]);
  }
  assert_int_equal(found, 4);
  done(&m);
}

static void has_frames_and_their_end(void **state) {
  static const char frames[] = "\x14\0\0\0\0\0\0\0\1zR\0\1\x78\x10\1\0\x0c\7\x08\x90\1\0\0";
  struct made m = make(&(struct ldx_symfile){.runs = runs, .run_count = 1, .frames = frames, .frames_size = 24});
  GElf_Shdr header;
  Elf_Data *data = elf_getdata(section(m.elf, ".eh_frame", &header), NULL);
  assert_int_equal(data->d_size, 28);
  assert_memory_equal(data->d_buf, frames, 24);
  assert_memory_equal((char *)data->d_buf + 24, "\0\0\0", 4);
  done(&m);
}

static void is_read_back(void **state) {
  struct made m =
      make(&(struct ldx_symfile){.symbols = symbols, .count = 7, .runs = runs, .run_count = 4, .spare_runs = 3});
  struct ldx_symfile_view v = ldx_symfile_read(m.bytes);
  assert_int_equal(v.count, 7);
  for (int i = 1; i < 7; i++)
    assert_string_equal(v.strings + v.symbols[i].st_name, symbols[i].name);
  for (int i = 0; i < 4; i++)
    assert_int_equal(v.sections[i].sh_addr, runs[i].low);
  for (int i = 4; i < 7; i++)
    assert_int_equal(v.sections[i].sh_type, SHT_NULL);
  GElf_Shdr header;
  assert_non_null(gelf_getshdr(elf_getscn(m.elf, v.first_section), &header));
  assert_int_equal(header.sh_addr, runs[0].low);
  done(&m);
  m = make(&(struct ldx_symfile){0});
  assert_int_equal(ldx_symfile_read(m.bytes).count, 0);
  done(&m);
}

/* ---- lines */

/* Steps of all sizes, forward and backward. */
static const struct ldx_jit_line steps[] = {{0, 10},  {1, 11},   {3, 5},    {3, 7},    {19, 14},
                                            {20, 15}, {60, 900}, {0x90, 2}, {0xf0, 0}, {0xff, 70000}};
static const struct ldx_jit_line only = {0, 14};
static struct ldx_jit_lines second = {.code = 0x40010, .size = 16, .count = 1, .file = "other.src", .at = &only};
static struct ldx_jit_lines first = {
    .next = &second, .code = 0x50000, .size = 0x100, .count = 10, .file = "/src/some.src", .at = steps};

static void check_rows(Dwarf_Die *unit, const struct ldx_jit_lines *want) {
  Dwarf_Lines *rows;
  size_t count;
  assert_int_equal(dwarf_getsrclines(unit, &rows, &count), 0);
  assert_int_equal(count, want->count + 1);
  for (size_t i = 0; i < count; i++) {
    Dwarf_Line *row = dwarf_onesrcline(rows, i);
    Dwarf_Addr at;
    int line;
    bool end;
    assert_int_equal(dwarf_lineaddr(row, &at), 0);
    assert_int_equal(dwarf_lineno(row, &line), 0);
    assert_int_equal(dwarf_lineendsequence(row, &end), 0);
    assert_string_equal(dwarf_linesrc(row, NULL, NULL), want->file);
    assert_int_equal(end, i == want->count);
    const struct ldx_jit_line *given = want->at;
    assert_int_equal(at, want->code + (end ? want->size : given[i].offset));
    if (!end)
      assert_int_equal(line, given[i].line);
  }
}

static void check_range(Dwarf_Die *die, uint64_t low, uint64_t high) {
  Dwarf_Addr at;
  assert_int_equal(dwarf_lowpc(die, &at), 0);
  assert_int_equal(at, low);
  assert_int_equal(dwarf_highpc(die, &at), 0);
  assert_int_equal(at, high);
}

/* The unit, of which the only function is described; the next one. */
static Dwarf_Off check_unit(Dwarf *dwarf, Dwarf_Off at, const struct ldx_jit_lines *want, const char *function,
                            uint64_t low, uint64_t high, int line) {
  Dwarf_Off next;
  size_t head;
  Dwarf_Die unit, child, none;
  assert_int_equal(dwarf_nextcu(dwarf, at, &next, &head, NULL, NULL, NULL), 0);
  assert_non_null(dwarf_offdie(dwarf, at + head, &unit));
  assert_int_equal(dwarf_tag(&unit), DW_TAG_compile_unit);
  assert_string_equal(dwarf_diename(&unit), want->file);
  check_range(&unit, want->code, want->code + want->size);
  check_rows(&unit, want);
  assert_int_equal(dwarf_child(&unit, &child), 0);
  assert_int_equal(dwarf_tag(&child), DW_TAG_subprogram);
  assert_string_equal(dwarf_diename(&child), function);
  assert_string_equal(dwarf_decl_file(&child), want->file);
  check_range(&child, low, high);
  int at_line;
  assert_int_equal(dwarf_decl_line(&child, &at_line), 0);
  assert_int_equal(at_line, line);
  assert_int_equal(dwarf_siblingof(&child, &none), 1);
  return next;
}

static void has_lines(void **state) {
  struct made m =
      make(&(struct ldx_symfile){.symbols = symbols, .count = 7, .runs = runs, .run_count = 4, .lines = &first});
  Dwarf *dwarf = dwarf_begin_elf(m.elf, DWARF_C_READ, NULL);
  assert_non_null(dwarf);
  Dwarf_Off next = check_unit(dwarf, 0, &first, "alone", 0x50000, 0x50100, 10);
  next = check_unit(dwarf, next, &second, "second", 0x40010, 0x40011, 14);
  size_t head;
  assert_int_equal(dwarf_nextcu(dwarf, next, &next, &head, NULL, NULL, NULL), 1);
  dwarf_end(dwarf);
  done(&m);
}

static void has_no_debug_sections_without_lines(void **state) {
  struct made m = make(&(struct ldx_symfile){.symbols = symbols, .count = 7, .runs = runs, .run_count = 4});
  GElf_Shdr header;
  assert_null(section(m.elf, ".debug_info", &header));
  done(&m);
}

int main(void) {
  const struct CMUnitTest tests[] = {CASE(has_symbols_in_sections),
                                     CASE(has_a_section_for_each_run),
                                     CASE(has_frames_and_their_end),
                                     CASE(is_read_back),
                                     CASE(has_lines),
                                     CASE(has_no_debug_sections_without_lines)};
  return RUN(tests);
}
