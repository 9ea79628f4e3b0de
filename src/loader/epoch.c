/* When may memory go that readers without a lock could still see? A reader notes the epoch it began in; what
 * is retired in an epoch is freed when no reader of that epoch or an older one is left. */
#include "base/sys.h"
#include "loader/audit.h"
#include "loader/load.h"

void ldx_anonymous_enter(void) { __atomic_add_fetch(&ldx_self.anonymous_readers, 1, __ATOMIC_SEQ_CST); }
void ldx_anonymous_leave(void) { __atomic_sub_fetch(&ldx_self.anonymous_readers, 1, __ATOMIC_RELEASE); }

uint64_t ldx_epoch_end(void) { return __atomic_add_fetch(&ldx_self.epoch, 1, __ATOMIC_SEQ_CST); }

static void retire(void *block, struct ldx_object *o) {
  struct ldx_retired *r = ldx_new(sizeof *r);
  if (!r)
    return; /* leaked, never freed too early */
  *r = (struct ldx_retired){ldx_self.retired, ldx_epoch_end(), block, o};
  ldx_self.retired = r;
}

void ldx_retire_block(void *p) {
  if (p)
    retire(p, NULL);
}

void ldx_retire_object(struct ldx_object *o) { retire(NULL, o); }

uint64_t ldx_epoch_oldest(void) {
  if (__atomic_load_n(&ldx_self.anonymous_readers, __ATOMIC_SEQ_CST))
    return 0;
  uint64_t oldest = UINT64_MAX;
  ldx_rlock_enter(&ldx_self.tls.lock);
  for (struct ldx_thread *th = ldx_self.tls.threads; th; th = th->next) {
    uint64_t e = __atomic_load_n(&th->reader_epoch, __ATOMIC_SEQ_CST);
    if (e && e - 1 < oldest)
      oldest = e - 1;
  }
  ldx_rlock_leave(&ldx_self.tls.lock);
  return oldest;
}

static void release(struct ldx_retired *r) {
  ldx_delete(r->block);
  if (r->object) {
    ldx_unmap_object(r->object);
    ldx_audit_forget(r->object);
    ldx_search_forget(&ldx_self.search, r->object);
    ldx_object_free(&ldx_self.heap, r->object);
  }
  ldx_delete(r);
}

static void probe(const struct ldx_object **ring, uint32_t *at, uint32_t size, const struct ldx_object *o) {
  uint32_t i = __atomic_fetch_add(at, 1, __ATOMIC_RELAXED) % size;
  __atomic_store_n(&ring[i], o, __ATOMIC_SEQ_CST);
}

void ldx_keep_probed(const struct ldx_object *o) {
  struct ldx_watches *w = &ldx_self.watches;
  struct ldx_thread *th = ldx_thread_self();
  if (!__atomic_load_n(&w->probing, __ATOMIC_RELAXED))
    __atomic_store_n(&w->probing, true, __ATOMIC_SEQ_CST);
  if (th)
    probe(th->probed, &th->probes, LDX_COUNT(th->probed), o);
  else
    probe(w->probed, &w->probes, LDX_COUNT(w->probed), o);
}

static bool has(const struct ldx_object *const *ring, uint32_t size, const struct ldx_object *o) {
  for (uint32_t i = 0; i < size; i++)
    if (__atomic_load_n(&ring[i], __ATOMIC_SEQ_CST) == o)
      return true;
  return false;
}

/* Somebody has found the object, and may still read it, though he is no reader any more. */
static bool is_probed(const struct ldx_object *o) {
  const struct ldx_watches *w = &ldx_self.watches;
  if (!o || !__atomic_load_n(&w->probing, __ATOMIC_SEQ_CST))
    return false;
  bool is = has(w->probed, LDX_COUNT(w->probed), o);
  ldx_rlock_enter(&ldx_self.tls.lock);
  for (struct ldx_thread *th = ldx_self.tls.threads; th && !is; th = th->next)
    is = has(th->probed, LDX_COUNT(th->probed), o);
  ldx_rlock_leave(&ldx_self.tls.lock);
  return is;
}

/* Whoever finds an object as a reader notes it before he is none: readers are asked for first. */
void ldx_reclaim(void) {
  if (!ldx_self.retired)
    return;
  uint64_t oldest = ldx_epoch_oldest();
  struct ldx_retired **p = &ldx_self.retired;
  while (*p) {
    struct ldx_retired *r = *p;
    if (r->epoch > oldest || is_probed(r->object)) {
      p = &r->next;
      continue;
    }
    *p = r->next;
    release(r);
  }
}
