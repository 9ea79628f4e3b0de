/* Futex locks. The writer lock is recursive: a resolver or a hook may call back into the loader. */
#ifndef LDX_BASE_LOCK_H
#define LDX_BASE_LOCK_H

#include <stdbool.h>
#include <stdint.h>

/* The calling thread's thread pointer (unique among live threads, a multiple of 64); the CPU folder's. */
uintptr_t ldx_thread_pointer(void);

/* Which process of a line of forks this is: *now lies in a page that the kernel clears for the child of fork (a vfork
 * child shares it). */
struct ldx_generation {
  uint32_t *now; /* 0: not known yet */
  uint32_t count;
};

/* Holder, his process and whether anybody waits are one word, so that a signal handler or a fork finds it whole. In
 * the child of fork the holder may not exist: a lock that is held in another process of the line is taken over. */
struct ldx_rlock {
  uint64_t word;                  /* 0: free */
  uint32_t depth;                 /* of the holder's further entries */
  uint32_t known;                 /* process of the latest call of `forked` */
  struct ldx_generation *process; /* NULL: not watched */
  void (*forked)(void);           /* NULL, or told when the lock is first taken in another process */
};

/* From now on the lock knows its process; nobody but the calling thread may hold it, or wait for it. */
void ldx_rlock_watch(struct ldx_rlock *l, struct ldx_generation *g);
void ldx_rlock_enter(struct ldx_rlock *l);
void ldx_rlock_leave(struct ldx_rlock *l);
/* In the child of fork, whose thread held the lock when it forked: it goes on holding it. */
void ldx_rlock_inherit(struct ldx_rlock *l);
/* True when the calling thread holds the lock. */
bool ldx_rlock_mine(const struct ldx_rlock *l);

#endif
