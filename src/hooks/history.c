#include "hooks/history.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "base/span.h"
#include "base/sys.h"

enum { SHOWN = 512, TEXT_BYTES = 8 << 20, BUCKETS = 4096 };
#define BEING_WRITTEN UINT64_MAX
_Static_assert(sizeof(struct ldx_event) % 8 == 0, "events lie in an array");

/* Texts are found by hash. A list only grows at its head. */
struct kept_text {
  struct kept_text *next;
  uint32_t hash;
  char text[];
};
struct ldx_texts {
  struct kept_text *bucket[BUCKETS];
};

/* The memory: slots, the events that are being shown, texts. */
struct ldx_history {
  char *own;           /* writable; never told */
  const char *visible; /* the same, read-only */
  size_t size;
  uint64_t mask; /* slots - 1 */
  uint64_t last, dropped;
  size_t text_used;
  uint32_t *pid; /* in a page that the kernel clears for the child of fork */
  bool moving;   /* a copy is being made: what comes meanwhile is dropped */
  uint8_t in_use[SHOWN];
};

static size_t slots_size(const struct ldx_history *y) { return (y->mask + 1) * sizeof(struct ldx_event); }
static size_t texts_at(const struct ldx_history *y) { return slots_size(y) + SHOWN * sizeof(struct ldx_event); }

static struct ldx_event *slot(const struct ldx_history *y, uint64_t seq) {
  return (struct ldx_event *)y->own + ((seq - 1) & y->mask);
}

/* A limit of file sizes would end the process with a signal. */
static bool too_long(size_t size) {
  struct rlimit limit;
  long r = LDX_SYS(SYS_prlimit64, 0, RLIMIT_FSIZE, NULL, &limit, 0, 0);
  return !ldx_sys_failed(r) && limit.rlim_cur < size;
}

static long new_memory(size_t size) {
  if (too_long(size))
    return -EFBIG;
  long fd = LDX_SYS(SYS_memfd_create, "ldx-history", 1 /* MFD_CLOEXEC */, 0, 0, 0, 0);
  if (ldx_sys_failed(fd))
    return fd;
  long r = LDX_SYS(SYS_ftruncate, fd, size, 0, 0, 0, 0);
  if (ldx_sys_failed(r))
    sys_close((int)fd);
  return ldx_sys_failed(r) ? r : fd;
}

/* Maps the file at both places, anew or over what is there. */
static long map_both(struct ldx_history *y, int fd) {
  int fixed = y->own ? MAP_FIXED : 0;
  long own = sys_mmap(y->own, y->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE | fixed, fd, 0);
  if (ldx_sys_failed(own))
    return own;
  long visible = sys_mmap((void *)y->visible, y->size, PROT_READ, MAP_SHARED | MAP_NORESERVE | fixed, fd, 0);
  if (ldx_sys_failed(visible)) {
    if (!fixed)
      sys_munmap((void *)own, y->size);
    return visible;
  }
  y->own = (char *)own;
  y->visible = (const char *)visible;
  return 0;
}

