/* libdlbind's functions, made of those of jit.h. Where that interface tells nothing of an error, dlerror does. */
#include "loader/dlbind.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/print.h"
#include "ldx/dlbind.h"
#include "ldx/jit.h"
#include "loader/dl.h"
#include "loader/error.h"
#include "loader/jit_core.h"

/* Read-only data and code stand side by side, so that one more view of both begins where they end, and a second one
 * behind it: at the two constant distances. */
enum {
  MIB = 1024 * 1024,
  RODATA = 8 * MIB,
  CODE = LDX_DLBIND_ALIAS - RODATA,
  DATA = 16 * MIB,
  GAP = LDX_DLBIND_FAR_ALIAS,
  SYMBOLS = 262144,
  ALIGN = 16,
};

static void *fail(const char *object, int error, const char *text) {
  struct ldx_diag d = {.heap = &ldx_self.heap};
  ldx_fail(&d, LDX_DIAG_LOAD, error, object, "%s", text);
  ldx_set_error(&d);
  return NULL;
}

/* The object of a handle, if it was made at run time. It cannot go while its user calls. */
static struct ldx_jit_object *object_of(const void *lib) {
  ldx_clear_error();
  ldx_rlock_enter(&ldx_self.lock);
  struct ldx_jit_object *j = lib ? ldx_jit_of(lib) : NULL;
  ldx_rlock_leave(&ldx_self.lock);
  if (!j)
    fail("", 0, "the handle was not made by dlcreate");
  return j;
}

static uint64_t end_of(const struct ldx_jit_object *j, enum ldx_jit_region_kind kind) {
  return j->regions[kind].at - j->low + j->regions[kind].used;
}

static uint64_t next_of(const struct ldx_jit_object *j, int64_t tag) {
  switch (tag) {
  case LDX_DT_DLBIND_TEXTBUMP:
    return end_of(j, LDX_REGION_CODE);
  case LDX_DT_DLBIND_RODATABUMP:
    return end_of(j, LDX_REGION_RODATA);
  case LDX_DT_DLBIND_DATABUMP:
    return end_of(j, LDX_REGION_DATA);
  case LDX_DT_DLBIND_DYNSTRBUMP:
    return j->regions[LDX_REGION_STRINGS].used;
  default:
    return j->symbols->used;
  }
}

static void write_tags(const struct ldx_jit_object *j, Elf64_Dyn *d) {
  for (; d->d_tag != DT_NULL; d++)
    if (d->d_tag >= LDX_DT_DLBIND_TEXTBUMP && d->d_tag <= LDX_DT_DLBIND_DYNSYMBUMP)
      __atomic_store_n(&d->d_un.d_val, next_of(j, d->d_tag), __ATOMIC_RELAXED);
}

/* In the file and in memory: two dynamic sections, since a loaded object's has addresses. */
void ldx_dlbind_tags(struct ldx_jit_object *j) {
  write_tags(j, ldx_jit_alias(j, j->low + LDX_PAGE));
  write_tags(j, ldx_jit_dynamic_alias(j));
}

static void update_tags(struct ldx_jit_object *j) {
  ldx_rlock_enter(&ldx_self.lock);
  ldx_dlbind_tags(j);
  ldx_rlock_leave(&ldx_self.lock);
}

/* libdlbind does not heed names: what is taken already gets a number. */
static int create(const char *name, const void *caller, struct ldx_jit_object **out) {
  char text[256];
  struct ldx_jit_plan plan = {.name = name && *name ? name : "libdlbind-object",
                              .flags = LDX_JIT_GLOBAL,
                              .symbols = SYMBOLS,
                              .code = CODE,
                              .data = DATA,
                              .rodata = RODATA,
                              .gap = GAP};
  const char *wanted = plan.name;
  int r = ldx_jit_create(&plan, caller, out);
  for (unsigned n = 2; r == -EEXIST && n; n++) {
    ldx_format(text, sizeof text, "%.200s.%u", wanted, n);
    plan.name = text;
    r = ldx_jit_create(&plan, caller, out);
  }
  return r;
}

