/* "ifunc" of the policy: another variant of an indirect function than its resolver chooses. Variants are local
 * symbols most often: they stand in .symtab of the library, or of its separate debug file. */
#include <fcntl.h>
#include <string.h>

#include "base/print.h"
#include "elf/notes.h"
#include "loader/steer_bind.h"

enum { SYMTAB_LIMIT = 64 << 20 };

static bool is_function(const Elf64_Sym *s) { return ELF64_ST_TYPE(s->st_info) == STT_FUNC && s->st_shndx; }

static uintptr_t checked(const struct ldx_object *o, const Elf64_Sym *s) {
  uintptr_t at = ldx_symbol_address(o, s);
  return ldx_object_has_code(o, at) ? at : 0;
}

static uintptr_t in_dynsym(const struct ldx_object *o, const char *name) {
  struct ldx_sym_request r = {.name = elf_name(name), .flags = LDX_SYM_NEWEST};
  const Elf64_Sym *s = ldx_symbol_in((struct ldx_object *)o, &r);
  return s && is_function(s) ? checked(o, s) : 0;
}

static uintptr_t in_symbols(const struct ldx_object *o, const Elf64_Sym *at, size_t count, const char *strings,
                            size_t size, const char *name) {
  for (size_t i = 0; i < count; i++)
    if (is_function(&at[i]) && at[i].st_name < size && !strcmp(strings + at[i].st_name, name))
      return checked(o, &at[i]);
  return 0;
}

/* Sections come with a zero behind them. */
static uintptr_t in_file(const struct ldx_object *o, const char *path, const char *name) {
  struct stat st;
  char *symbols = NULL, *strings = NULL;
  size_t symbols_size = 0, strings_size = 0;
  const char *fault;
  uintptr_t found = 0;
  long fd = io_open(&ldx_self.io, path, O_RDONLY | O_CLOEXEC);
  if (ldx_sys_failed(fd))
    return 0;
  struct ldx_policy_bytes file = {.fd = (int)fd};
  if (!ldx_sys_failed(io_fstat(&ldx_self.io, (int)fd, &st))) {
    file.size = (uint64_t)st.st_size;
    if (ldx_policy_find_section(&ldx_self.heap, &file, ".symtab", SYMTAB_LIMIT, &symbols, &symbols_size, &fault) ==
            1 &&
        ldx_policy_find_section(&ldx_self.heap, &file, ".strtab", SYMTAB_LIMIT, &strings, &strings_size, &fault) == 1)
      found =
          in_symbols(o, (const Elf64_Sym *)symbols, symbols_size / sizeof(Elf64_Sym), strings, strings_size, name);
  }
  io_close(&ldx_self.io, (int)fd);
  ldx_delete(symbols);
  ldx_delete(strings);
  return found;
}

/* Where distributions put the symbols that they strip off: /usr/lib/debug/.build-id/XX/YYYY.debug. */
static uintptr_t in_debug_file(const struct ldx_object *o, const char *name) {
  char path[128];
  struct ldx_span id = elf_build_id(&o->image, o->phdrs, o->image.phnum);
  const unsigned char *bytes = (const unsigned char *)id.base;
  size_t n = 0;
  if (id.size < 2 || id.size > 32)
    return 0;
  n = ldx_format(path, sizeof path, "/usr/lib/debug/.build-id/");
  for (size_t i = 0; i < id.size; i++)
    n += ldx_format(path + n, sizeof path - n, "%02x%s", bytes[i], i ? "" : "/");
  ldx_format(path + n, sizeof path - n, ".debug");
  return in_file(o, path, name);
}

/* The default version of the resolver's name. */
static bool is_named(const struct ldx_object *o, uintptr_t resolver, const char *glob) {
  const struct elf_symtab *t = ldx_definitions(o);
  uint32_t count = elf_symbol_count(t);
  for (uint32_t i = 1; i < count; i++) {
    const Elf64_Sym *s = &t->sym[i];
    if (ELF64_ST_TYPE(s->st_info) == STT_GNU_IFUNC && s->st_shndx && ldx_symbol_address(o, s) == resolver &&
        !(elf_versym(t, i) & ELF_VERSYM_HIDDEN) && ldx_policy_match(glob, elf_symbol_name(t, s), NULL))
      return true;
  }
  return false;
}

bool ldx_choose_variant(const struct ldx_object *definer, const char *name, uintptr_t resolver, uintptr_t *value,
                        struct ldx_diag *d) {
  const struct ldx_policy *p = ldx_self.policy;
  if (definer->ns && definer->ns->of_tool)
    return true;
  for (uint32_t i = 0; i < p->ifunc.count; i++) {
    const struct ldx_policy_ifunc *f = &p->ifunc.at[i];
    if (!(name ? ldx_policy_match(f->sym, name, NULL) : is_named(definer, resolver, f->sym)))
      continue;
    uintptr_t at = in_dynsym(definer, f->choose);
    if (!at)
      at = in_file(definer, definer->map.l_name, f->choose);
    if (!at)
      at = in_debug_file(definer, f->choose);
    if (!at)
      return ldx_fail(d, LDX_DIAG_SYMBOL, 0, ldx_display_name(definer),
                      "has no function %s, which the policy chooses for %s (%s)", f->choose, f->sym, f->where);
    *value = at;
    return true;
  }
  return true;
}