static long map_pid(struct ldx_history *y) {
  enum { MADV_WIPEONFORK_ = 18 };
  long page = sys_mmap(NULL, LDX_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (ldx_sys_failed(page))
    return page;
  sys_madvise((void *)page, LDX_PAGE, MADV_WIPEONFORK_);
  y->pid = (uint32_t *)page;
  *y->pid = (uint32_t)sys_getpid();
  return 0;
}

static long make(struct ldx_history *y, uint32_t slots) {
  y->mask = slots - 1;
  y->size = ldx_align_up(texts_at(y) + TEXT_BYTES, LDX_PAGE);
  long fd = new_memory(y->size);
  if (ldx_sys_failed(fd))
    return fd;
  long r = map_both(y, (int)fd);
  sys_close((int)fd);
  return ldx_sys_failed(r) ? r : map_pid(y);
}

int ldx_history_open(struct ldx_hooks *h, uint32_t slots) {
  long r = 0;
  if (!ldx_is_pow2(slots) || slots > 1u << 24)
    return -EINVAL;
  ldx_rlock_enter(&h->lock);
  if (!h->history) {
    struct ldx_history *y = ldx_heap_alloc(h->heap, sizeof *y);
    r = y ? make(y, slots) : -ENOMEM;
    if (!ldx_sys_failed(r))
      __atomic_store_n(&h->history, y, __ATOMIC_RELEASE);
    else
      ldx_heap_free(h->heap, y);
    ldx_hooks_refresh(h);
  }
  ldx_rlock_leave(&h->lock);
  return (int)r;
}

uint64_t ldx_history_number(struct ldx_hooks *h) {
  return __atomic_add_fetch(&h->history->last, 1, __ATOMIC_SEQ_CST);
}

uint64_t ldx_history_last(const struct ldx_hooks *h) { return __atomic_load_n(&h->history->last, __ATOMIC_SEQ_CST); }

uint64_t ldx_history_first(const struct ldx_hooks *h) {
  uint64_t last = ldx_history_last(h), slots = h->history->mask + 1;
  return last > slots ? last - slots + 1 : 1;
}

uint64_t ldx_history_count_lost(const struct ldx_hooks *h) {
  return ldx_history_first(h) - 1 + __atomic_load_n(&h->history->dropped, __ATOMIC_RELAXED);
}

/* A slot is one writer's at a time. Who finds it taken was overtaken by a whole round of the ring, or has interrupted
 * its writer. */
static bool claim(struct ldx_event *at, uint64_t seq) {
  uint64_t old = __atomic_load_n(&at->seq, __ATOMIC_RELAXED);
  do {
    if (old == BEING_WRITTEN || old > seq)
      return false;
  } while (!__atomic_compare_exchange_n(&at->seq, &old, BEING_WRITTEN, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED));
  __atomic_thread_fence(__ATOMIC_RELEASE);
  return true;
}

enum { WORDS = sizeof(struct ldx_event) / 8, SEQ_WORD = offsetof(struct ldx_event, seq) / 8 };

/* Word by word, as readers may be at it. The number is not copied. */
static void copy_event(struct ldx_event *to, const struct ldx_event *from) {
  uint64_t *t = (uint64_t *)to;
  const uint64_t *f = (const uint64_t *)from;
  for (int i = 0; i < WORDS; i++)
    if (i != SEQ_WORD)
      __atomic_store_n(&t[i], __atomic_load_n(&f[i], __ATOMIC_RELAXED), __ATOMIC_RELAXED);
}

void ldx_history_put(struct ldx_hooks *h, const struct ldx_event *e) {
  struct ldx_history *y = h->history;
  struct ldx_event *at = slot(y, e->seq);
  if (__atomic_load_n(&y->moving, __ATOMIC_RELAXED) || !claim(at, e->seq)) {
    __atomic_add_fetch(&y->dropped, 1, __ATOMIC_RELAXED);
    return;
  }
  copy_event(at, e);
  __atomic_store_n(&at->seq, e->seq, __ATOMIC_RELEASE);
}

/* A number is given before its event is there: another thread's is waited for; one's own, which a signal handler has
 * interrupted, must not be for ever. */
bool ldx_history_get(struct ldx_hooks *h, uint64_t seq, struct ldx_event *out) {
  enum { PATIENCE = 20000 };
  const struct ldx_event *at = slot(h->history, seq);
  for (int i = 0; i < PATIENCE; i++) {
    uint64_t found = __atomic_load_n(&at->seq, __ATOMIC_ACQUIRE);
    if (found != BEING_WRITTEN && found > seq)
      return false;
    if (found == seq) {
      copy_event(out, at);
      __atomic_thread_fence(__ATOMIC_ACQUIRE);
      out->seq = seq;
      return __atomic_load_n(&at->seq, __ATOMIC_RELAXED) == seq;
    }
    __builtin_ia32_pause();
  }
  return false;
}

const struct ldx_event *ldx_history_show(struct ldx_hooks *h, const struct ldx_event *e) {
  struct ldx_history *y = h->history;
  size_t at = slots_size(y);
  if (__atomic_load_n(&y->moving, __ATOMIC_RELAXED)) /* still another process's */
    return NULL;
  for (uint32_t i = 0; i < SHOWN; i++, at += sizeof *e) {
    if (__atomic_load_n(&y->in_use[i], __ATOMIC_RELAXED) || __atomic_exchange_n(&y->in_use[i], 1, __ATOMIC_ACQUIRE))
      continue;
    *(struct ldx_event *)(y->own + at) = *e;
    return (const struct ldx_event *)(y->visible + at);
  }
  return NULL;
}

void ldx_history_hide(struct ldx_hooks *h, const struct ldx_event *shown) {
  struct ldx_history *y = h->history;
  size_t i = ((size_t)((const char *)shown - y->visible) - slots_size(y)) / sizeof *shown;
  __atomic_store_n(&y->in_use[i], 0, __ATOMIC_RELEASE);
}

bool ldx_history_holds(const struct ldx_hooks *h, uintptr_t addr) {
  const struct ldx_history *y = h->history;
  return y && addr - (uintptr_t)y->visible < y->size;
}

uint32_t ldx_history_pid(const struct ldx_hooks *h) { return *h->history->pid; }

/* What of the memory has been written. */
static void copy_memory(const struct ldx_history *y, char *to) {
  uint64_t used = y->last < y->mask + 1 ? y->last : y->mask + 1;
  memcpy(to, y->own, used * sizeof(struct ldx_event));
  size_t from = slots_size(y), texts = y->text_used < TEXT_BYTES ? y->text_used : TEXT_BYTES;
  memcpy(to + from, y->own + from, SHOWN * sizeof(struct ldx_event) + texts);
}

/* Without memory the history ends here for the child: it is never shared. */
static void move(struct ldx_history *y) {
  long fd = new_memory(y->size);
  if (ldx_sys_failed(fd))
    return;
  long copy = sys_mmap(NULL, y->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, (int)fd, 0);
  if (!ldx_sys_failed(copy)) {
    copy_memory(y, (char *)copy);
    sys_munmap((void *)copy, y->size);
    y->moving = ldx_sys_failed(map_both(y, (int)fd));
  }
  sys_close((int)fd);
}

bool ldx_history_after_fork(struct ldx_hooks *h) {
  struct ldx_history *y = h->history;
  if (__builtin_expect(!y || *y->pid, 1))
    return false;
  *y->pid = (uint32_t)sys_getpid();
  y->moving = true;
  move(y);
  return true;
}

static uint32_t hash_of(const char *text, size_t *size) {
  uint32_t hash = 5381;
  const char *p = text;
  for (; *p; p++)
    hash = hash * 33 + (unsigned char)*p;
  *size = (size_t)(p - text) + 1;
  return hash;
}

static struct kept_text *find_text(struct kept_text *k, uint32_t hash, const char *text) {
  while (k && (k->hash != hash || strcmp(k->text, text) != 0))
    k = k->next;
  return k;
}

/* In memory that tools cannot write, while there is room: *visible is where they read it. */
static struct kept_text *new_text(struct ldx_hooks *h, size_t size, struct kept_text **visible) {
  struct ldx_history *y = __atomic_load_n(&h->history, __ATOMIC_ACQUIRE);
  size = ldx_align_up(sizeof(struct kept_text) + size, 8);
  if (y && !y->moving && y->text_used < TEXT_BYTES) {
    size_t at = __atomic_fetch_add(&y->text_used, size, __ATOMIC_RELAXED);
    if (at + size <= TEXT_BYTES) {
      *visible = (struct kept_text *)(y->visible + texts_at(y) + at);
      return (struct kept_text *)(y->own + texts_at(y) + at);
    }
  }
  return *visible = ldx_heap_alloc(h->heap, size);
}

static struct ldx_texts *all_texts(struct ldx_hooks *h) {
  struct ldx_texts *t = __atomic_load_n(&h->texts, __ATOMIC_ACQUIRE), *fresh;
  if (t || !(fresh = ldx_heap_alloc(h->heap, sizeof *fresh)))
    return t;
  if (__atomic_compare_exchange_n(&h->texts, &t, fresh, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
    return fresh;
  ldx_heap_free(h->heap, fresh);
  return t;
}

/* Two threads that come with the same text at once may keep it twice. */
const char *ldx_hooks_keep(struct ldx_hooks *h, const char *text) {
  struct ldx_texts *all = text ? all_texts(h) : NULL;
  if (!all)
    return text ? "" : NULL;
  ldx_history_after_fork(h);
  size_t size;
  uint32_t hash = hash_of(text, &size);
  struct kept_text **bucket = &all->bucket[hash % BUCKETS], *visible;
  struct kept_text *known = find_text(__atomic_load_n(bucket, __ATOMIC_ACQUIRE), hash, text);
  if (known)
    return known->text;
  struct kept_text *k = new_text(h, size, &visible);
  if (!k)
    return "";
  k->hash = hash;
  memcpy(k->text, text, size);
  k->next = __atomic_load_n(bucket, __ATOMIC_RELAXED);
  struct kept_text *before = k->next;
  while (!__atomic_compare_exchange_n(bucket, &before, visible, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
    k->next = before;
  return visible->text;
}
