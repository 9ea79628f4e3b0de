#include "tls/tls.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/sys.h"

enum { DTV_SPARE = 14, SLOT_SPARE = 62, FEW_THREADS = 16 };

static bool grow_slots(struct ldx_tls *t) {
  size_t len = t->slots ? t->slots->len * 2 : SLOT_SPARE;
  struct ldx_tls_slots *s = ldx_heap_alloc(t->heap, sizeof *s + len * sizeof s->at[0]);
  if (!s)
    return false;
  if (t->slots)
    memcpy(s->at, t->slots->at, t->slots->len * sizeof s->at[0]);
  s->len = len;
  /* the old table is left to readers that may still walk it: it doubles, so all old ones are smaller */
  __atomic_store_n(&t->slots, s, __ATOMIC_RELEASE);
  return true;
}

static size_t free_slot(const struct ldx_tls *t) {
  for (size_t i = 1; i <= t->max_module; i++)
    if (!t->slots->at[i].object)
      return i;
  return t->max_module + 1;
}

bool ldx_tls_add_module(struct ldx_tls *t, struct ldx_object *o) {
  ldx_rlock_enter(&t->lock);
  bool ok = t->slots || grow_slots(t);
  size_t i = ok ? free_slot(t) : 0;
  if (ok && i >= t->slots->len)
    ok = grow_slots(t);
  if (ok) {
    t->slots->at[i].object = o;
    t->slots->at[i].generation = t->generation + 1;
    if (i > t->max_module)
      t->max_module = i;
    o->tls.modid = i;
  }
  ldx_rlock_leave(&t->lock);
  return ok;
}

void ldx_tls_publish(struct ldx_tls *t) { __atomic_store_n(&t->generation, t->generation + 1, __ATOMIC_RELEASE); }

/* Static space behind the last module in use is free again. */
static void shrink_static(struct ldx_tls *t) {
  t->static_used = t->static_floor;
  for (size_t i = 1; i <= t->max_module; i++) {
    const struct ldx_object *o = t->slots->at[i].object;
    if (o && o->tls.offset > 0 && (size_t)o->tls.offset > t->static_used)
      t->static_used = (size_t)o->tls.offset;
  }
}

void ldx_tls_drop_module(struct ldx_tls *t, struct ldx_object *o) {
  if (!o->tls.modid)
    return;
  ldx_rlock_enter(&t->lock);
  t->slots->at[o->tls.modid].object = NULL;
  t->slots->at[o->tls.modid].generation = t->generation + 1;
  if (o->tls.modid == t->max_module)
    while (t->max_module && !t->slots->at[t->max_module].object)
      t->max_module--;
  if (o->tls.offset > 0)
    shrink_static(t);
  ldx_rlock_leave(&t->lock);
}

/* Distance below the thread pointer for a block placed after `used` bytes. */
static size_t place(const struct ldx_tls_segment *s, size_t used) {
  size_t align = s->align ? s->align : 1, first = (0 - s->first_byte) & (align - 1);
  return ldx_align_up(used + s->memsz - first, align) + first;
}

static size_t size_for(const struct ldx_tls *t, size_t used) {
  return ldx_align_up(used, t->static_align) + t->tcb_size;
}

static void fix_size(struct ldx_tls *t) {
  t->least_size = t->static_size = size_for(t, t->static_used + t->surplus);
  t->static_floor = t->static_used;
}

void ldx_tls_layout(struct ldx_tls *t, size_t tcb_size, size_t tcb_align) {
  t->static_align = tcb_align;
  t->tcb_size = tcb_size;
  size_t hole_start = 0, hole_end = 0;
  for (size_t i = 1; i <= t->max_module; i++) {
    struct ldx_tls_segment *s = &t->slots->at[i].object->tls;
    if (s->align > t->static_align)
      t->static_align = s->align;
    size_t off = place(s, hole_start);
    if (hole_end - hole_start >= s->memsz && off <= hole_end) {
      hole_start = off;
    } else {
      off = place(s, t->static_used);
      if (off > t->static_used + s->memsz + (hole_end - hole_start)) {
        hole_start = t->static_used;
        hole_end = off - s->memsz;
      }
      t->static_used = off;
    }
    s->offset = (int64_t)off;
  }
  fix_size(t);
}

