/* The program's threads: their TLS, and how much of it is static. */
#ifndef LDX_LOADER_THREADS_H
#define LDX_LOADER_THREADS_H

#include "loader/context.h"

void *ldx_tls_get_addr(const struct ldx_tls_index *ti);
void *ldx_tls_get_addr_slow(const struct ldx_tls_index *ti);
/* For stubs.S, whose caller's vector registers must live. */
void *ldx_tlsdesc_slow(const struct ldx_tls_index *ti);
void *ldx_guest_tls_soft(struct ldx_object *o);
void ldx_tls_static_info(size_t *size, size_t *align);

/* libc's requests for a new thread's TLS, for a used stack's, and for its end. */
void *ldx_allocate_tls(void *tcb);
void *ldx_allocate_tls_init(void *tcb, bool main_thread);
void ldx_deallocate_tls(void *tcb, bool dealloc_tcb);

/* Stands before libc's own. */
int ldx_pthread_create(void *thread, const void *attr, void *(*start)(void *), void *arg);
int ldx_thrd_create(void *thread, int (*start)(void *), void *arg);

/* The main thread's control block, with DTV; NULL when out of memory. */
void *ldx_new_main_tls(void);
/* When everything is relocated: whose memory TLS blocks are. */
void ldx_choose_tls_memory(void);

#endif
