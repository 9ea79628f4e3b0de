/* RTLD_RELOADABLE: opening such an object, and reading its symbols anew while it is in use. */
#include "loader/reload.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/print.h"
#include "debug-protocol/rdebug.h"
#include "loader/dl.h"
#include "loader/error.h"
#include "loader/memory_file.h"
#include "loader/tell_library.h"
#include "loader/unload.h"
#include "namespace/names.h"

/* ---- opening */

/* Its definitions may change from the begin: who finds it never sees it otherwise. */
static bool give_tables(struct ldx_load *l, struct ldx_object *o) {
  if (!ldx_read_versions(l, o))
    return false;
  struct ldx_tables *t = ldx_new(sizeof *t);
  if (!t)
    return ldx_fail(l->diag, LDX_DIAG_LOAD, ENOMEM, ldx_display_name(o), "cannot make a copy");
  *t = (struct ldx_tables){o->dyn.sym, o->versions, o->version_count};
  o->dyn.sym.bloom = NULL;
  o->dyn.sym.buckets = NULL;
  o->tables = t;
  return true;
}

static bool is_sealed(const struct ldx_object *o, uintptr_t low, uintptr_t high) {
  return low >= o->relro_start && high <= o->relro_end;
}

/* What the program writes must be in the file. Each page is written once: later it is nobody else's, not the child's
 * of fork either. */
static bool separate_dynamic(struct ldx_image_copy *c, const struct ldx_object *o) {
  const struct elf_image *im = &o->image;
  const Elf64_Phdr *d = im->dynamic;
  c->dynamic_room = o->dyn.count + 1;
  if (d->p_memsz < elf_room(im, d->p_vaddr) && d->p_memsz / sizeof(Elf64_Dyn) > c->dynamic_room)
    c->dynamic_room = (uint32_t)(d->p_memsz / sizeof(Elf64_Dyn)); /* with spare ones */
  uint64_t size = c->dynamic_room * sizeof(Elf64_Dyn);
  uintptr_t at = o->map.l_addr + d->p_vaddr;
  uintptr_t low = ldx_align_down(at, LDX_PAGE), high = ldx_align_up(at + size, LDX_PAGE);
  bool is_data = elf_at_memory(im, d->p_vaddr, size, PF_W) && !elf_at_memory(im, d->p_vaddr, size, PF_X);
  if (ldx_self.musl.active || !is_data || (!c->dynamic_alone && !is_sealed(o, low, high)))
    return true;
  long r = sys_mmap((void *)low, high - low, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, c->fd,
                    (int64_t)(c->offset + (low - o->map_start)));
  for (uintptr_t page = low; !ldx_sys_failed(r) && page < high; page += LDX_PAGE)
    __atomic_fetch_or((char *)page, 0, __ATOMIC_RELAXED);
  c->dynamic_low = low;
  c->dynamic_high = high;
  return !ldx_sys_failed(r);
}

static bool prepare(struct ldx_load *l, struct ldx_image_copy *c, struct ldx_object *o) {
  if (o->dyn.textrel)
    return ldx_fail(l->diag, LDX_DIAG_LOAD, 0, ldx_display_name(o),
                    "object with text relocations cannot be reloadable");
  o->dyn.bind_now = true;
  if (!separate_dynamic(c, o))
    return ldx_fail(l->diag, LDX_DIAG_LOAD, ENOMEM, ldx_display_name(o), "cannot map its copy");
  c->soname = o->soname ? ldx_strdup(&ldx_self.heap, o->soname) : NULL;
  if (o->soname && !c->soname)
    return ldx_fail(l->diag, LDX_DIAG_LOAD, ENOMEM, ldx_display_name(o), "cannot make a copy");
  o->soname = c->soname;
  return (!c->before || ldx_keep_words(c, l->diag)) && give_tables(l, o);
}

