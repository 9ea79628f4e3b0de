/* Real files, read by ldx and by libelf, which finds everything through section headers: same symbols, hashes that
 * lead to every one of them, same versions, relocations and notes.
 *
 * Arguments: the program that writes the vDSO to its standard output when called with --vdso, and more files. */
#include <fcntl.h>
#include <gelf.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "elf/notes.h"
#include "elf/version.h"
#include "mapped.h"
#include "unit.h"

static const char *vdso_writer;
static char **more_files;

static const char *const files[] = {
    "/lib/x86_64-linux-gnu/libc.so.6",       "/usr/lib/x86_64-linux-gnu/libstdc++.so.6",
    "/lib64/ld-linux-x86-64.so.2",           "/lib/x86_64-linux-gnu/libm.so.6",
    "/usr/lib/x86_64-linux-gnu/libelf.so.1", "/usr/lib/x86_64-linux-gnu/libcmocka.so.0",
    "/lib/x86_64-linux-gnu/libgcc_s.so.1",   "/bin/sh",
};

struct subject {
  const char *name;
  struct mapped m;
  Elf *elf;
};

/* The first section of a type (and name, unless NULL) and its data. */
static Elf_Data *section(Elf *elf, uint32_t type, const char *name, GElf_Shdr *shdr) {
  size_t names;
  assert_int_equal(elf_getshdrstrndx(elf, &names), 0);
  for (Elf_Scn *s = NULL; (s = elf_nextscn(elf, s));) {
    assert_non_null(gelf_getshdr(s, shdr));
    if (shdr->sh_type == type && (!name || !strcmp(elf_strptr(elf, names, shdr->sh_name), name)))
      return elf_getdata(s, NULL);
  }
  return NULL;
}

/* Symbols */

static bool lookup_finds(const struct elf_symtab *t, const char *text, uint32_t index, uint32_t limit) {
  struct elf_name name = elf_name(text);
  struct elf_walk w = {0};
  uint32_t steps = 0;
  bool found = false;
  for (uint32_t i = elf_find_first(t, &name, &w); i; i = elf_find_next(t, &name, &w)) {
    assert_true(++steps <= limit);
    assert_string_equal(elf_symbol_name(t, elf_symbol(t, i)), text);
    found |= i == index;
  }
  return found;
}

static unsigned compare_symbols(const struct subject *s) {
  const struct elf_symtab *t = &s->m.d.sym;
  GElf_Shdr symtab, versyms;
  Elf_Data *data = section(s->elf, SHT_DYNSYM, NULL, &symtab);
  assert_non_null(data);
  uint32_t n = (uint32_t)(symtab.sh_size / symtab.sh_entsize), found = 0;
  Elf_Data *versions = section(s->elf, SHT_GNU_versym, NULL, &versyms);
  assert_int_equal(elf_symbol_count(t), n);
  for (uint32_t i = 1; i < n; i++) {
    GElf_Sym want;
    assert_non_null(gelf_getsym(data, (int)i, &want));
    const char *name = elf_strptr(s->elf, symtab.sh_link, want.st_name);
    const Elf64_Sym *got = elf_symbol(t, i);
    assert_memory_equal(got, &want, sizeof want);
    assert_string_equal(elf_symbol_name(t, got), name);
    GElf_Versym version = VER_NDX_GLOBAL;
    assert_true(!versions || gelf_getversym(versions, (int)i, &version));
    assert_int_equal(elf_versym(t, i), version);
    bool listed = lookup_finds(t, name, i, n);
    if (want.st_shndx != SHN_UNDEF && !listed)
      fail_msg("%s: symbol %u '%s' is not found", s->name, i, name);
    found += listed;
  }
  return found;
}

static void compare_absent_symbols(const struct subject *s) {
  const char *const absent[] = {"", "no_such_symbol", "printf ", "_", "malloc@GLIBC_2.2.5", "GLIBC_2.2.5"};
  for (size_t i = 0; i < LDX_COUNT(absent); i++)
    assert_false(lookup_finds(&s->m.d.sym, absent[i], 0, UINT32_MAX));
}

