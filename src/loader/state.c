/* Queries of the state (include/ldx/state.h). Objects are those of the index: an array that is replaced as a whole,
 * so that a walk shows what was loaded at one moment, in a signal handler too. Of threads there is a list; it is
 * copied under its lock, which nobody holds who waits for another. No lock is held while callbacks run. */
#include "loader/state.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/sys.h"
#include "elf/notes.h"
#include "loader/tell_thread.h"

/* --- objects --------------------------------------------------------------------------------------------- */

/* The first name it was asked for by. */
static const char *first_name(const struct ldx_object *o) {
  const struct ldx_name *n = o->names;
  while (n && n->next)
    n = n->next;
  return n ? n->text : o->map.l_name;
}

/* What has no constructors, or runs them itself, is ready when it is there; the program, when its libc is to. */
static bool is_ready(const struct ldx_object *o) {
  return o->ready || (o->kind == LDX_PROGRAM && o->init_called) || o->kind == LDX_LOADER || o->kind == LDX_VDSO ||
         o == ldx_self.musl.libc;
}

static uint32_t flags_of(const struct ldx_object *o) {
  const struct {
    bool is;
    uint32_t flag;
  } facts[] = {
      {o->kind == LDX_PROGRAM, LDX_OBJECT_PROGRAM},
      {o->kind == LDX_LOADER, LDX_OBJECT_LOADER},
      {o->kind == LDX_VDSO, LDX_OBJECT_VDSO},
      {o->real, LDX_OBJECT_PROXY},
      {o->global, LDX_OBJECT_GLOBAL},
      {o->nodelete, LDX_OBJECT_NODELETE},
      {is_ready(o->real ? o->real : o), LDX_OBJECT_READY},
      {o->of_tool || (o->ns && o->ns->of_tool), LDX_OBJECT_TOOL},
      {o->from_memory, LDX_OBJECT_FROM_MEMORY},
      {(o->real ? o->real : o)->made, LDX_OBJECT_RUNTIME},
  };
  uint32_t flags = 0;
  for (size_t i = 0; i < LDX_COUNT(facts); i++)
    flags |= facts[i].is ? facts[i].flag : 0;
  return flags;
}

static struct ldx_object_info describe(const struct ldx_object *o) {
  struct ldx_span id = {0};
  if (!o->faked)
    id = elf_build_id(&o->image, o->phdrs, o->image.phnum);
  return (struct ldx_object_info){.size = sizeof(struct ldx_object_info),
                                  .flags = flags_of(o),
                                  .id = o->id,
                                  .real = o->real ? o->real->id : 0,
                                  .requested_by = o->loader ? o->loader->id : 0,
                                  .ns = o->ns ? o->ns->id : 0,
                                  .name = first_name(o),
                                  .path = o->map.l_name,
                                  .soname = o->soname,
                                  .reason = o->reason,
                                  .base = o->map.l_addr,
                                  .low = o->map_start,
                                  .high = o->map_end,
                                  .phdr = (const void *)o->phdrs,
                                  .phnum = o->image.phnum,
                                  .opens = o->opens,
                                  .dynamic = (const void *)o->map.l_ld,
                                  .link_map = (void *)o,
                                  .tls_module = o->tls.modid,
                                  .build_id = id.size ? id.base : NULL,
                                  .build_id_size = id.size};
}

static uint32_t count_proxies(void) {
  uint32_t n = 0;
  for (struct ldx_namespace *ns = &ldx_self.base; ns; ns = __atomic_load_n(&ns->next, __ATOMIC_ACQUIRE))
    for (struct ldx_object *o = __atomic_load_n(&ns->first, __ATOMIC_ACQUIRE); o && o->real;
         o = __atomic_load_n(&o->map.l_next, __ATOMIC_ACQUIRE))
      n++;
  return n;
}

