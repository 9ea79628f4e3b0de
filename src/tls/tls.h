/* Thread-local storage: static layout, DTVs and generations (Drepper, "ELF Handling For Thread-Local
 * Storage", variant II; psABI).
 *
 * A DTV has the layout that guest libcs and libthread_db know: an array of { pointer, to_free } whose element
 * 0 holds the generation and element -1 the length. Element -2, ldx's own, points to the thread's record.
 * `to_free` stays NULL: libc must not free what ldx owns. The word that points to the DTV is the one every libc has
 * for it, or, with a libc that keeps a DTV of another layout there, a word of ldx's own in the static block.
 *
 * Threads: slots and layout change under ldx_tls.lock; ldx_tls_get_addr reads without a lock. */
#ifndef LDX_TLS_TLS_H
#define LDX_TLS_TLS_H

#include "arch/x86_64/cpu.h"
#include "base/diag.h"
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
  uint64_t module, object; /* object: its number, also when it is gone */
  uint64_t bytes, align;
  void *at; /* in memory */
  void *memory;
  void (*release)(void *); /* NULL: the heap's */
  bool told_gone;
};

/* A DTV that was too short. Code that a signal interrupted may still read it. */
struct ldx_old_dtv {
  struct ldx_old_dtv *next;
  void *block;
};

struct ldx_error_state { /* dlerror(3), one per thread */
  struct ldx_diag diag;  /* the latest error; its line is made when it is asked for */
  char *line;
  bool pending;
};

struct ldx_iteration; /* loader/ */
enum { LDX_TLS_PROBES = 4 };

/* The loader's record of a thread that has TLS. */
struct ldx_thread {
  struct ldx_thread *next, *prev;
  uintptr_t tcb;
  void *raw;       /* memory of tcb when ldx allocated it */
  size_t room;     /* bytes below tcb that are for static TLS */
  size_t creating; /* static_size for the thread that this one is making; 0: makes none */
  struct ldx_tls_block *blocks;
  struct ldx_old_dtv *old_dtvs;
  struct ldx_error_state error;
  void *catcher;                   /* innermost struct ldx_catcher */
  uint32_t greeted;                /* tools whose libc is ready for this thread */
  uint64_t reader_epoch;           /* 0: not inside a lock-free reader */
  struct ldx_iteration *iteration; /* the innermost call of dl_iterate_phdr it is in */
  union ldx_dtv *dtv;
  int32_t io_wish;                 /* whether providers answer its calls: > 0 all, < 0 none, 0 those of `files` */
  int32_t process, id;             /* of an adopted thread */
  uint64_t number;                 /* never used twice; 0: nobody has asked for it yet */
  uintptr_t stack_low, stack_high; /* where its libc must be asked, and was; 0: not known */
  bool told;                       /* its static blocks were, and it has not ended since */
  bool forking;                    /* by a call that tells of it */
  bool allocating;                 /* it is inside a watched allocation function */
  const struct ldx_object *probed[LDX_TLS_PROBES]; /* what it asked for last, and may still read */
  uint32_t probes;
};

/* A block of a thread's that has come, or gone, for who wants to know. May be told in a signal handler. */
struct ldx_tls_fact {
  bool gone, is_static;
  uint64_t module, object, bytes, align;
  const void *block;
  struct ldx_thread *thread;
  uint64_t number; /* of the thread; 0: to be asked of it */
};
struct ldx_tls_watch {
  bool (*wanted)(void);
  void (*tell)(const struct ldx_tls_fact *fact);
};

/* Static TLS may grow while the program runs. A new thread gets the room that its libc is told of (static_size); room
 * below the threads that exist is what they were made with. */