/* Versions */

static unsigned compare_needs(const struct subject *s) {
  GElf_Shdr shdr;
  Elf_Data *data = section(s->elf, SHT_GNU_verneed, NULL, &shdr);
  struct elf_need_walk walk = {0};
  struct elf_need got;
  enum elf_error error;
  GElf_Verneed vn;
  unsigned count = 0;
  for (int at = 0; data && gelf_getverneed(data, at, &vn); at += (int)vn.vn_next) {
    GElf_Vernaux a;
    int aux = at + (int)vn.vn_aux;
    for (int i = 0; i < vn.vn_cnt; i++, aux += (int)a.vna_next, count++) {
      assert_non_null(gelf_getvernaux(data, aux, &a));
      assert_true(elf_next_need(&s->m.im, &s->m.d, &walk, &got, &error));
      assert_string_equal(got.file, elf_strptr(s->elf, shdr.sh_link, vn.vn_file));
      assert_string_equal(got.name, elf_strptr(s->elf, shdr.sh_link, a.vna_name));
      assert_int_equal(got.hash, a.vna_hash);
      assert_int_equal(got.hash, elf_sysv_hash(got.name));
      assert_int_equal(got.index | (got.hidden ? ELF_VERSYM_HIDDEN : 0), a.vna_other);
      assert_int_equal(got.weak, !!(a.vna_flags & VER_FLG_WEAK));
    }
    if (!vn.vn_next)
      break;
  }
  assert_false(elf_next_need(&s->m.im, &s->m.d, &walk, &got, &error));
  assert_int_equal(error, ELF_OK);
  return count;
}

static unsigned compare_defs(const struct subject *s) {
  GElf_Shdr shdr;
  Elf_Data *data = section(s->elf, SHT_GNU_verdef, NULL, &shdr);
  struct elf_def_walk walk = {0};
  struct elf_def got;
  enum elf_error error;
  GElf_Verdef vd;
  unsigned count = 0;
  for (int at = 0; data && gelf_getverdef(data, at, &vd); at += (int)vd.vd_next, count++) {
    GElf_Verdaux a;
    assert_non_null(gelf_getverdaux(data, at + (int)vd.vd_aux, &a));
    assert_true(elf_next_def(&s->m.im, &s->m.d, &walk, &got, &error));
    assert_string_equal(got.name, elf_strptr(s->elf, shdr.sh_link, a.vda_name));
    assert_int_equal(got.hash, vd.vd_hash);
    assert_int_equal(got.index, vd.vd_ndx);
    assert_int_equal(got.base, !!(vd.vd_flags & VER_FLG_BASE));
    assert_int_equal(got.weak, !!(vd.vd_flags & VER_FLG_WEAK));
    if (!vd.vd_next) {
      count++;
      break;
    }
  }
  assert_false(elf_next_def(&s->m.im, &s->m.d, &walk, &got, &error));
  assert_int_equal(error, ELF_OK);
  return count;
}

/* Relocations */

static unsigned compare_relas(const struct subject *s, const char *name, const struct elf_relas *got) {
  GElf_Shdr shdr;
  Elf_Data *data = section(s->elf, SHT_RELA, name, &shdr);
  assert_int_equal(got->count, data ? shdr.sh_size / shdr.sh_entsize : 0);
  for (uint64_t i = 0; i < got->count; i++) {
    GElf_Rela want;
    assert_non_null(gelf_getrela(data, (int)i, &want));
    assert_memory_equal(&got->at[i], &want, sizeof want);
    bool relative = ELF64_R_TYPE(want.r_info) == R_X86_64_RELATIVE;
    if (name[5] == 'd') /* .rela.dyn */
      assert_int_equal(relative && i < s->m.d.relative_count, i < s->m.d.relative_count);
  }
  return (unsigned)got->count;
}

