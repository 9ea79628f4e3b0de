/* Thread-local storage: static layout, DTVs and generations (Drepper, "ELF Handling For Thread-Local
 * Storage", variant II; psABI).
 *
 * A DTV has the layout that guest libcs and libthread_db know: an array of { pointer, to_free } whose element
 * 0 holds the generation and element -1 the length. Element -2, ldx's own, points to the thread's record.
 * `to_free` stays NULL: libc must not free what ldx owns.
 *
 * Threads: slots and layout change under ldx_tls.lock; ldx_tls_get_addr reads without a lock. */
#ifndef LDX_TLS_TLS_H
#define LDX_TLS_TLS_H

#include "arch/x86_64/cpu.h"
#include "base/lock.h"
#include "namespace/object.h"

union ldx_dtv {
  size_t counter;
  struct {
    void *val;
    void *to_free;
  } pointer;
};
#define LDX_TLS_UNALLOCATED ((void *)-1l)

/* What the psABI passes to __tls_get_addr. */
struct ldx_tls_index {
  uint64_t module, offset;
};

struct ldx_tlsdesc {
  uint64_t module, offset, generation;
};

_Static_assert(sizeof(struct ldx_tlsdesc) == LDX_TLSDESC_SIZE, "as object.h says");

/* Module table; libthread_db reads it under its glibc name, dtv_slotinfo_list. */
struct ldx_tls_slots {
  size_t len;
  struct ldx_tls_slots *next; /* always NULL: the table is replaced when it grows */
  struct {
    size_t generation;
    struct ldx_object *object;
  } at[];
};

struct ldx_tls_block {
  struct ldx_tls_block *next;
  uint64_t module;
  void *memory;
};

struct ldx_error_state { /* dlerror(3), one per thread */
  char *text;
  bool pending, returned;
};

/* The loader's record of a thread that has TLS. */
struct ldx_thread {
  struct ldx_thread *next, *prev;
  uintptr_t tcb;
  void *raw; /* memory of tcb when ldx allocated it */
  struct ldx_tls_block *blocks;
  struct ldx_error_state error;
  void *catcher;         /* innermost struct ldx_catcher */
  uint64_t reader_epoch; /* 0: not inside a lock-free reader */
  uint32_t iterating;    /* calls of dl_iterate_phdr it is in */
};

struct ldx_tls {
  struct ldx_heap *heap;
  struct ldx_rlock lock;
  struct ldx_tls_slots *slots;
  size_t max_module; /* highest module id in use */
  size_t generation; /* of the newest change */
  size_t static_used, static_size, static_align, surplus;
  size_t tcb_size; /* bytes from the thread pointer up that belong to the libc */
  bool started;    /* the layout is fixed: static_size may not grow any more */
  struct ldx_thread *threads;
};

/* Gives a module id to an object with a TLS segment; false when out of memory. */
bool ldx_tls_add_module(struct ldx_tls *t, struct ldx_object *o);
void ldx_tls_drop_module(struct ldx_tls *t, struct ldx_object *o);
/* Makes modules with this or an older generation visible to __tls_get_addr. */
void ldx_tls_publish(struct ldx_tls *t);

/* Start-up: places all modules that have an id, then fixes the size. */
void ldx_tls_layout(struct ldx_tls *t, size_t tcb_size, size_t tcb_align);
/* Start-up, after the layout: zeroed room in each thread for libc's own use, that far below the thread pointer. */
size_t ldx_tls_reserve(struct ldx_tls *t, size_t size, size_t align);

/* Puts a module loaded later into the static surplus; false when there is no room (or it is dynamic already). */
bool ldx_tls_make_static(struct ldx_tls *t, struct ldx_object *o);
/* Writes the image of a late static module into every thread. */
void ldx_tls_init_static(struct ldx_tls *t, struct ldx_object *o);

/* A thread's block: memory (zeroed), thread control block at the result; NULL when out of memory. */
void *ldx_tls_new_storage(struct ldx_tls *t, void **raw);
/* DTV and record for the thread control block `tcb`; false when out of memory. */
bool ldx_tls_new_dtv(struct ldx_tls *t, void *tcb);
/* Fills DTV and static blocks from the images. */
void ldx_tls_init_thread(struct ldx_tls *t, void *tcb);
void ldx_tls_free_thread(struct ldx_tls *t, void *tcb, bool storage);

static inline union ldx_dtv *ldx_tls_dtv_of(void *tcb) { return *(union ldx_dtv **)((char *)tcb + LDX_TCB_DTV); }
static inline struct ldx_thread *ldx_dtv_thread(union ldx_dtv *dtv) { return dtv ? dtv[-2].pointer.val : NULL; }
/* The calling thread's record; NULL for a thread that libc did not make. */
static inline struct ldx_thread *ldx_thread_self(void) { return ldx_dtv_thread(ldx_thread_dtv()); }

/* Address of the calling thread's block of a module; soft: NULL instead of allocating. */
void *ldx_tls_address(struct ldx_tls *t, uint64_t module, bool soft);

#endif
