#include "base/lock.h"

#include "base/sys.h"
#include "base/valgrind.h"

/* The word: waiters' flag, thread pointer of the holder (bits 6 to 46), his process (bits 48 to 63). */
enum { WAITED_FOR = 1, PROCESS_SHIFT = 48 };
enum { FUTEX_WAIT_PRIVATE = 0 | 128, FUTEX_WAKE_PRIVATE = 1 | 128 };

static uint64_t this_process(const struct ldx_rlock *l) {
  struct ldx_generation *g = __atomic_load_n(&l->process, __ATOMIC_ACQUIRE);
  if (!g)
    return 0;
  uint32_t p = __atomic_load_n(g->now, __ATOMIC_RELAXED);
  if (!p)
    __atomic_store_n(g->now, p = ++g->count, __ATOMIC_RELAXED);
  return p & 0xffff;
}

static uint64_t my_word(const struct ldx_rlock *l) { return this_process(l) << PROCESS_SHIFT | ldx_thread_pointer(); }

bool ldx_rlock_mine(const struct ldx_rlock *l) {
  return (__atomic_load_n(&l->word, __ATOMIC_RELAXED) & ~(uint64_t)WAITED_FOR) == my_word(l);
}

static bool swap(struct ldx_rlock *l, uint64_t from, uint64_t to) {
  return __atomic_compare_exchange_n(&l->word, &from, to, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

/* Who has waited once takes the lock as waited for: he does not know of others. */
static void wait_for(struct ldx_rlock *l, uint64_t mine) {
  for (;;) {
    uint64_t w = __atomic_load_n(&l->word, __ATOMIC_RELAXED);
    bool gone = w && w >> PROCESS_SHIFT != mine >> PROCESS_SHIFT;
    if ((!w || gone) && swap(l, w, mine | WAITED_FOR)) {
      if (gone)
        l->depth = 0;
      return;
    }
    if (w && !gone && ((w & WAITED_FOR) || swap(l, w, w | WAITED_FOR)))
      sys_futex(&l->word, FUTEX_WAIT_PRIVATE, (uint32_t)w | WAITED_FOR);
  }
}

void ldx_rlock_enter(struct ldx_rlock *l) {
  uint64_t mine = my_word(l);
  if (!swap(l, 0, mine)) {
    if (ldx_rlock_mine(l)) {
      l->depth++;
      return;
    }
    wait_for(l, mine);
  }
  ldx_happens_after(l);
  uint32_t process = (uint32_t)(mine >> PROCESS_SHIFT);
  if (l->forked && l->known != process) {
    l->known = process;
    l->forked();
  }
}

void ldx_rlock_leave(struct ldx_rlock *l) {
  if (l->depth) {
    l->depth--;
    return;
  }
  ldx_happens_before(l);
  if (__atomic_exchange_n(&l->word, 0, __ATOMIC_RELEASE) & WAITED_FOR)
    sys_futex(&l->word, FUTEX_WAKE_PRIVATE, 1);
}

void ldx_rlock_watch(struct ldx_rlock *l, struct ldx_generation *g) {
  bool held = ldx_rlock_mine(l);
  __atomic_store_n(&l->process, g, __ATOMIC_RELEASE);
  l->known = (uint32_t)this_process(l);
  if (held)
    __atomic_store_n(&l->word, my_word(l), __ATOMIC_RELAXED);
}

void ldx_rlock_inherit(struct ldx_rlock *l) {
  uint64_t mine = my_word(l);
  __atomic_store_n(&l->word, mine, __ATOMIC_RELAXED); /* who waited is not here */
  l->known = (uint32_t)(mine >> PROCESS_SHIFT);
}