static int add_aliases(struct ldx_jit_object *j) {
  const struct ldx_jit_region *first = &j->regions[LDX_REGION_RODATA], *last = &j->regions[LDX_REGION_CODE];
  ldx_rlock_enter(&ldx_self.lock);
  int r = ldx_jit_add_view(j, first->at, last->at + last->size, first->at + LDX_DLBIND_ALIAS);
  if (!r)
    r = ldx_jit_add_view(j, first->at, last->at + last->size, first->at + LDX_DLBIND_FAR_ALIAS);
  ldx_rlock_leave(&ldx_self.lock);
  return r;
}

static void *make(const char *name, const void *caller, struct ldx_jit_object **out) {
  ldx_clear_error();
  int r = create(name, caller, out);
  if (!r && (r = add_aliases(*out)))
    ldx_jit_delete((ldx_jit *)(*out)->object);
  if (r)
    return fail(name ? name : "", -r, "cannot make an object");
  return (*out)->object;
}

/* The view that all is written by is the program's. It was not asked for it under a lock. */
static bool take_view(struct ldx_jit_object *j, ldx_dlbind_mmap *map) {
  size_t size = (uintptr_t)ldx_jit_dynamic_alias(j) + LDX_PAGE - j->alias;
  void *at = map(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, j->fd, 0);
  if (at == MAP_FAILED || !at)
    return false;
  ldx_rlock_enter(&ldx_self.lock);
  sys_munmap((void *)j->alias, size);
  j->alias = (uintptr_t)at;
  ldx_rlock_leave(&ldx_self.lock);
  return true;
}

void ldx_dlbind_init(void) {}

void *ldx_dlcreate(const char *name) {
  struct ldx_jit_object *j;
  return make(name, __builtin_return_address(0), &j);
}

void *ldx_dlcreate_with_mmap(const char *name, ldx_dlbind_mmap *map) {
  struct ldx_jit_object *j;
  void *lib = make(name, __builtin_return_address(0), &j);
  if (!lib || !map || take_view(j, map))
    return lib;
  ldx_jit_delete(lib);
  return fail(name ? name : "", 0, "cannot make an object: the program's mmap fails");
}

void *ldx_dlalloc(void *lib, size_t size, unsigned flags) {
  struct ldx_jit_object *j = object_of(lib);
  enum ldx_jit_kind kind = flags & SHF_EXECINSTR ? LDX_JIT_CODE : flags & SHF_WRITE ? LDX_JIT_DATA : LDX_JIT_RODATA;
  if (!j)
    return NULL;
  if ((flags & SHF_WRITE) && (flags & SHF_EXECINSTR))
    return fail(j->name, 0, "no memory is both SHF_WRITE and SHF_EXECINSTR");
  void *at = ldx_jit_alloc(lib, size ? size : 1, ALIGN, kind);
  if (!at)
    return fail(j->name, 0, "no room is left");
  update_tags(j);
  return at;
}

void *ldx_dlbind_symbol(void *lib, const char *symbol, void *at, size_t size, Elf64_Word type) {
  struct ldx_jit_object *j = object_of(lib);
  const struct ldx_jit_symbol s = {
      .size = sizeof s, .name = symbol ? symbol : "", .addr = at, .bytes = size, .type = type};
  if (!j)
    return NULL;
  int r = ldx_jit_bind(lib, &s);
  if (!r && (r = ldx_jit_publish(lib)))
    ldx_jit_discard(lib);
  if (r)
    return fail(j->name, -r, r == -EINVAL ? "cannot bind: no name, or no such type" : "cannot bind");
  return lib;
}

int ldx_dldelete(void *lib) {
  const struct ldx_jit_object *j = object_of(lib);
  int r = j ? ldx_jit_delete(lib) : -1;
  if (j && r)
    fail("", -r, "cannot delete");
  return r ? -1 : 0;
}

void *ldx_dldsym(void *lib, const char *symbol, void *ns, unsigned long convention, const char *version) {
  (void)ns, (void)convention;
  return ldx_dlsym_for(lib, symbol, version, __builtin_return_address(0));
}

const struct ldx_dlbind_functions ldx_dlbind = {
    .init = ldx_dlbind_init,
    .create = ldx_dlcreate,
    .create_with_mmap = ldx_dlcreate_with_mmap,
    .alloc = ldx_dlalloc,
    .bind = ldx_dlbind_symbol,
    .delete = ldx_dldelete,
    .find = ldx_dldsym,
};