static uint32_t add_proxies(struct ldx_object **out, uint32_t room) {
  uint32_t n = 0;
  for (struct ldx_namespace *ns = &ldx_self.base; ns; ns = __atomic_load_n(&ns->next, __ATOMIC_ACQUIRE))
    for (struct ldx_object *o = __atomic_load_n(&ns->first, __ATOMIC_ACQUIRE); o && o->real && n < room;
         o = __atomic_load_n(&o->map.l_next, __ATOMIC_ACQUIRE))
      if (!o->removed && !o->pending)
        out[n++] = o;
  return n;
}

/* Numbers are given in the order of loading. Shell's sort: no recursion, few objects. */
static void sort_by_id(struct ldx_object **at, uint32_t count) {
  uint32_t gap = 1;
  while (gap < count / 3)
    gap = 3 * gap + 1;
  for (; gap; gap /= 3)
    for (uint32_t i = gap; i < count; i++) {
      struct ldx_object *o = at[i];
      uint32_t k = i;
      for (; k >= gap && at[k - gap]->id > o->id; k -= gap)
        at[k] = at[k - gap];
      at[k] = o;
    }
}

/* For the time of a reader; NULL: out of memory. To be deleted. */
static struct ldx_object **all_objects(uint32_t *count) {
  const struct ldx_index *x = __atomic_load_n(&ldx_self.index, __ATOMIC_ACQUIRE);
  uint32_t real = x ? x->count : 0, proxies = count_proxies();
  struct ldx_object **at = ldx_new((real + proxies + 1) * sizeof *at);
  *count = 0;
  if (!at)
    return NULL;
  for (uint32_t i = 0; i < real; i++)
    at[i] = x->at[i].object;
  *count = real + add_proxies(at + real, proxies);
  sort_by_id(at, *count);
  return at;
}

int ldx_each_object(int64_t ns, int (*each)(void *ctx, const struct ldx_object_info *), void *ctx) {
  struct ldx_reader reader = ldx_reader_enter();
  uint32_t count;
  struct ldx_object **at = all_objects(&count);
  int r = at ? 0 : -ENOMEM;
  for (uint32_t i = 0; i < count && !r; i++)
    if (ns == -1 || (at[i]->ns && at[i]->ns->id == ns)) {
      const struct ldx_object_info info = describe(at[i]);
      r = each(ctx, &info);
    }
  ldx_reader_leave(reader);
  ldx_delete(at);
  return r;
}

int ldx_each_namespace(int (*each)(void *ctx, const struct ldx_namespace_info *), void *ctx) {
  struct ldx_reader reader = ldx_reader_enter();
  uint32_t count;
  struct ldx_object **at = all_objects(&count);
  int r = at ? 0 : -ENOMEM;
  for (const struct ldx_namespace *ns = &ldx_self.base; ns && !r; ns = __atomic_load_n(&ns->next, __ATOMIC_ACQUIRE)) {
    struct ldx_namespace_info info = {
        .size = sizeof info, .ns = ns->id, .isolated = ns->isolated, .of_tool = ns->of_tool};
    for (uint32_t i = 0; i < count; i++)
      info.objects += at[i]->ns == ns;
    if (info.objects || ns == &ldx_self.base)
      r = each(ctx, &info);
  }
  ldx_reader_leave(reader);
  ldx_delete(at);
  return r;
}

/* As much as the caller knows of the struct. */
static int answer(const struct ldx_object *o, struct ldx_object_info *out) {
  uint32_t size = out->size < sizeof *out ? out->size : sizeof *out;
  if (size < sizeof out->size)
    return -EINVAL;
  const struct ldx_object_info info = describe(o);
  memcpy(out, &info, size);
  out->size = size;
  ldx_keep_probed(o);
  return 0;
}

int ldx_find_address(const void *addr, struct ldx_object_info *out) {
  struct ldx_reader reader = ldx_reader_enter();
  const struct ldx_object *o = ldx_object_at((uintptr_t)addr);
  bool found = o && (o->contiguous || ldx_object_holds(o, (uintptr_t)addr));
  int r = found ? answer(o, out) : -ENOENT;
  ldx_reader_leave(reader);
  return r;
}