struct ldx_object *ldx_map_copy(struct ldx_load *l, struct ldx_library_file *f, const struct stat *st,
                                const char *name) {
  struct ldx_library_file *of_copy = ldx_new(sizeof *of_copy);
  struct stat size = *st;
  if (!of_copy || !S_ISREG(st->st_mode)) {
    ldx_delete(of_copy);
    ldx_fail(l->diag, LDX_DIAG_LOAD, of_copy ? EINVAL : ENOMEM, name, "cannot make a copy");
    return NULL;
  }
  *of_copy = *f;
  struct ldx_image_copy *c = ldx_make_copy(l, of_copy, (uint64_t)st->st_size, name);
  size.st_size = c ? (off_t)c->end : 0;
  struct ldx_object *o = c ? ldx_map_shared(l, of_copy, &size, name, c) : NULL;
  ldx_delete(of_copy);
  if (c && !o)
    ldx_drop_copy(c);
  if (!o)
    return NULL;
  c->object = o;
  c->next = ldx_self.copies;
  ldx_self.copies = c;
  if (prepare(l, c, o))
    return o;
  ldx_unmap_object(o);
  ldx_object_free(&ldx_self.heap, o);
  return NULL;
}

void ldx_settle_copy(struct ldx_image_copy *c) {
  struct ldx_copy_record r;
  if (c->settled)
    return;
  c->settled = true;
  ldx_restore_words(c);
  if (sys_pread(c->fd, &r, sizeof r, (int64_t)c->record) != sizeof r)
    return;
  r.base = c->object->map.l_addr;
  r.complete = 1;
  ldx_write_all(c->fd, &r, sizeof r, c->record);
}

void *ldx_dlopen_in(const char *file, int mode, const char *folder) {
  ldx_clear_error();
  struct ldx_diag d = {.heap = &ldx_self.heap};
  mode |= LDX_RTLD_RELOADABLE;
  struct ldx_object *o = ldx_open_with_copy(file, mode, folder, __builtin_return_address(0), &d);
  if (!o && ldx_failed(&d))
    ldx_set_error(&d);
  return o;
}

static void unlist(const struct ldx_image_copy *c) {
  struct ldx_image_copy **link = &ldx_self.copies;
  while (*link && *link != c)
    link = &(*link)->next;
  if (*link)
    *link = c->next;
}

/* The object goes with the name it came with. */
static void free_paths(struct ldx_image_copy *c) {
  if (c->original)
    c->object->map.l_name = c->original;
  while (c->paths) {
    struct ldx_name *n = c->paths;
    c->paths = n->next;
    ldx_delete(n);
  }
}

void ldx_drop_copy(struct ldx_image_copy *c) {
  unlist(c);
  if (c->alias)
    sys_munmap((void *)c->alias, ldx_image_size(c->object));
  if (c->file && !c->settled)
    LDX_SYS(SYS_unlinkat, -100 /* AT_FDCWD */, c->file, 0, 0, 0, 0);
  if (ldx_copy_is_open(c))
    sys_close(c->fd);
  free_paths(c);
  ldx_delete(c->file);
  ldx_delete(c->soname);
  ldx_delete(c->before);
  ldx_delete(c->kept);
  ldx_delete(c);
}

/* ---- handles */

/* NULL: none of these. */
static struct ldx_image_copy *copy_of(void *handle, struct ldx_diag *d) {
  struct ldx_image_copy *c = ldx_is_open(handle) ? ldx_real(handle)->copy : NULL;
  if (!c)
    ldx_fail(d, LDX_DIAG_LOAD, EINVAL, "", "no handle of an object opened with RTLD_RELOADABLE");
  return c;
}

/* The same, where the file is needed. */
static struct ldx_image_copy *open_copy_of(void *handle, struct ldx_diag *d) {
  struct ldx_image_copy *c = copy_of(handle, d);
  if (!c || ldx_copy_is_open(c))
    return c;
  ldx_fail(d, LDX_DIAG_LOAD, EBADF, ldx_display_name(c->object), "cannot reach its copy");
  return NULL;
}

