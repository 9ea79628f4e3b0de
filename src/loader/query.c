/* Questions about what is loaded: dladdr, dl_iterate_phdr, _dl_find_object, dlinfo. Lock-free and
 * async-signal-safe, but for dlinfo's search path. */
#include <dlfcn.h>
#include <link.h>
#include <string.h>

#include "loader/dl.h"
#include "loader/error.h"
#include "loader/jit_unwind.h"
#include "loader/namespaces.h"
#include "loader/threads.h"

struct dl_info { /* Dl_info */
  const char *fname;
  void *fbase;
  const char *sname;
  void *saddr;
};

/* The symbol that covers the address, by the rules of dladdr(3): the nearest one below; without a size only exactly.
 */
static bool covers(const struct ldx_object *o, const Elf64_Sym *s, uintptr_t addr, const Elf64_Sym *best) {
  uintptr_t at = o->map.l_addr + s->st_value;
  unsigned type = ELF64_ST_TYPE(s->st_info);
  if (addr < at || type == STT_TLS || s->st_shndx == SHN_ABS || (s->st_shndx == SHN_UNDEF && s->st_value == 0))
    return false;
  bool hit = s->st_shndx == SHN_UNDEF || s->st_size == 0 ? addr == at : addr - at < s->st_size;
  return hit && (!best || best->st_value < s->st_value);
}

static const Elf64_Sym *nearest_symbol(const struct ldx_object *o, const struct elf_symtab *t, uintptr_t addr) {
  const Elf64_Sym *best = NULL;
  if (o->made)
    return ldx_jit_address_find(o->made, addr);
  uint32_t count = elf_symbol_count(t);
  for (uint32_t i = t->bloom ? t->symbias : 1; i < count; i++) {
    const Elf64_Sym *s = &t->sym[i];
    unsigned bind = ELF64_ST_BIND(s->st_info);
    if (bind != STB_LOCAL && s->st_name < t->strsz && covers(o, s, addr, best))
      best = s;
  }
  return best;
}

int ldx_dladdr1(const void *addr, void *info, void **extra, int flags) {
  struct dl_info *out = info;
  struct ldx_reader reader = ldx_reader_enter();
  struct ldx_object *o = ldx_object_at((uintptr_t)addr);
  if (o && !o->contiguous && !ldx_object_holds(o, (uintptr_t)addr))
    o = NULL;
  if (o) {
    const struct elf_symtab *t = ldx_definitions(o);
    const Elf64_Sym *s = nearest_symbol(o, t, (uintptr_t)addr);
    out->fname = *o->map.l_name || o->kind != LDX_PROGRAM ? o->map.l_name : ldx_self.args.argv[0];
    out->fbase = (void *)o->map_start;
    out->sname = s ? elf_symbol_name(t, s) : NULL;
    out->saddr = s ? (void *)ldx_symbol_address(o, s) : NULL;
    if (extra && flags == 1 /* RTLD_DL_SYMENT */)
      *extra = (void *)s;
    if (extra && flags == 2 /* RTLD_DL_LINKMAP */)
      *extra = o;
  }
  ldx_reader_leave(reader);
  return o != NULL;
}

int ldx_dladdr(const void *addr, void *info) { return ldx_dladdr1(addr, info, NULL, 0); }

static int iterate(ldx_phdr_callback *callback, void *data, const struct ldx_namespace *ns) {
  int r = 0;
  for (struct ldx_object *o = __atomic_load_n(&ns->first, __ATOMIC_ACQUIRE); o && !r;
       o = __atomic_load_n(&o->map.l_next, __ATOMIC_ACQUIRE)) {
    const struct ldx_object *soon = o->map.l_next;
    ldx_prefetch(&soon->map);
    ldx_prefetch(&soon->image.phnum);
    if (o->removed)
      continue;
    struct dl_phdr_info info = {.dlpi_addr = o->map.l_addr,
                                .dlpi_name = o->map.l_name,
                                .dlpi_phdr = (const void *)o->phdrs,
                                .dlpi_phnum = (Elf64_Half)o->image.phnum,
                                .dlpi_adds = ldx_self.adds,
                                .dlpi_subs = ldx_self.subs,
                                .dlpi_tls_modid = o->tls.modid,
                                .dlpi_tls_data = o->tls.modid ? ldx_guest_tls_soft(o) : NULL};
    r = callback(&info, sizeof info, data);
  }
  return r;
}

