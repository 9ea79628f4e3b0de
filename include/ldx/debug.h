/* "Symbols changed": what ldx adds to the rendezvous of debuggers (struct r_debug, <link.h>), in a block of its own
 * that debuggers which don't know it never meet. docs/debug-protocol.md specifies it; this header is its shapes.
 *
 * The block is the variable _ldx_debug of ldx, a symbol of its dynamic symbol table. All of it is read from outside
 * the process, but for `reader`, which a debugger may write while the process is stopped. All addresses are 64 bits.
 */
#ifndef LDX_DEBUG_H
#define LDX_DEBUG_H

#include <link.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LDX_DEBUG_VERSION 1

enum ldx_debug_kind {
  LDX_DEBUG_SYMBOL_ADDED = 1,
  LDX_DEBUG_SYMBOL_REMOVED = 2,
  LDX_DEBUG_SYMBOL_MOVED = 3, /* was at `old` */
  /* Of a whole object, when single symbols are not told: it is to be read anew */
  LDX_DEBUG_OBJECT_CHANGED = 4,
  LDX_DEBUG_OBJECT_ADDED = 5, /* made at run time */
  LDX_DEBUG_OBJECT_REMOVED = 6,
};

struct ldx_debug_change {
  uint64_t number;         /* of the change: 1, 2, 3... without gaps */
  uint64_t generation;     /* with which it became visible */
  uint32_t kind;           /* enum ldx_debug_kind */
  uint32_t symbol_type;    /* STT_* */
  struct link_map *object; /* REMOVED: do not follow it */
  uint64_t value, size;    /* of the symbol */
  uint64_t old;            /* MOVED: where it was */
  char name[64];           /* of the symbol, or of the object; longer names end with three dots */
};

/* Bits of ldx_debug.reader. */
enum {
  LDX_DEBUG_READS_CHANGES = 1, /* a debugger that knows this block is there */
  LDX_DEBUG_NO_BRIDGE = 2,     /* it reads symbols by itself: gdb's JIT interface is to be left alone from now on */
};

struct ldx_debug {
  char magic[4];        /* "LDXD" */
  uint32_t version;     /* LDX_DEBUG_VERSION; a higher one keeps all that is here */
  uint32_t size;        /* of this struct */
  uint32_t change_size; /* of struct ldx_debug_change */
  uint64_t generation;  /* counts announcements; odd while a change is being written */
  uint64_t brk;         /* address of _ldx_debug_changed, called once for each announcement, when all is visible */
  uint64_t changes;     /* address of the ring: change number n is in entry n % ring_size; 0: no change yet */
  uint64_t ring_size;
  uint64_t first, next; /* numbers of the oldest change that the ring holds, and of the one to come */
  uint64_t r_debug;     /* of the base namespace */
  uint32_t reader;      /* written by debuggers */
  uint32_t reserved;
};

#ifdef __cplusplus
}
#endif
#endif
