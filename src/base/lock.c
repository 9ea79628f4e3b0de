#include "base/lock.h"

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

void ldx_rlock_enter(struct ldx_rlock *l) {
  if (!ldx_rlock_mine(l)) {
    ldx_futex_lock(&l->word);
    __atomic_store_n(&l->owner, ldx_thread_pointer(), __ATOMIC_RELAXED);
  }
  l->depth++;
}

void ldx_rlock_leave(struct ldx_rlock *l) {
  if (--l->depth)
    return;
  __atomic_store_n(&l->owner, 0, __ATOMIC_RELAXED);
  ldx_futex_unlock(&l->word);
}