/* Callbacks have relied for decades on not being called by two threads at once (libgcc's before version 12 keeps a
 * cache). But one that waits for another's work, or is a signal handler's, must not stop others: the lock is the
 * callback's own. An iteration inside an iteration takes none: two threads could wait for each other. */
static struct ldx_rlock *lock_of(ldx_phdr_callback *callback, const struct ldx_iteration *outer) {
  uint64_t h = (uintptr_t)callback * 0x9e3779b97f4a7c15;
  bool threads = __atomic_load_n(&ldx_self.lock.process, __ATOMIC_RELAXED);
  return threads && !outer ? &ldx_self.callbacks[h >> 58] : NULL;
}

static void leave(struct ldx_thread *th, const struct ldx_iteration *i) {
  if (th)
    th->iteration = i->outer;
  if (i->lock)
    ldx_rlock_leave(i->lock);
  ldx_reader_leave(i->reader);
}

/* A callback may leave by an exception or by its thread's end. Unwinders ask a frame's personality routine (Itanium
 * C++ ABI 1.6); this one only ends the iteration: of its thread's, which are nested, the newest. */
int ldx_iteration_unwound(int version, int actions) __attribute__((used));
int ldx_iteration_unwound(int version, int actions) {
  enum { CLEANUP_PHASE = 2, CONTINUE_UNWIND = 8 };
  struct ldx_thread *th = ldx_thread_self();
  (void)version;
  if ((actions & CLEANUP_PHASE) && th && th->iteration)
    leave(th, th->iteration);
  return CONTINUE_UNWIND;
}

static __attribute__((noinline)) int iterate_as_reader(ldx_phdr_callback *callback, void *data,
                                                       const struct ldx_namespace *ns, long id) {
  __asm__ volatile(".cfi_personality 0x1b, ldx_iteration_unwound" ::); /* PC-relative, 4 bytes */
  struct ldx_thread *th = ldx_thread_self();
  struct ldx_iteration i = {.outer = th ? th->iteration : NULL};
  i.lock = lock_of(callback, i.outer);
  if (i.lock)
    ldx_rlock_enter(i.lock);
  i.reader = ldx_reader_enter();
  if (th)
    th->iteration = &i;
  ns = ns ? ns : ldx_namespace_of_id(id); /* it stays while this thread reads */
  int r = ns ? iterate(callback, data, ns) : -1;
  leave(th, &i);
  return r;
}

/* The code that runs keeps its object and so its namespace. */
int ldx_dl_iterate_phdr(ldx_phdr_callback *callback, void *data) {
  struct ldx_reader reader = ldx_reader_enter();
  const struct ldx_object *from = ldx_object_at((uintptr_t)__builtin_return_address(0));
  const struct ldx_namespace *ns = from && from->ns ? from->ns : &ldx_self.base;
  ldx_reader_leave(reader);
  return iterate_as_reader(callback, data, ns, ns->id);
}

int ldx_dl_iterate_ns_phdr(long id, ldx_phdr_callback *callback, void *data) {
  return iterate_as_reader(callback, data, NULL, id);
}

struct find_result { /* struct dl_find_object, x86-64 */
  unsigned long long flags;
  void *map_start, *map_end;
  struct ldx_object *map;
  void *eh_frame;
  unsigned long long reserved[7];
};

