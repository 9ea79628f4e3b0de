#include "base/lock.h"

#include <errno.h>

#include "base/sys.h"

enum { FUTEX_WAIT_PRIVATE = 0 | 128, FUTEX_WAKE_PRIVATE = 1 | 128 };

void ldx_futex_lock(uint32_t *word) {
  uint32_t seen = 0;
  if (__atomic_compare_exchange_n(word, &seen, 1, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
    return;
  while (__atomic_exchange_n(word, 2, __ATOMIC_ACQUIRE) != 0)
    sys_futex(word, FUTEX_WAIT_PRIVATE, 2);
}

void ldx_futex_unlock(uint32_t *word) {
  if (__atomic_exchange_n(word, 0, __ATOMIC_RELEASE) == 2)
    sys_futex(word, FUTEX_WAKE_PRIVATE, 1);
}

int ldx_rlock_mine(const struct ldx_rlock *l) {
  return l->depth && __atomic_load_n(&l->owner, __ATOMIC_RELAXED) == ldx_thread_pointer();
}

static int32_t this_process(const struct ldx_rlock *l) {
  int32_t p = __atomic_load_n(l->process, __ATOMIC_RELAXED);
  if (!p)
    __atomic_store_n(l->process, p = (int32_t)sys_getpid(), __ATOMIC_RELAXED);
  return p;
}

/* True when the lock was taken over from a process that is not this one. */
static bool take_over(struct ldx_rlock *l) {
  int32_t self = l->process ? this_process(l) : 0, holder = __atomic_load_n(&l->pid, __ATOMIC_RELAXED);
  if (!l->process || holder == self || !holder ||
      !__atomic_compare_exchange_n(&l->pid, &holder, self, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
    return false;
  l->depth = 0;
  return true;
}

static void wait_for(struct ldx_rlock *l) {
  static const struct { int64_t seconds, nanoseconds; } patience = {0, 100 * 1000 * 1000};
  while (__atomic_exchange_n(&l->word, 2, __ATOMIC_ACQUIRE) != 0) {
    long r = LDX_SYS(SYS_futex, &l->word, FUTEX_WAIT_PRIVATE, 2, &patience, 0, 0);
    if (r == -ETIMEDOUT && take_over(l))
      return;
  }
}

void ldx_rlock_enter(struct ldx_rlock *l) {
  uint32_t free = 0;
  if (!ldx_rlock_mine(l)) {
    if (!__atomic_compare_exchange_n(&l->word, &free, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
      wait_for(l);
    __atomic_store_n(&l->owner, ldx_thread_pointer(), __ATOMIC_RELAXED);
    if (l->process)
      __atomic_store_n(&l->pid, this_process(l), __ATOMIC_RELAXED);
  }
  l->depth++;
}

void ldx_rlock_leave(struct ldx_rlock *l) {
  if (--l->depth)
    return;
  __atomic_store_n(&l->owner, 0, __ATOMIC_RELAXED);
  ldx_futex_unlock(&l->word);
}