static int end_call(struct ldx_diag *d) {
  int error = d->error ? d->error : d->out_of_memory ? ENOMEM : ENOEXEC;
  if (!ldx_failed(d))
    return 0;
  ldx_set_error(d);
  return -error;
}

static size_t write_path(const struct ldx_image_copy *c, char *to, size_t size) {
  return c->file ? ldx_format(to, size, "%s", c->file) : ldx_format(to, size, "/proc/%ld/fd/%d", sys_getpid(), c->fd);
}

int ldx_reload_path(void *handle, char *path, size_t size) {
  ldx_clear_error();
  struct ldx_diag d = {.heap = &ldx_self.heap};
  ldx_rlock_enter(&ldx_self.lock);
  const struct ldx_image_copy *c = open_copy_of(handle, &d);
  size_t n = c ? write_path(c, path, size) : 0;
  ldx_rlock_leave(&ldx_self.lock);
  return ldx_failed(&d) ? end_call(&d) : (int)n;
}

/* ---- the view that can be written */

/* Cores would have all of it twice. */
static long map_alias(const struct ldx_image_copy *c) {
  uint64_t size = ldx_image_size(c->object);
  long at = ldx_reserve_anywhere(size);
  if (ldx_sys_failed(at))
    return at;
  long r = sys_mmap((void *)at, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, c->fd, (int64_t)c->offset);
  if (ldx_sys_failed(r))
    sys_munmap((void *)at, size);
  else
    sys_madvise((void *)at, size, MADV_DONTDUMP);
  return r;
}

static bool find_alias(struct ldx_image_copy *c, uintptr_t addr, void **out, struct ldx_diag *d) {
  const struct ldx_object *o = c->object;
  if (!ldx_object_holds(o, addr))
    return ldx_fail(d, LDX_DIAG_LOAD, EINVAL, ldx_display_name(o), "address outside the object");
  long r = c->alias ? (long)c->alias : map_alias(c);
  if (ldx_sys_failed(r))
    return ldx_fail(d, LDX_DIAG_LOAD, (int)-r, ldx_display_name(o), "cannot map its copy");
  c->alias = (uintptr_t)r;
  *out = (void *)(c->alias + (addr - o->map_start));
  return true;
}

int ldx_reload_alias(void *handle, const void *addr, void **out) {
  ldx_clear_error();
  struct ldx_diag d = {.heap = &ldx_self.heap};
  ldx_rlock_enter(&ldx_self.lock);
  struct ldx_image_copy *c = open_copy_of(handle, &d);
  if (c)
    find_alias(c, (uintptr_t)addr, out, &d);
  ldx_rlock_leave(&ldx_self.lock);
  return end_call(&d);
}

/* ---- reading the tables anew */

/* What was read, before anybody sees it. */
struct reading {
  Elf64_Dyn *entries;     /* of the file */
  struct elf_dynamic dyn; /* of these */
  struct ldx_tables *tables;
};

/* As a load reads them, from an object that nobody knows. */
static bool read_versions(struct ldx_object *o, struct reading *r, struct ldx_diag *d) {
  struct ldx_load l = {.ns = o->ns, .diag = d};
  struct ldx_object *as = ldx_new(sizeof *as);
  if (!as)
    return ldx_fail(d, LDX_DIAG_LOAD, ENOMEM, ldx_display_name(o), "cannot read its symbols");
  as->map = o->map;
  as->kind = o->kind;
  as->image = o->image;
  as->dyn = r->dyn;
  bool ok = ldx_read_versions(&l, as);
  r->tables->versions = as->versions;
  r->tables->version_count = as->version_count;
  ldx_delete(as);
  return ok;
}

