/* The ELF image of an object made at run time, and how it becomes one of the loaded objects. */
#include <dlfcn.h>
#include <errno.h>
#include <ldx/jit.h>
#include <string.h>

#include "base/print.h"
#include "loader/audit.h"
#include "loader/dl.h"
#include "loader/jit_core.h"
#include "loader/namespaces.h"
#include "loader/tell_library.h"
#include "loader/unload.h"

enum { DYNAMIC_ROOM = 32 }; /* entries */

/* --- the image ------------------------------------------------------------------------------------------- */

static Elf64_Phdr segment(uint32_t type, uint32_t flags, uint64_t at, uint64_t size, uint64_t align) {
  return (Elf64_Phdr){type, flags, at, at, at, size, size, align};
}

static void write_headers(struct ldx_jit_object *j) {
  const struct ldx_jit_region *r = j->regions;
  const uint64_t code = r[LDX_REGION_CODE].at - j->low, data = r[LDX_REGION_DATA].at - j->low,
                 frames = r[LDX_REGION_FRAME_HDR].at - j->low;
  const Elf64_Phdr ph[] = {
      segment(PT_PHDR, PF_R, sizeof(Elf64_Ehdr), 7 * sizeof(Elf64_Phdr), 8),
      segment(PT_LOAD, PF_R, 0, code, LDX_PAGE),
      segment(PT_LOAD, PF_R | PF_X, code, r[LDX_REGION_CODE].size, LDX_PAGE),
      segment(PT_LOAD, PF_R | PF_W, data, r[LDX_REGION_DATA].size, LDX_PAGE),
      segment(PT_DYNAMIC, PF_R, LDX_PAGE, DYNAMIC_ROOM * sizeof(Elf64_Dyn), 8),
      segment(PT_GNU_EH_FRAME, PF_R, frames, r[LDX_REGION_FRAME_HDR].size, 4),
      segment(PT_GNU_STACK, PF_R | PF_W, 0, 0, 16),
  };
  const Elf64_Ehdr eh = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                         .e_type = ET_DYN,
                         .e_machine = EM_X86_64,
                         .e_version = EV_CURRENT,
                         .e_phoff = sizeof eh,
                         .e_ehsize = sizeof eh,
                         .e_phentsize = sizeof ph[0],
                         .e_phnum = LDX_COUNT(ph)};
  char *to = ldx_jit_alias(j, j->low);
  memcpy(to, &eh, sizeof eh);
  memcpy(to + sizeof eh, ph, sizeof ph);
}

/* Addresses are those of the file here; memory gets its own when they have been read. */
static void write_dynamic(struct ldx_jit_object *j, uint32_t soname) {
  const struct ldx_jit_region *r = j->regions;
  const Elf64_Dyn entries[] = {
      {DT_SONAME, {soname}},
      {DT_HASH, {r[LDX_REGION_HASH].at - j->low}},
      {DT_STRTAB, {r[LDX_REGION_STRINGS].at - j->low}},
      {DT_SYMTAB, {r[LDX_REGION_SYMBOLS].at - j->low}},
      {DT_STRSZ, {r[LDX_REGION_STRINGS].used}},
      {DT_SYMENT, {sizeof(Elf64_Sym)}},
      {LDX_DT_DLBIND_TEXTBUMP, {0}},
      {LDX_DT_DLBIND_RODATABUMP, {0}},
      {LDX_DT_DLBIND_DATABUMP, {0}},
      {LDX_DT_DLBIND_DYNSTRBUMP, {r[LDX_REGION_STRINGS].used}},
      {LDX_DT_DLBIND_DYNSYMBUMP, {sizeof(Elf64_Sym)}},
  };
  memcpy(ldx_jit_alias(j, j->low + LDX_PAGE), entries, sizeof entries);
  memcpy(ldx_jit_dynamic_alias(j), entries, sizeof entries);
}

static void relocate_dynamic(struct ldx_jit_object *j) {
  for (Elf64_Dyn *d = ldx_jit_dynamic_alias(j); d->d_tag != DT_NULL; d++)
    if (d->d_tag == DT_HASH || d->d_tag == DT_STRTAB || d->d_tag == DT_SYMTAB)
      d->d_un.d_ptr += j->low;
  j->object->ld_adjusted = true;
}

/* Offset 0 is the empty name. */
static int write_image(struct ldx_jit_object *j, const struct ldx_jit_plan *p) {
  j->regions[LDX_REGION_HEAD].used = j->regions[LDX_REGION_HEAD].size;
  j->regions[LDX_REGION_STRINGS].used = 8;
  int r = ldx_jit_symbols_new(j, p->symbols);
  if (r)
    return r;
  uint32_t soname = ldx_jit_name_new(j, p->name);
  if (!soname)
    return -ENAMETOOLONG;
  write_headers(j);
  write_dynamic(j, soname);
  return ldx_jit_unwind_new(j);
}

/* --- the object ------------------------------------------------------------------------------------------ */

