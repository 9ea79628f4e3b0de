/* Events of threads and of thread-local storage. */
#ifndef LDX_LOADER_TELL_THREAD_H
#define LDX_LOADER_TELL_THREAD_H

#include "loader/load.h"

extern const struct ldx_tls_watch ldx_tls_watch;

/* The number of a thread, which no other one ever has. */
uint64_t ldx_thread_number(struct ldx_thread *th);

/* Before a thread is made: while somebody wants to know of threads, another start routine and argument in place of
 * these. Taken back when no thread was made. */
void ldx_watch_start(void *(**start)(void *), void **arg);
void ldx_forget_start(void *(*start)(void *), void *arg);

/* The main thread, when its libc is ready; the calling thread, when the process ends. */
void ldx_tell_main_thread(void);
void ldx_tell_last_thread(void);

/* At COMMIT of a load, and when an object has gone. */
void ldx_tell_modules(const struct ldx_load *l);
void ldx_tell_module_gone(const struct ldx_object *o);
/* A module that was dynamic has become static: all threads have its block now. */
void ldx_tell_late_static(const struct ldx_object *o);

/* The stack of the calling process's first thread, by the rules of pthread_getattr_np. */
void ldx_main_stack(uintptr_t *low, uintptr_t *high);
/* Fills in tid and stack; false for one that has ended. Under the lock of threads. */
bool ldx_describe_thread(const struct ldx_thread *th, uint32_t *tid, uintptr_t *low, uintptr_t *high);

#endif