static unsigned compare_relr(const struct subject *s) {
  GElf_Shdr shdr;
  Elf_Data *data = section(s->elf, 19 /* SHT_RELR */, NULL, &shdr);
  assert_int_equal(s->m.d.relr_count, data ? shdr.sh_size / 8 : 0);
  if (data)
    assert_ptr_equal(s->m.d.relr, (void *)(s->m.im.bias + shdr.sh_addr));
  return (unsigned)s->m.d.relr_count;
}

/* Notes */

static bool is_build_id(const struct elf_note *n) {
  return n->type == NT_GNU_BUILD_ID && n->name_size == 4 && !memcmp(n->name, "GNU", 4);
}

/* The notes of one segment; `build_id` becomes the first one met. */
static unsigned compare_note_segment(const struct subject *s, const Elf64_Phdr *ph, struct ldx_span *build_id) {
  Elf_Data *data =
      elf_getdata_rawchunk(s->elf, (int64_t)ph->p_offset, ph->p_filesz, ph->p_align == 8 ? ELF_T_NHDR8 : ELF_T_NHDR);
  struct ldx_span bytes = {elf_at(&s->m.im, ph->p_vaddr, ph->p_filesz), ph->p_filesz};
  assert_non_null(bytes.base);
  struct elf_note got;
  GElf_Nhdr want;
  size_t at = 0, next, name, desc;
  uint64_t off = 0;
  unsigned count = 0;
  for (; (next = gelf_getnote(data, at, &want, &name, &desc)) > 0; at = next, count++) {
    assert_true(elf_next_note(bytes, ph->p_align, &off, &got));
    assert_int_equal(got.type, want.n_type);
    assert_int_equal(got.name_size, want.n_namesz);
    assert_int_equal(got.desc.size, want.n_descsz);
    assert_memory_equal(got.name, (char *)data->d_buf + name, want.n_namesz);
    assert_memory_equal(got.desc.base, (char *)data->d_buf + desc, want.n_descsz);
    if (is_build_id(&got) && !build_id->base)
      *build_id = got.desc;
  }
  assert_false(elf_next_note(bytes, ph->p_align, &off, &got));
  return count;
}

static unsigned compare_notes(const struct subject *s) {
  unsigned count = 0;
  struct ldx_span want = {0}, got = elf_build_id(&s->m.im, s->m.phdrs, s->m.im.phnum);
  for (uint32_t i = 0; i < s->m.im.phnum; i++)
    if (s->m.phdrs[i].p_type == PT_NOTE)
      count += compare_note_segment(s, &s->m.phdrs[i], &want);
  assert_ptr_equal(got.base, want.base);
  assert_int_equal(got.size, want.size);
  return count;
}

/* Dynamic section: counts of tags through libelf's eyes. */
static void compare_tags(const struct subject *s) {
  GElf_Shdr shdr;
  Elf_Data *data = section(s->elf, SHT_DYNAMIC, NULL, &shdr);
  assert_non_null(data);
  GElf_Dyn want;
  uint32_t n = 0;
  for (; gelf_getdyn(data, (int)n, &want) && want.d_tag != DT_NULL; n++) {
    assert_int_equal(s->m.d.table[n].d_tag, want.d_tag);
    if (want.d_tag == DT_NEEDED || want.d_tag == DT_SONAME)
      assert_string_equal(elf_string(&s->m.d, want.d_un.d_val), elf_strptr(s->elf, shdr.sh_link, want.d_un.d_val));
  }
  assert_int_equal(s->m.d.count, n);
}

static void compare(const struct subject *s) {
  compare_tags(s);
  unsigned symbols = compare_symbols(s), needs = compare_needs(s), defs = compare_defs(s);
  compare_absent_symbols(s);
  unsigned relas = compare_relas(s, ".rela.dyn", &s->m.d.rela) + compare_relas(s, ".rela.plt", &s->m.d.jmprel);
  unsigned relr = compare_relr(s), notes = compare_notes(s);
  print_message("%s: %u symbols found, %u needs, %u defs, %u relocations, %u relr words, %u notes\n", s->name,
                symbols, needs, defs, relas, relr, notes);
}