int ldx_find_object(void *pc, void *result) {
  struct find_result *out = result;
  struct ldx_reader reader = ldx_reader_enter();
  const struct ldx_index_entry *e = ldx_index_at((uintptr_t)pc);
  if (e) {
    out->flags = 0;
    out->map_start = (void *)e->start;
    out->map_end = (void *)e->end;
    out->map = e->object;
    out->eh_frame = (void *)e->eh_frame;
    if (!e->eh_frame && e->object->made)
      out->eh_frame = (void *)ldx_jit_unwind_table(e->object->made, (uintptr_t)pc);
  }
  ldx_reader_leave(reader);
  return e ? 0 : -1;
}

struct ldx_object *ldx_find_dso(uintptr_t addr) {
  struct ldx_reader reader = ldx_reader_enter();
  struct ldx_object *o = ldx_object_at(addr);
  ldx_reader_leave(reader);
  return o && (o->contiguous || ldx_object_holds(o, addr)) ? o : NULL;
}

/* Dl_serinfo: size, count, then { name, flags } pairs, then the names. */
struct serinfo {
  size_t size;
  unsigned count;
  struct {
    char *name;
    unsigned flags;
  } path[];
};
struct serinfo_walk {
  struct serinfo *out;
  bool counting;
  unsigned index;
  size_t names;
  char *next;
};

static void serinfo_each(void *arg, const char *dir, unsigned flag) {
  struct serinfo_walk *w = arg;
  (void)flag;
  size_t n = strlen(dir) + 1;
  if (!w->counting && w->index < w->out->count) {
    w->out->path[w->index].name = memcpy(w->next, dir, n);
    w->out->path[w->index].flags = 0; /* as the system loader answers; the kind of folder is not told */
    w->next += n;
  }
  w->index++;
  w->names += n;
}

int ldx_guest_serinfo(struct ldx_object *o, void *info, bool counting) {
  struct serinfo *s = info;
  struct serinfo_walk w = {.out = s, .counting = counting};
  if (!counting)
    w.next = (char *)&s->path[s->count];
  ldx_search_path(&ldx_self.search, o, ldx_self.base.program, serinfo_each, &w);
  if (counting) {
    s->count = w.index;
    s->size = sizeof *s + w.index * sizeof s->path[0] + w.names;
  }
  return 0;
}

/* RTLD_DI_* of dlinfo(3) */
enum {
  LMID = 1,
  LINKMAP,
  CONFIGADDR,
  SERINFO,
  SERINFOSIZE,
  ORIGIN,
  PROFILENAME,
  PROFILEOUT,
  TLS_MODID,
  TLS_DATA,
  PHDR
};

static bool info_of(struct ldx_object *o, int request, void *arg, struct ldx_diag *d, int *result) {
  switch (request) {
  case LMID:
    *(long *)arg = o->ns->id;
    return true;
  case LINKMAP:
    *(void **)arg = o;
    return true;
  case SERINFO:
  case SERINFOSIZE:
    return ldx_guest_serinfo(o, arg, request == SERINFOSIZE) == 0;
  case ORIGIN:
    strcpy(arg, ldx_object_origin(&ldx_self.search, o));
    return true;
  case TLS_MODID:
    *(size_t *)arg = o->tls.modid;
    return true;
  case TLS_DATA:
    *(void **)arg = ldx_guest_tls_soft(o);
    return true;
  case PHDR:
    *(const void **)arg = o->phdrs;
    *result = (int)o->image.phnum;
    return true;
  default:
    return ldx_fail(d, LDX_DIAG_LOAD, 0, "", "unsupported dlinfo request");
  }
}

int ldx_dlinfo(void *handle, int request, void *arg) {
  ldx_clear_error();
  struct ldx_diag d = {.heap = &ldx_self.heap};
  int result = 0;
  bool searches = request == SERINFO || request == SERINFOSIZE || request == ORIGIN;
  if (searches)
    ldx_rlock_enter(&ldx_self.lock);
  bool ok = info_of(handle, request, arg, &d, &result);
  if (searches)
    ldx_rlock_leave(&ldx_self.lock);
  if (ok)
    return result;
  ldx_set_error(&d);
  return -1;
}