/* From the file: what the program sees may have addresses. */
static enum elf_error read_dynamic(const struct ldx_object *o, struct reading *r) {
  const struct ldx_image_copy *c = o->copy;
  size_t size = c->dynamic_room * sizeof *r->entries;
  uint64_t at = c->offset + ((uintptr_t)o->map.l_ld - o->map_start);
  r->entries = ldx_new(size);
  if (!r->entries || sys_pread(c->fd, r->entries, size, (int64_t)at) != (long)size)
    return ELF_BAD_DYNAMIC;
  return elf_read_tags(&o->image, r->entries, c->dynamic_room, &r->dyn);
}

/* What a search would trust. */
static bool check_symbols(const struct ldx_object *o, const struct elf_symtab *t) {
  uint32_t count = elf_symbol_count(t);
  for (uint32_t i = 1; i < count; i++) {
    const Elf64_Sym *s = &t->sym[i];
    unsigned type = ELF64_ST_TYPE(s->st_info);
    if (s->st_shndx == SHN_UNDEF || (type != STT_GNU_IFUNC && type != STT_TLS))
      continue;
    if (type == STT_TLS ? s->st_value > o->tls.memsz || !o->tls.modid
                        : !ldx_object_has_code(o, ldx_symbol_address(o, s)))
      return false;
  }
  return true;
}

static bool read_anew(struct ldx_object *o, struct reading *r, struct ldx_diag *d) {
  enum elf_error e = read_dynamic(o, r);
  if (!e && !check_symbols(o, &r->dyn.sym))
    e = ELF_BAD_SYMTAB;
  if (e)
    return ldx_fail(d, LDX_DIAG_LOAD, 0, ldx_display_name(o), "%s", elf_error_text(e));
  r->tables = ldx_new(sizeof *r->tables);
  if (!r->tables)
    return ldx_fail(d, LDX_DIAG_LOAD, ENOMEM, ldx_display_name(o), "cannot read its symbols");
  r->tables->sym = r->dyn.sym;
  return read_versions(o, r, d);
}

static void forget_reading(struct reading *r) {
  if (r->tables)
    ldx_delete((void *)r->tables->versions);
  ldx_delete(r->tables);
  ldx_delete(r->entries);
}

/* Lets the dynamic section that the program sees follow the file's. */
static void show_dynamic(struct ldx_object *o, struct reading *r) {
  const struct ldx_image_copy *c = o->copy;
  Elf64_Dyn *shown = o->map.l_ld;
  size_t size = c->dynamic_high - c->dynamic_low;
  if (o->ld_adjusted)
    ldx_adjust_tags(r->dyn.info, o->map.l_addr);
  if (size && !ldx_sys_failed(sys_mprotect((void *)c->dynamic_low, size, PROT_READ | PROT_WRITE))) {
    for (uint32_t i = 0; i < c->dynamic_room; i++)
      if (memcmp(&shown[i], &r->entries[i], sizeof *shown))
        shown[i] = r->entries[i];
    if (is_sealed(o, c->dynamic_low, c->dynamic_high))
      sys_mprotect((void *)c->dynamic_low, size, PROT_READ);
  }
  for (size_t i = 0; i < LDX_COUNT(o->dyn.info); i++)
    o->dyn.info[i] = r->dyn.info[i] ? shown + (r->dyn.info[i] - r->entries) : NULL;
}

static void replace_tables(struct ldx_object *o, struct reading *r) {
  const struct ldx_tables *old = o->tables;
  show_dynamic(o, r);
  ldx_delete(r->entries);
  __atomic_store_n(&o->tables, r->tables, __ATOMIC_RELEASE);
  if (old->versions != o->versions) /* else they go on telling its references */
    ldx_retire_block((void *)old->versions);
  ldx_retire_block((void *)old);
  glibc_fill_map(&ldx_self.glibc, o);
}