static struct ldx_object *new_object(struct ldx_jit_object *j) {
  struct stat st;
  struct ldx_object *o = ldx_new_object(LDX_LIBRARY, "");
  char *path = o ? ldx_new(LDX_JIT_PATH_SIZE) : NULL;
  if (!path || ldx_sys_failed(sys_fstat(j->fd, &st))) {
    ldx_delete(path);
    if (o)
      ldx_object_free(&ldx_self.heap, o);
    return NULL;
  }
  ldx_format(path, LDX_JIT_PATH_SIZE, "/proc/%d/fd/%d", (int)sys_getpid(), j->fd);
  ldx_delete(o->map.l_name);
  o->map.l_name = path;
  o->dev = st.st_dev;
  o->ino = st.st_ino;
  o->image.bias = j->low;
  o->made = j;
  j->object = o;
  return o;
}

/* All of the object that is not on any list. */
static void destroy(struct ldx_jit_object *j) {
  ldx_jit_unwind_free(j);
  ldx_jit_symbols_free(j);
  ldx_jit_blocks_free(j->blocks);
  ldx_jit_drop_lines(&j->lines, 0, UINTPTR_MAX);
  ldx_jit_drop_files(&j->files);
  ldx_jit_unmap(j);
  ldx_delete((char *)j->name);
  ldx_delete(j);
}

static int build(struct ldx_jit_object *j, const struct ldx_jit_plan *p, struct ldx_diag *d) {
  j->flags = p->flags;
  j->name = ldx_strdup(&ldx_self.heap, p->name);
  j->blocks = ldx_jit_blocks_new();
  int r = j->name && j->blocks ? ldx_jit_map(j, p) : -ENOMEM;
  if (!r)
    r = write_image(j, p);
  if (r)
    return r;
  struct ldx_object *o = new_object(j);
  const Elf64_Phdr *phdrs = (const Elf64_Phdr *)(j->low + sizeof(Elf64_Ehdr));
  if (o && ldx_adopt_image(o, phdrs, ((const Elf64_Ehdr *)j->low)->e_phnum, d) && ldx_read_object(o, d)) {
    relocate_dynamic(j);
    ldx_jit_symbols_begin(j);
    return 0;
  }
  if (o)
    ldx_object_free(&ldx_self.heap, o);
  return -ENOMEM;
}

/* As dlopen does with a file's object. */
static bool load(struct ldx_load *l, struct ldx_object *o, const char *name) {
  if (!ldx_enter_load(l, o, name, NULL)) {
    ldx_load_discard(l);
    return false;
  }
  l->root = o;
  ldx_debug_load(l->ns);
  bool ok = ldx_run_load(l, ldx_discover_root);
  ldx_debug_loaded(l->ns, l->behind, ok);
  if (ok && ldx_audited() && !l->audit_told)
    ldx_audit_consistent(l);
  return ok;
}

static int make(struct ldx_load *l, const struct ldx_jit_plan *p, struct ldx_jit_object **out) {
  struct ldx_jit_object *j = ldx_new(sizeof *j);
  int r = j ? build(j, p, l->diag) : -ENOMEM;
  if (r && j)
    destroy(j);
  if (r)
    return r;
  ldx_tell_load_begin(l, false);
  bool ok = load(l, j->object, p->name);
  ldx_tell_load_end(l, ok);
  if (!ok)
    return -ENOMEM;
  j->object->opens++;
  j->next = ldx_self.jits;
  ldx_self.jits = j;
  ldx_jit_perf_new(j);
  ldx_jit_show_new(j);
  *out = j;
  return 0;
}

static int make_locked(const struct ldx_jit_plan *p, const void *caller, struct ldx_jit_object **out) {
  struct ldx_diag d = {.heap = &ldx_self.heap};
  const struct ldx_object *from = ldx_caller(caller);
  struct ldx_load l = {.ns = from && from->ns ? from->ns : &ldx_self.base, .diag = &d, .mode = RTLD_NOW};
  int r = ldx_self.told_load && !ldx_may_change(l.ns, &d) ? -EBUSY : 0;
  if (!r && ldx_find_loaded(&l, p->name))
    r = -EEXIST;
  if (!r)
    r = make(&l, p, out);
  ldx_diag_clear(&d);
  ldx_reclaim();
  return r;
}

int ldx_jit_create(const struct ldx_jit_plan *p, const void *caller, struct ldx_jit_object **out) {
  ldx_watch_forks();
  if (ldx_self.musl.active)
    ldx_watch_memory();
  ldx_rlock_enter(&ldx_self.lock);
  int r = make_locked(p, caller, out);
  ldx_rlock_leave(&ldx_self.lock);
  if (r)
    return r;
  struct ldx_diag d = {.heap = &ldx_self.heap};
  ldx_run_constructors((*out)->object, true);
  if ((p->flags & LDX_JIT_GLOBAL) && !ldx_make_global((*out)->object, &d)) {
    ldx_jit_delete((ldx_jit *)(*out)->object);
    r = -ENOMEM;
  }
  ldx_diag_clear(&d);
  return r;
}

struct ldx_jit_object *ldx_jit_of(const void *handle) {
  const struct ldx_object *o = handle;
  return ldx_is_open(o) ? o->made : NULL;
}

void ldx_jit_gone(struct ldx_object *o) { ldx_jit_show_gone(o->made); }

void ldx_jit_end(struct ldx_object *o) {
  struct ldx_jit_object *j = o->made, **link = &ldx_self.jits;
  while (*link && *link != j)
    link = &(*link)->next;
  if (*link)
    *link = j->next;
  o->made = NULL;
  destroy(j);
}