static const struct ldx_object *with_id(ldx_id id) {
  const struct ldx_index *x = __atomic_load_n(&ldx_self.index, __ATOMIC_ACQUIRE);
  for (uint32_t i = 0; x && i < x->count; i++)
    if (x->at[i].object->id == id)
      return x->at[i].object;
  for (struct ldx_namespace *ns = &ldx_self.base; ns; ns = __atomic_load_n(&ns->next, __ATOMIC_ACQUIRE))
    for (struct ldx_object *o = __atomic_load_n(&ns->first, __ATOMIC_ACQUIRE); o && o->real;
         o = __atomic_load_n(&o->map.l_next, __ATOMIC_ACQUIRE))
      if (o->id == id && !o->removed && !o->pending)
        return o;
  return NULL;
}

int ldx_find_object_by_id(ldx_id id, struct ldx_object_info *out) {
  struct ldx_reader reader = ldx_reader_enter();
  const struct ldx_object *o = with_id(id);
  int r = o ? answer(o, out) : -ENOENT;
  ldx_reader_leave(reader);
  return r;
}

/* --- threads --------------------------------------------------------------------------------------------- */

struct threads {
  struct ldx_thread_info *at;
  size_t count, room;
};

static bool add_thread(struct threads *t, const struct ldx_thread_info *info) {
  if (t->count == t->room && !ldx_heap_grow(&ldx_self.heap, (void **)&t->at, &t->room, sizeof *t->at, 32))
    return false;
  t->at[t->count++] = *info;
  return true;
}

static bool add_known(struct threads *t) {
  bool ok = true;
  ldx_rlock_enter(&ldx_self.tls.lock);
  for (struct ldx_thread *th = ldx_self.tls.threads; th && ok; th = th->next) {
    struct ldx_thread_info info = {.size = sizeof info, .tcb = th->tcb};
    if (!ldx_describe_thread(th, &info.tid, &info.stack_low, &info.stack_high))
      continue;
    info.id = ldx_thread_number(th);
    ok = add_thread(t, &info);
  }
  ldx_rlock_leave(&ldx_self.tls.lock);
  return ok;
}

static bool is_known(const struct threads *t, uint32_t tid) {
  for (size_t i = 0; i < t->count; i++)
    if (t->at[i].tid == tid)
      return true;
  return false;
}

static uint32_t read_tid(const char *p) {
  uint32_t v = 0;
  for (; *p >= '0' && *p <= '9'; p++)
    v = v * 10 + (uint32_t)(*p - '0');
  return v;
}

struct entry { /* struct linux_dirent64 */
  uint64_t ino;
  int64_t off;
  uint16_t size;
  uint8_t type;
  char name[];
};