struct ldx_tls {
  struct ldx_heap *heap;
  struct ldx_rlock lock;
  struct ldx_tls_slots *slots;
  size_t max_module; /* highest module id in use */
  size_t generation; /* of the newest change */
  size_t static_used, static_size, static_align, surplus;
  size_t static_floor;         /* what start-up used: never given back */
  size_t least_size;           /* static_size as libc first knew it */
  size_t tcb_size;             /* bytes from the thread pointer up that belong to the libc */
  bool (*resize)(size_t size); /* tells libc of another static_size; NULL: it cannot change */
  bool exclusive;              /* a thread is being made with another size than static_size */
  void *(*alloc)(size_t);      /* the program's malloc, when it is not its libc's: tools that replace it want to know
                                  TLS blocks (as they do under glibc's own loader); NULL: the heap's */
  void (*release)(void *);
  const struct ldx_tls_watch *watch; /* NULL: nobody will ever want to know of blocks */
  struct ldx_thread *threads;
  int64_t dtv_at;                /* from the thread pointer to the word that points to the DTV */
  bool adopts;                   /* libc makes threads without a word: they have a DTV from the day they need one */
  size_t adopted, adopted_limit; /* threads; and how many may be, before those that ended are looked for */
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

/* Start-up: what is used by now is never given back. */
void ldx_tls_keep_static(struct ldx_tls *t);

/* Gives a module loaded later static space; false when some thread has no room (or it is dynamic already). */
bool ldx_tls_make_static(struct ldx_tls *t, struct ldx_object *o);
/* Static TLS of threads made from now on has room for `surplus` bytes more than is used, if it had less. */
void ldx_tls_enlarge(struct ldx_tls *t, size_t surplus);
/* What static_size must be at least. */
size_t ldx_tls_small_size(const struct ldx_tls *t);
/* Around the making of a thread: nothing changes meanwhile what libc counts on. size: instead of static_size, for
 * this thread; 0: none. */
void ldx_tls_begin_thread(struct ldx_tls *t, struct ldx_thread *self, size_t size);
void ldx_tls_end_thread(struct ldx_tls *t, struct ldx_thread *self);
/* The same for one that can do without it, as long as that takes little. */
bool ldx_tls_offer_static(struct ldx_tls *t, struct ldx_object *o);
/* Writes the image of a late static module into every thread. */
void ldx_tls_init_static(struct ldx_tls *t, struct ldx_object *o);

/* A thread's block: memory (zeroed), thread control block at the result; NULL when out of memory. */
void *ldx_tls_new_storage(struct ldx_tls *t, void **raw);
/* DTV and record for the thread control block `tcb`, which has `room` bytes for static TLS below it; false when out
 * of memory. */
bool ldx_tls_new_dtv(struct ldx_tls *t, void *tcb, size_t room);
/* Fills DTV and static blocks from the images; false when out of memory. */
bool ldx_tls_init_thread(struct ldx_tls *t, void *tcb);
void ldx_tls_free_thread(struct ldx_tls *t, void *tcb, bool storage);
/* Tells of the thread's static blocks, unless that was done; of all its blocks that they are gone. */
void ldx_tls_tell_static(struct ldx_tls *t, struct ldx_thread *th);
void ldx_tls_tell_gone(struct ldx_tls *t, struct ldx_thread *th);

/* The images of all static blocks, as they lie below a thread pointer. */
void ldx_tls_copy_images(const struct ldx_tls *t, char *tp);
/* A record for the calling thread, when the libc announces none; NULL when out of memory. */
struct ldx_thread *ldx_tls_adopt_thread(struct ldx_tls *t);

static inline union ldx_dtv **ldx_tls_dtv_slot(const struct ldx_tls *t, void *tcb) {
  return (union ldx_dtv **)((char *)tcb + t->dtv_at);
}
static inline union ldx_dtv *ldx_tls_dtv_of(const struct ldx_tls *t, void *tcb) { return *ldx_tls_dtv_slot(t, tcb); }
static inline struct ldx_thread *ldx_dtv_thread(union ldx_dtv *dtv) { return dtv ? dtv[-2].pointer.val : NULL; }
/* The calling thread's DTV and record; NULL for a thread that libc did not announce. */
static inline union ldx_dtv *ldx_tls_dtv(const struct ldx_tls *t) { return ldx_thread_word(t->dtv_at); }
static inline struct ldx_thread *ldx_tls_thread(const struct ldx_tls *t) { return ldx_dtv_thread(ldx_tls_dtv(t)); }

/* Address of the calling thread's block of a module, which is made when it is not there; NULL: out of memory. Signal
 * handlers may use TLS themselves. */
void *ldx_tls_address(struct ldx_tls *t, uint64_t module);
/* The same, but NULL when there is no block yet. Changes nothing. */
void *ldx_tls_peek(const struct ldx_tls *t, uint64_t module);

#endif