static uint8_t *read_file(const char *path, size_t *size) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    fail_msg("%s: cannot be opened", path);
  *size = (size_t)lseek(fd, 0, SEEK_END);
  uint8_t *bytes = malloc(*size);
  assert_int_equal(pread(fd, bytes, *size, 0), *size);
  close(fd);
  return bytes;
}

static void compare_bytes(const char *name, uint8_t *bytes, size_t size) {
  struct subject s = {.name = name};
  enum elf_error e = mapped_open(&s.m, (struct ldx_span){bytes, size});
  if (e)
    fail_msg("%s: %s", name, elf_error_text(e));
  s.elf = elf_memory((char *)bytes, size);
  assert_non_null(s.elf);
  compare(&s);
  elf_end(s.elf);
  mapped_close(&s.m);
  free(bytes);
}

static void compare_file(const char *path) {
  size_t size;
  uint8_t *bytes = read_file(path, &size);
  compare_bytes(path, bytes, size);
}

static void system_files(void **state) {
  for (size_t i = 0; i < LDX_COUNT(files); i++)
    compare_file(files[i]);
}

static void given_files(void **state) {
  for (char **file = more_files; *file; file++)
    compare_file(*file);
}

/* The size of the file that the kernel mapped: all of it, section headers, too. */
static size_t vdso_size(const Elf64_Ehdr *eh) {
  size_t size = eh->e_shoff + (size_t)eh->e_shnum * eh->e_shentsize;
  const Elf64_Phdr *ph = (const Elf64_Phdr *)((const uint8_t *)eh + eh->e_phoff);
  for (uint16_t i = 0; i < eh->e_phnum; i++)
    if (ph[i].p_offset + ph[i].p_filesz > size)
      size = ph[i].p_offset + ph[i].p_filesz;
  return size;
}

/* Through another program, as Valgrind hides the vDSO from its guests. */
static void vdso_as_file(void **state) {
  enum { LIMIT = 1 << 16 };
  char command[4200];
  snprintf(command, sizeof command, "'%s' --vdso", vdso_writer);
  FILE *f = popen(command, "r");
  assert_non_null(f);
  uint8_t *bytes = malloc(LIMIT);
  size_t size = fread(bytes, 1, LIMIT, f);
  assert_int_equal(pclose(f), 0);
  compare_bytes("copy of the vDSO", bytes, size);
}

static void vdso_in_memory(void **state) {
  const Elf64_Ehdr *eh = (const Elf64_Ehdr *)getauxval(AT_SYSINFO_EHDR);
  if (!eh) /* under Valgrind */
    return;
  struct subject s = {.name = "vDSO"};
  struct ldx_span head = {(const uint8_t *)eh, LDX_PAGE};
  assert_int_equal(elf_check_header(head), ELF_OK);
  enum elf_error e;
  s.m.phdrs = elf_phdrs(head, UINT64_MAX, &e);
  assert_non_null(s.m.phdrs);
  assert_int_equal(elf_read_layout(s.m.phdrs, eh->e_phnum, UINT64_MAX, s.m.segments, ELF_MAX_SEGMENTS, &s.m.im),
                   ELF_OK);
  s.m.im.bias = (uintptr_t)eh - s.m.im.start;
  assert_int_equal(elf_read_dynamic(&s.m.im, &s.m.d), ELF_OK);
  s.elf = elf_memory((char *)eh, vdso_size(eh));
  assert_non_null(s.elf);
  compare(&s);
  assert_true(lookup_finds(&s.m.d.sym, "__vdso_clock_gettime", 0, UINT32_MAX) || elf_symbol_count(&s.m.d.sym) > 1);
  elf_end(s.elf);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {CASE(system_files), CASE(given_files), CASE(vdso_as_file), CASE(vdso_in_memory)};
  if (argc < 2) {
    fprintf(stderr, "usage: %s VDSO-WRITER FILE...\n", argv[0]);
    return 2;
  }
  vdso_writer = argv[1];
  more_files = argv + 2;
  elf_version(EV_CURRENT);
  return RUN(tests);
}
