/* Futex locks. The writer lock is recursive: a constructor or a hook may call back into the loader. */
#ifndef LDX_BASE_LOCK_H
#define LDX_BASE_LOCK_H

#include <stdbool.h>
#include <stdint.h>

/* The calling thread's thread pointer (unique among live threads); the CPU folder's. 0 before TLS is set up. */
uintptr_t ldx_thread_pointer(void);

/* 0 free, 1 held, 2 held and waited for. */
void ldx_futex_lock(uint32_t *word);
void ldx_futex_unlock(uint32_t *word);

/* In the child of fork the holder may not exist: with `process` the lock notes its holder's process, and who waits in
 * vain for a holder of another process takes the lock over. The word that says which process this is lies in a page
 * that the kernel clears for the child of fork; a vfork child shares it, and waits for its parent's threads. */
struct ldx_rlock {
  uint32_t word;
  uint32_t depth;
  uintptr_t owner;
  int32_t pid;      /* of the holder, with process */
  int32_t *process; /* NULL: not watched */
};

void ldx_rlock_enter(struct ldx_rlock *l);
void ldx_rlock_leave(struct ldx_rlock *l);
/* True when the calling thread holds the lock. */
int ldx_rlock_mine(const struct ldx_rlock *l);

#endif
