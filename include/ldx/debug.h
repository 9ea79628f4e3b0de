/* "Symbols changed": what ldx adds to the rendezvous of debuggers (struct r_debug, <link.h>), in a block of its own
 * that debuggers which don't know it never meet. docs/debug-protocol.md specifies it; this header is its shapes.
 *
 * The block is the variable _ldx_debug of ldx, a symbol of its dynamic symbol table. All of it is read from outside
 * the process, but for `reader`, which a debugger may write while the process is stopped. All addresses are 64 bits.
 */
#ifndef LDX_DEBUG_H
#define LDX_DEBUG_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LDX_DEBUG_VERSION 1

enum ldx_debug_kind {
  LDX_DEBUG_SYMBOL_ADDED = 1,
  LDX_DEBUG_SYMBOL_REMOVED = 2,
  LDX_DEBUG_SYMBOL_MOVED = 3,
  /* Of a whole object, when single symbols are not told: it is to be read anew */
  LDX_DEBUG_OBJECT_CHANGED = 4,
  LDX_DEBUG_OBJECT_ADDED = 5,   /* made at run time; it has no symbols yet */
  LDX_DEBUG_OBJECT_REMOVED = 6, /* with all its symbols, which are not told singly */
};

struct ldx_debug_change {
  uint64_t number;      /* of the change: 1, 2, 3... without gaps */
  uint64_t generation;  /* with which it became visible */
  uint16_t kind;        /* enum ldx_debug_kind; others may come: skip what you don't know */
  uint16_t symbol_type; /* STT_*; 0 for objects */
  int32_t ns;           /* Lmid_t of the object's namespace */
  uint64_t object;      /* its link map: to be followed while the announcement lasts (see brk), or if a list has it */
  uint64_t value, size; /* address of the symbol and its bytes; SYMBOL_REMOVED: 0 */
  uint64_t old;         /* SYMBOL_MOVED, SYMBOL_REMOVED: where it was */
  uint64_t whole_name;  /* address of the name; to be read while the announcement lasts, not later */
  char name[64];        /* of the symbol, or of the object; longer ones end with three dots */
};

/* Bits of ldx_debug.reader. */
enum {
  LDX_DEBUG_READS_CHANGES = 1, /* a debugger that knows this block is there */
  LDX_DEBUG_NO_BRIDGE = 2,     /* it reads symbols by itself: gdb's JIT interface is to be left alone from now on */
};

struct ldx_debug {
  char magic[4];        /* "LDXD"; zeros: ldx has not begun yet */
  uint32_t version;     /* LDX_DEBUG_VERSION; a higher one keeps all that is here */
  uint32_t size;        /* of this struct */
  uint32_t change_size; /* of struct ldx_debug_change: the distance of two entries of the ring */
  uint64_t generation;  /* two more with each announcement; odd while changes are being written */
  uint64_t brk;         /* address of _ldx_debug_changed, called once for each announcement, when all is visible */
  uint64_t changes;     /* address of the ring: change number n is in entry n % ring_size; 0: there is none yet */
  uint64_t ring_size;
  uint64_t first, next; /* numbers of the oldest change that the ring holds, and of the one to come */
  uint64_t r_debug;     /* address of the base namespace's struct r_debug, as the program finds it */
  uint64_t made;        /* address of the word that leads to the first struct ldx_debug_made */
  uint32_t reader;      /* written by debuggers; may be written before ldx has begun */
  uint32_t reserved;
};

/* An object made at run time. All are in one list, the youngest first; one that has left its namespace's list may be
 * there for a while. */
struct ldx_debug_made {
  uint64_t next;
  uint64_t object; /* its link map */
  uint64_t name;   /* address of the name that it was given */
};

/* What ldx keeps behind the six words of a struct r_debug (r_version 2: with r_next). */
struct ldx_debug_space {
  uint64_t r_debug[6];
  int64_t ns; /* Lmid_t */
};

/* Whether a debugger is there: the process that traces the calling thread (ptrace(2)), 0 for none, or a negative
 * errno value where /proc cannot be read. A tracer outside of this process's PID namespace counts as none. *reader
 * (unless NULL): the bits that debuggers have written, of whom only those listen that know this block.
 *
 * A tool may wait for a debugger by calling it again and again; a thread that finds a tracer was stopped by it first.
 * Any thread, also in signal handlers. Found as the functions of ldx/jit.h are. */
int ldx_debugger(uint32_t *reader);

#ifdef __cplusplus
}
#endif
#endif