/* Private pages in which a debugger has put breakpoints; it puts them there again when it reads the object anew. */
static void drop_private_pages(const struct ldx_object *o) {
  for (uint32_t i = 0; i < o->image.segment_count; i++) {
    const struct elf_segment *s = &o->image.segments[i];
    uintptr_t at = ldx_align_down(o->map.l_addr + s->vaddr, LDX_PAGE);
    uintptr_t end = ldx_align_up(o->map.l_addr + s->vaddr + s->memsz, LDX_PAGE);
    if (!(s->flags & PF_W))
      sys_madvise((void *)at, end - at, MADV_DONTNEED);
  }
}

/* Debuggers read an object again when its name is another one: there are two for the same file, in turn. */
static void write_shown_path(const struct ldx_image_copy *c, char *to, size_t size) {
  long pid = sys_getpid();
  if (c->reloads % 2)
    write_path(c, to, size);
  else if (c->file)
    ldx_format(to, size, "/proc/%ld/fd/%d", pid, c->fd);
  else
    ldx_format(to, size, "/proc/%ld/task/%ld/fd/%d", pid, pid, c->fd);
}

static struct ldx_name *keep_path(struct ldx_image_copy *c, const char *text) {
  size_t size = strlen(text) + 1;
  struct ldx_name *n = c->paths;
  while (n && strcmp(n->text, text))
    n = n->next;
  if (n || !(n = ldx_new(sizeof *n + size)))
    return n;
  memcpy(n->text, text, size);
  n->next = c->paths;
  return c->paths = n;
}

bool ldx_show_path(struct ldx_image_copy *c) {
  char text[4096];
  struct ldx_object *o = c->object;
  write_shown_path(c, text, sizeof text);
  struct ldx_name *n = keep_path(c, text);
  if (!n)
    return false;
  if (!c->original) {
    ldx_object_origin(&ldx_self.search, o); /* as long as its name tells it */
    if (!ldx_object_add_name(&ldx_self.heap, o, o->map.l_name))
      return false;
    ldx_names_add_name(o->ns, &ldx_self.heap, o, o->map.l_name);
    c->original = o->map.l_name;
  }
  __atomic_store_n(&o->map.l_name, n->text, __ATOMIC_RELEASE);
  return true;
}

static void show_debuggers(struct ldx_object *o) {
  if (o->jit) /* the copy is a file */
    ldx_jit_drop(&ldx_self.jit, &ldx_self.heap, o->jit);
  o->jit = NULL;
  ldx_debug_unload(o->ns);
  ldx_debug_unloaded(o->ns);
}

static bool reload(struct ldx_image_copy *c, struct ldx_diag *d) {
  struct ldx_object *o = c->object;
  struct reading r = {0};
  long error = 0;
  bool ok = read_anew(o, &r, d);
  if (ok && (error = ldx_show_tables(c, &r.dyn)))
    ok = ldx_fail(d, LDX_DIAG_LOAD, (int)-error, ldx_display_name(o), "cannot write its copy");
  c->reloads += ok;
  if (ok && !ldx_show_path(c)) {
    c->reloads--;
    ok = ldx_fail(d, LDX_DIAG_LOAD, ENOMEM, ldx_display_name(o), "cannot read its symbols");
  }
  if (!ok) {
    forget_reading(&r);
    return false;
  }
  replace_tables(o, &r);
  if (c->alias)
    sys_munmap((void *)c->alias, ldx_image_size(o));
  c->alias = 0;
  drop_private_pages(o);
  show_debuggers(o);
  return true;
}

int ldx_reload(void *handle) {
  ldx_clear_error();
  struct ldx_diag d = {.heap = &ldx_self.heap};
  const void *where = NULL;
  ldx_rlock_enter(&ldx_self.lock);
  struct ldx_image_copy *c = open_copy_of(handle, &d);
  bool may = c && (!ldx_self.told_load || ldx_may_change(c->object->ns, &d));
  if (may && reload(c, &d))
    where = (const void *)c->object->map_start;
  ldx_reclaim();
  ldx_rlock_leave(&ldx_self.lock);
  if (where)
    ldx_symbols_changed(where);
  return end_call(&d);
}