void ldx_tls_keep_static(struct ldx_tls *t) { t->static_floor = t->static_used; }

size_t ldx_tls_reserve(struct ldx_tls *t, size_t size, size_t align) {
  if (align > t->static_align)
    t->static_align = align;
  t->static_used = ldx_align_up(t->static_used, align) + size;
  fix_size(t);
  return t->static_used;
}

/* How far below the thread pointer every thread has room, and each that is made from now on can have. */
static size_t common_room(const struct ldx_tls *t) {
  size_t room = t->resize ? SIZE_MAX : t->static_size - t->tcb_size;
  for (const struct ldx_thread *th = t->threads; th; th = th->next)
    if (th->room < room)
      room = th->room;
  return room;
}

static bool any_creating(const struct ldx_tls *t) {
  for (const struct ldx_thread *th = t->threads; th; th = th->next)
    if (th->creating)
      return true;
  return false;
}

static void let_others(struct ldx_tls *t) {
  ldx_rlock_leave(&t->lock);
  LDX_SYS(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
  ldx_rlock_enter(&t->lock);
}

/* While a thread is being made its libc counts on the size it was told. */
static void wait_for_creators(struct ldx_tls *t) {
  while (any_creating(t))
    let_others(t);
}

static bool change_size(struct ldx_tls *t, size_t size) {
  if (!t->resize || !t->resize(size))
    return false;
  t->static_size = size;
  return true;
}

size_t ldx_tls_small_size(const struct ldx_tls *t) { return size_for(t, t->static_used); }

void ldx_tls_enlarge(struct ldx_tls *t, size_t surplus) {
  ldx_rlock_enter(&t->lock);
  wait_for_creators(t);
  size_t size = size_for(t, t->static_used + surplus);
  if (size > t->static_size)
    change_size(t, size);
  ldx_rlock_leave(&t->lock);
}

void ldx_tls_begin_thread(struct ldx_tls *t, struct ldx_thread *self, size_t size) {
  ldx_rlock_enter(&t->lock);
  while (t->exclusive || (size && any_creating(t)))
    let_others(t);
  self->creating = t->static_size;
  if (size && size < t->static_size && t->resize(size)) {
    t->exclusive = true;
    self->creating = size;
  }
  ldx_rlock_leave(&t->lock);
}

void ldx_tls_end_thread(struct ldx_tls *t, struct ldx_thread *self) {
  ldx_rlock_enter(&t->lock);
  if (self->creating != t->static_size) {
    t->resize(t->static_size);
    t->exclusive = false;
  }
  self->creating = 0;
  ldx_rlock_leave(&t->lock);
}

static bool is_free(const struct ldx_tls *t, size_t low, size_t high) {
  for (size_t i = 1; i <= t->max_module; i++) {
    const struct ldx_object *o = t->slots->at[i].object;
    if (o && o->tls.offset > 0 && (size_t)o->tls.offset > low && (size_t)o->tls.offset - o->tls.memsz < high)
      return false;
  }
  return true;
}

/* The place nearest to the thread pointer: behind what start-up uses, or behind another module. */
static size_t find_place(const struct ldx_tls *t, const struct ldx_tls_segment *s) {
  size_t best = place(s, t->static_used), off = place(s, t->static_floor);
  if (is_free(t, off - s->memsz, off))
    return off;
  for (size_t i = 1; i <= t->max_module; i++) {
    const struct ldx_object *o = t->slots->at[i].object;
    if (!o || o->tls.offset <= 0 || (size_t)o->tls.offset < t->static_floor)
      continue;
    off = place(s, (size_t)o->tls.offset);
    if (off < best && is_free(t, off - s->memsz, off))
      best = off;
  }
  return best;
}

static bool take_static(struct ldx_tls *t, struct ldx_tls_segment *s) {
  size_t off = find_place(t, s), size = size_for(t, off);
  if (off > common_room(t) || (size > t->static_size && !change_size(t, size)))
    return false;
  if (off > t->static_used)
    t->static_used = off;
  s->offset = (int64_t)off;
  return true;
}

bool ldx_tls_make_static(struct ldx_tls *t, struct ldx_object *o) {
  ldx_rlock_enter(&t->lock);
  struct ldx_tls_segment *s = &o->tls;
  bool ok = s->offset > 0;
  if (s->offset == LDX_TLS_DYNAMIC && s->align <= t->static_align) {
    wait_for_creators(t);
    ok = take_static(t, s);
  }
  ldx_rlock_leave(&t->lock);
  return ok;
}

bool ldx_tls_offer_static(struct ldx_tls *t, struct ldx_object *o) {
  enum { OFFERED = 512 }; /* of what libraries that need it may want too */
  ldx_rlock_enter(&t->lock);
  struct ldx_tls_segment *s = &o->tls;
  bool ok = s->offset == LDX_TLS_DYNAMIC && s->align <= t->static_align && !any_creating(t) &&
            find_place(t, s) <= t->static_floor + OFFERED && take_static(t, s);
  ldx_rlock_leave(&t->lock);
  return ok;
}

static void copy_image(const struct ldx_object *o, char *dest) {
  memcpy(dest, o->tls.image, o->tls.filesz);
  memset(dest + o->tls.filesz, 0, o->tls.memsz - o->tls.filesz);
}

void ldx_tls_init_static(struct ldx_tls *t, struct ldx_object *o) {
  ldx_rlock_enter(&t->lock);
  for (struct ldx_thread *th = t->threads; th; th = th->next)
    copy_image(o, (char *)th->tcb - o->tls.offset);
  ldx_rlock_leave(&t->lock);
}

void *ldx_tls_new_storage(struct ldx_tls *t, void **raw) {
  *raw = ldx_heap_alloc_aligned(t->heap, t->static_size, t->static_align);
  return *raw ? (char *)*raw + t->static_size - t->tcb_size : NULL;
}

static union ldx_dtv *new_dtv(struct ldx_tls *t, size_t len, struct ldx_thread *th) {
  union ldx_dtv *p = ldx_heap_alloc(t->heap, (len + 3) * sizeof *p);
  if (!p)
    return NULL;
  p[0].pointer.val = th;
  p[1].counter = len;
  for (size_t i = 1; i <= len; i++)
    p[i + 2].pointer.val = LDX_TLS_UNALLOCATED;
  return p + 2;
}

bool ldx_tls_new_dtv(struct ldx_tls *t, void *tcb, size_t room) {
  struct ldx_thread *th = ldx_heap_alloc(t->heap, sizeof *th);
  union ldx_dtv *dtv = th ? new_dtv(t, t->max_module + DTV_SPARE, th) : NULL;
  if (!dtv) {
    ldx_heap_free(t->heap, th);
    return false;
  }
  th->tcb = (uintptr_t)tcb;
  th->room = room;
  th->dtv = dtv;
  *ldx_tls_dtv_slot(t, tcb) = dtv;
  ldx_rlock_enter(&t->lock);
  th->next = t->threads;
  if (th->next)
    th->next->prev = th;
  __atomic_store_n(&t->threads, th, __ATOMIC_RELEASE); /* a child of fork finds it linked forwards or not at all */
  ldx_rlock_leave(&t->lock);
  return true;
}

static bool is_watched(const struct ldx_tls *t) { return t->watch && t->watch->wanted(); }

static void tell_static(struct ldx_tls *t, struct ldx_thread *th, bool gone) {
  const struct ldx_tls_slots *slots = __atomic_load_n(&t->slots, __ATOMIC_ACQUIRE);
  for (size_t i = 1; slots && i <= t->max_module; i++) {
    const struct ldx_object *o = slots->at[i].object;
    if (!o || o->tls.offset <= 0 || slots->at[i].generation > t->generation)
      continue;
    t->watch->tell(&(struct ldx_tls_fact){gone, true, i, o->id, o->tls.memsz, o->tls.align,
                                          (char *)th->tcb - o->tls.offset, th, 0});
  }
}

void ldx_tls_tell_static(struct ldx_tls *t, struct ldx_thread *th) {
  if (th->told || !is_watched(t))
    return;
  th->told = true;
  tell_static(t, th, false);
}

static void tell_block(struct ldx_tls *t, struct ldx_thread *th, const struct ldx_tls_block *b, bool gone) {
  t->watch->tell(&(struct ldx_tls_fact){gone, false, b->module, b->object, b->bytes, b->align, b->at, th, 0});
}

static void tell_gone(struct ldx_tls *t, struct ldx_thread *th, struct ldx_tls_block *b) {
  if (b->told_gone || !is_watched(t))
    return;
  b->told_gone = true;
  tell_block(t, th, b, true);
}

void ldx_tls_tell_gone(struct ldx_tls *t, struct ldx_thread *th) {
  if (!is_watched(t))
    return;
  for (struct ldx_tls_block *b = __atomic_load_n(&th->blocks, __ATOMIC_ACQUIRE); b; b = b->next)
    tell_gone(t, th, b);
  if (th->told)
    tell_static(t, th, true);
  th->told = false;
}

static void free_block(struct ldx_tls *t, struct ldx_tls_block *b) {
  if (b->release)
    b->release(b->memory);
  else
    ldx_heap_free(t->heap, b->memory);
  ldx_heap_free(t->heap, b);
}

static void free_blocks(struct ldx_tls *t, struct ldx_thread *th) {
  while (th->blocks) {
    struct ldx_tls_block *b = th->blocks;
    th->blocks = b->next;
    free_block(t, b);
  }
  while (th->old_dtvs) {
    struct ldx_old_dtv *old = th->old_dtvs;
    th->old_dtvs = old->next;
    ldx_heap_free(t->heap, old->block);
    ldx_heap_free(t->heap, old);
  }
}

static union ldx_dtv *resize_dtv(struct ldx_tls *t, void *tcb, union ldx_dtv *old, size_t max) {
  size_t len = old[-1].counter * 2 > max + DTV_SPARE ? old[-1].counter * 2 : max + DTV_SPARE;
  struct ldx_thread *th = ldx_dtv_thread(old);
  struct ldx_old_dtv *kept = ldx_heap_alloc(t->heap, sizeof *kept);
  union ldx_dtv *dtv = kept ? new_dtv(t, len, th) : NULL;
  if (!dtv) {
    ldx_heap_free(t->heap, kept);
    return NULL;
  }
  memcpy(dtv, old, (old[-1].counter + 1) * sizeof *dtv);
  th->dtv = dtv;
  __atomic_store_n(ldx_tls_dtv_slot(t, tcb), dtv, __ATOMIC_RELEASE);
  *kept = (struct ldx_old_dtv){th->old_dtvs, old - 2};
  th->old_dtvs = kept;
  return dtv;
}

/* A reused stack: the thread that had it is gone, and all it left. */
static void forget_thread(struct ldx_tls *t, struct ldx_thread *th) {
  ldx_tls_tell_gone(t, th);
  free_blocks(t, th);
  ldx_heap_free(t->heap, th->error.diag.object);
  ldx_heap_free(t->heap, th->error.line);
  th->error = (struct ldx_error_state){0};
  th->catcher = NULL;
  th->reader_epoch = 0;
  th->iteration = NULL;
  th->creating = 0;
  th->number = 0;
  th->stack_low = th->stack_high = 0;
  th->told = false;
  th->allocating = 0;
  memset(th->probed, 0, sizeof th->probed);
}

bool ldx_tls_init_thread(struct ldx_tls *t, void *tcb) {
  union ldx_dtv *dtv = ldx_tls_dtv_of(t, tcb);
  forget_thread(t, ldx_dtv_thread(dtv));
  ldx_rlock_enter(&t->lock);
  if (dtv[-1].counter < t->max_module && !(dtv = resize_dtv(t, tcb, dtv, t->max_module))) {
    ldx_rlock_leave(&t->lock);
    return false;
  }
  dtv[0].counter = t->generation;
  for (size_t i = 1; i <= dtv[-1].counter; i++) {
    dtv[i].pointer.val = LDX_TLS_UNALLOCATED;
    dtv[i].pointer.to_free = NULL;
    struct ldx_object *o = i <= t->max_module ? t->slots->at[i].object : NULL;
    if (!o || o->tls.offset <= 0 || t->slots->at[i].generation > t->generation)
      continue;
    dtv[i].pointer.val = (char *)tcb - o->tls.offset;
    copy_image(o, dtv[i].pointer.val);
  }
  ldx_rlock_leave(&t->lock);
  ldx_tls_tell_static(t, ldx_dtv_thread(dtv));
  return true;
}

void ldx_tls_copy_images(const struct ldx_tls *t, char *tp) {
  for (size_t i = 1; i <= t->max_module; i++)
    if (t->slots->at[i].object && t->slots->at[i].object->tls.offset > 0)
      copy_image(t->slots->at[i].object, tp - t->slots->at[i].object->tls.offset);
}

static void free_record(struct ldx_tls *t, struct ldx_thread *th) {
  ldx_rlock_enter(&t->lock);
  if (th->next)
    th->next->prev = th->prev;
  if (th->prev)
    th->prev->next = th->next;
  else
    t->threads = th->next;
  ldx_rlock_leave(&t->lock);
  forget_thread(t, th);
  ldx_heap_free(t->heap, th->dtv - 2);
  ldx_heap_free(t->heap, th);
}

void ldx_tls_free_thread(struct ldx_tls *t, void *tcb, bool storage) {
  struct ldx_thread *th = ldx_dtv_thread(ldx_tls_dtv_of(t, tcb));
  void *raw = th->raw;
  free_record(t, th);
  if (storage)
    ldx_heap_free(t->heap, raw);
}

/* Ended, as far as can be told: after fork the threads of the other process are not asked for. */
static bool has_ended(const struct ldx_thread *th, int32_t process) {
  return th->process == process && LDX_SYS(SYS_tgkill, process, th->id, 0, 0, 0, 0) == -ESRCH;
}

/* Frees what ended threads left behind, and what another one left at this thread's address. */
static void drop_ended(struct ldx_tls *t, uintptr_t tcb, int32_t process) {
  bool all = t->adopted >= t->adopted_limit;
  for (struct ldx_thread *th = t->threads, *next; th; th = next) {
    next = th->next;
    if (th->tcb != tcb && (!all || !has_ended(th, process)))
      continue;
    free_record(t, th);
    t->adopted--;
  }
  if (all)
    t->adopted_limit = t->adopted * 2 > FEW_THREADS ? t->adopted * 2 : FEW_THREADS;
}

static struct ldx_thread *adopt(struct ldx_tls *t, void *tcb) {
  int32_t process = (int32_t)sys_getpid();
  drop_ended(t, (uintptr_t)tcb, process);
  if (!ldx_tls_new_dtv(t, tcb, t->static_size))
    return NULL;
  struct ldx_thread *th = ldx_tls_thread(t);
  t->adopted++;
  th->process = process;
  th->id = (int32_t)LDX_SYS(SYS_gettid, 0, 0, 0, 0, 0, 0);
  return th;
}

/* Moves the thread's block of a module to the list of those that are gone. */
static void drop_block(struct ldx_thread *th, uint64_t module, struct ldx_tls_block **gone) {
  for (struct ldx_tls_block **p = &th->blocks; *p; p = &(*p)->next) {
    struct ldx_tls_block *b = *p;
    if (b->module != module)
      continue;
    *p = b->next;
    b->next = *gone;
    *gone = b;
    return;
  }
}

static void free_gone(struct ldx_tls *t, struct ldx_thread *th, struct ldx_tls_block *b) {
  while (b) {
    struct ldx_tls_block *next = b->next;
    tell_gone(t, th, b);
    free_block(t, b);
    b = next;
  }
}

/* Brings the calling thread's DTV to the newest published generation. */
static union ldx_dtv *update_dtv(struct ldx_tls *t, uint64_t module) {
  union ldx_dtv *dtv = ldx_tls_dtv(t);
  struct ldx_tls_block *gone = NULL;
  size_t generation = __atomic_load_n(&t->generation, __ATOMIC_ACQUIRE);
  const struct ldx_tls_slots *slots = __atomic_load_n(&t->slots, __ATOMIC_ACQUIRE);
  size_t max = t->max_module > module ? t->max_module : module;
  if (dtv[-1].counter < max && !(dtv = resize_dtv(t, (void *)ldx_thread_pointer(), dtv, max)))
    return NULL;
  for (size_t i = 1; i <= dtv[-1].counter && i < slots->len; i++) {
    size_t g = slots->at[i].generation;
    if (g > generation || g <= dtv[0].counter)
      continue;
    drop_block(ldx_dtv_thread(dtv), i, &gone);
    dtv[i].pointer.val = LDX_TLS_UNALLOCATED;
  }
  dtv[0].counter = generation;
  struct ldx_thread *th = ldx_dtv_thread(dtv);
  free_gone(t, th, gone);
  return ldx_tls_dtv(t); /* who was told of a block may have used others */
}

/* A module is either static for all threads or dynamic for all; the first use of a block decides. */
static bool is_static(struct ldx_tls *t, struct ldx_object *o) {
  if (o->tls.offset == LDX_TLS_FORCED_DYNAMIC)
    return false;
  ldx_rlock_enter(&t->lock);
  if (o->tls.offset == LDX_TLS_DYNAMIC)
    o->tls.offset = LDX_TLS_FORCED_DYNAMIC;
  bool is = o->tls.offset > 0;
  ldx_rlock_leave(&t->lock);
  return is;
}

static char *new_memory(struct ldx_tls *t, struct ldx_tls_block *b, size_t size) {
  b->release = t->release;
  b->memory = t->alloc ? t->alloc(size) : ldx_heap_alloc(t->heap, size);
  return b->memory;
}

/* Sanitizers take a block that begins 16 bytes into a page for one with glibc's own header before it. */
static char *place_block(const struct ldx_tls_segment *s, char *memory, size_t align) {
  char *val = (char *)ldx_align_up((uintptr_t)memory, align) + (s->first_byte & (align - 1));
  return (uintptr_t)val % LDX_PAGE == 16 ? val + align : val;
}

static struct ldx_tls_block *make_block(struct ldx_tls *t, const struct ldx_object *o, char **val) {
  const struct ldx_tls_segment *s = &o->tls;
  size_t align = s->align > 16 ? s->align : 16;
  struct ldx_tls_block *b = ldx_heap_alloc(t->heap, sizeof *b);
  char *memory = b ? new_memory(t, b, s->memsz + 3 * align) : NULL;
  if (!memory) {
    ldx_heap_free(t->heap, b);
    return NULL;
  }
  *val = place_block(s, memory, align);
  copy_image(o, *val);
  b->module = s->modid;
  b->object = o->id;
  b->bytes = s->memsz;
  b->align = s->align;
  b->at = *val;
  return b;
}

/* The calling thread's block of a module that is dynamic for all, and that its DTV has room for. A signal handler may
 * come in at any place, and make the block itself, or replace the DTV: what stands in the newest DTV counts. */
static void *enter_block(struct ldx_tls *t, struct ldx_tls_block *b, char *val) {
  struct ldx_thread *th = ldx_tls_thread(t);
  for (union ldx_dtv *dtv = NULL; dtv != ldx_tls_dtv(t);) {
    dtv = ldx_tls_dtv(t);
    void *seen = LDX_TLS_UNALLOCATED;
    bool mine = __atomic_compare_exchange_n(&dtv[b->module].pointer.val, &seen, val, false, __ATOMIC_RELAXED,
                                            __ATOMIC_RELAXED);
    if (!mine && seen != val) {
      free_block(t, b);
      return seen;
    }
  }
  b->next = __atomic_load_n(&th->blocks, __ATOMIC_RELAXED);
  while (!__atomic_compare_exchange_n(&th->blocks, &b->next, b, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
    ;
  if (is_watched(t))
    tell_block(t, th, b, false);
  return val;
}

static void *new_block(struct ldx_tls *t, const struct ldx_object *o) {
  char *val;
  struct ldx_tls_block *b = make_block(t, o, &val);
  return b ? enter_block(t, b, val) : NULL;
}

static void *find_block(struct ldx_tls *t, union ldx_dtv *dtv, uint64_t module) {
  if (dtv[0].counter != __atomic_load_n(&t->generation, __ATOMIC_ACQUIRE))
    dtv = update_dtv(t, module);
  if (!dtv || module > dtv[-1].counter)
    return NULL;
  if (dtv[module].pointer.val != LDX_TLS_UNALLOCATED)
    return dtv[module].pointer.val;
  struct ldx_object *o = t->slots->at[module].object;
  if (!o)
    return NULL;
  if (is_static(t, o))
    return dtv[module].pointer.val = (char *)ldx_thread_pointer() - o->tls.offset;
  return new_block(t, o);
}

/* A handler's own use of TLS would change the DTV in the middle of a change. What an instruction raises cannot be put
 * off: blocked, it kills, and the program may well have a handler for it (a sandbox, a single-stepper). */
#define BIT(signal) (1ull << ((signal)-1))
static const uint64_t put_off =
    ~(BIT(SIGILL) | BIT(SIGTRAP) | BIT(SIGBUS) | BIT(SIGFPE) | BIT(SIGSEGV) | BIT(SIGSYS));

static uint64_t block_signals(void) {
  uint64_t before = 0;
  LDX_SYS(SYS_rt_sigprocmask, SIG_BLOCK, &put_off, &before, sizeof before, 0, 0);
  return before;
}

static void restore_signals(uint64_t mask) {
  LDX_SYS(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, sizeof mask, 0, 0);
}

struct ldx_thread *ldx_tls_adopt_thread(struct ldx_tls *t) {
  uint64_t mask = block_signals();
  ldx_rlock_enter(&t->lock);
  struct ldx_thread *th = ldx_tls_thread(t);
  if (!th)
    th = adopt(t, (void *)ldx_thread_pointer());
  ldx_rlock_leave(&t->lock);
  restore_signals(mask);
  return th;
}

/* Static blocks are found without a DTV: for those alone a thread need not be adopted. */
static void *address_without_dtv(struct ldx_tls *t, uint64_t module) {
  void *p = ldx_tls_peek(t, module);
  return p || !t->adopts || !ldx_tls_adopt_thread(t) ? p : ldx_tls_address(t, module);
}

void *ldx_tls_address(struct ldx_tls *t, uint64_t module) {
  union ldx_dtv *dtv = ldx_tls_dtv(t);
  if (!dtv)
    return address_without_dtv(t, module);
  bool current = dtv[0].counter == __atomic_load_n(&t->generation, __ATOMIC_ACQUIRE) && module <= dtv[-1].counter;
  if (current && dtv[module].pointer.val != LDX_TLS_UNALLOCATED)
    return dtv[module].pointer.val;
  const struct ldx_object *o = current && !t->alloc ? t->slots->at[module].object : NULL;
  if (o && o->tls.offset == LDX_TLS_FORCED_DYNAMIC) /* the heap's memory may be asked for in the middle of itself */
    return new_block(t, o);
  uint64_t mask = block_signals();
  void *p = find_block(t, ldx_tls_dtv(t), module);
  restore_signals(mask);
  return p;
}

void *ldx_tls_peek(const struct ldx_tls *t, uint64_t module) {
  const union ldx_dtv *dtv = ldx_tls_dtv(t);
  const struct ldx_tls_slots *slots = __atomic_load_n(&t->slots, __ATOMIC_ACQUIRE);
  if ((!dtv && !t->adopts) || !slots || module >= slots->len || !slots->at[module].object)
    return NULL;
  bool known = dtv && module <= dtv[-1].counter && slots->at[module].generation <= dtv[0].counter;
  if (known && dtv[module].pointer.val != LDX_TLS_UNALLOCATED)
    return dtv[module].pointer.val;
  int64_t offset = slots->at[module].object->tls.offset;
  return offset > 0 ? (char *)ldx_thread_pointer() - offset : NULL;
}