/* Threads that no libc has made: the kernel alone knows them. */
static bool add_unknown(struct threads *t) {
  _Alignas(8) char text[2048];
  bool ok = true;
  long n, fd = sys_open("/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (ldx_sys_failed(fd))
    return true;
  while (ok && (n = LDX_SYS(SYS_getdents64, fd, text, sizeof text, 0, 0, 0)) > 0)
    for (long at = 0; ok && at < n; at += ((struct entry *)(text + at))->size) {
      uint32_t tid = read_tid(((struct entry *)(text + at))->name);
      if (tid && !is_known(t, tid))
        ok = add_thread(t, &(struct ldx_thread_info){.size = sizeof(struct ldx_thread_info), .tid = tid});
    }
  sys_close((int)fd);
  return ok;
}

int ldx_each_thread(int (*each)(void *ctx, const struct ldx_thread_info *), void *ctx) {
  struct threads t = {0};
  int r = add_known(&t) && add_unknown(&t) ? 0 : -ENOMEM;
  for (size_t i = 0; i < t.count && !r; i++)
    r = each(ctx, &t.at[i]);
  ldx_delete(t.at);
  return r;
}

/* --- thread-local storage -------------------------------------------------------------------------------- */

struct blocks {
  struct ldx_tls_info *at;
  size_t count, room;
};

/* Where a thread's block of a module is; NULL: it has none yet. Its DTV may be older than the module. */
static void *block_of(const struct ldx_thread *th, uint64_t module, const struct ldx_object *o, size_t generation) {
  if (o->tls.offset > 0)
    return (char *)th->tcb - o->tls.offset;
  const union ldx_dtv *dtv = __atomic_load_n(&th->dtv, __ATOMIC_ACQUIRE);
  if (!dtv || module > dtv[-1].counter || generation > dtv[0].counter ||
      dtv[module].pointer.val == LDX_TLS_UNALLOCATED)
    return NULL;
  return dtv[module].pointer.val;
}

static bool add_blocks(struct blocks *b, struct ldx_thread *th) {
  const struct ldx_tls *t = &ldx_self.tls;
  for (size_t i = 1; t->slots && i <= t->max_module; i++) {
    const struct ldx_object *o = t->slots->at[i].object;
    if (!o || o->pending)
      continue;
    if (b->count == b->room && !ldx_heap_grow(&ldx_self.heap, (void **)&b->at, &b->room, sizeof *b->at, 64))
      return false;
    b->at[b->count++] = (struct ldx_tls_info){.size = sizeof(struct ldx_tls_info),
                                              .is_static = o->tls.offset > 0,
                                              .object = o->id,
                                              .thread = ldx_thread_number(th),
                                              .module = i,
                                              .bytes = o->tls.memsz,
                                              .align = o->tls.align,
                                              .block = block_of(th, i, o, t->slots->at[i].generation)};
  }
  return true;
}

int ldx_each_tls(int (*each)(void *ctx, const struct ldx_tls_info *), void *ctx) {
  struct blocks b = {0};
  uint32_t tid;
  uintptr_t low, high;
  bool ok = true;
  ldx_rlock_enter(&ldx_self.tls.lock);
  for (struct ldx_thread *th = ldx_self.tls.threads; th && ok; th = th->next)
    ok = !ldx_describe_thread(th, &tid, &low, &high) || add_blocks(&b, th);
  ldx_rlock_leave(&ldx_self.tls.lock);
  int r = ok ? 0 : -ENOMEM;
  for (size_t i = 0; i < b.count && !r; i++)
    r = each(ctx, &b.at[i]);
  ldx_delete(b.at);
  return r;
}

/* --- tools ----------------------------------------------------------------------------------------------- */

static uint64_t types_of(const struct ldx_tool *tool) {
  const struct ldx_subscribers *s = __atomic_load_n(&ldx_self.hooks.subscribers, __ATOMIC_ACQUIRE);
  uint64_t types = 0;
  for (uint32_t i = 0; s && i < s->count; i++)
    if (s->at[i]->tool == tool && !s->at[i]->gone)
      types |= s->at[i]->types;
  return types;
}

int ldx_each_tool(int (*each)(void *ctx, const struct ldx_tool_info *), void *ctx) {
  const struct ldx_tool_order *order = __atomic_load_n(&ldx_self.hooks.order, __ATOMIC_ACQUIRE);
  int r = 0;
  for (uint32_t i = 0; order && i < order->count && !r; i++) {
    const struct ldx_tool *t = order->at[i];
    const struct ldx_tool_info info = {.size = sizeof info,
                                       .state = t->state,
                                       .name = t->name,
                                       .version = t->desc.version,
                                       .path = t->path,
                                       .why_here = t->why_here,
                                       .ns = t->object && t->object->ns ? t->object->ns->id : 0,
                                       .events = types_of(t),
                                       .calls = t->calls,
                                       .nanoseconds = t->nanoseconds};
    r = each(ctx, &info);
  }
  return r;
}
