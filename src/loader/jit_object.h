/* Objects made at run time (include/ldx/jit.h), as the files of loader/ share them:
 *
 *   jit.c          the functions of the public header: checks, locks, and the order of things
 *   jit_image.c    makes the ELF image of a new object and loads it (a struct ldx_load like any other); deletes it
 *   jit_memory.c   one memfd an object, mapped twice; what a fork needs
 *   jit_blocks.c   blocks of code, data and read-only data
 *   jit_symbols.c  symbol table, strings and hash that grow under readers without a lock
 *   jit_stage.c    what was bound and unbound since the last publish
 *   jit_address.c  from an address to the symbol that covers it
 *   jit_follow.c   rebinding: what other objects' relocations wrote, and jumps that lead to the code
 *   jit_unwind.c   .eh_frame and its search table
 *   jit_show.c     what is told when a batch is published: bridge to gdb's JIT interface, changes, events
 *   jit_perf.c     perf's map and jitdump
 *   dlbind.c       libdlbind's functions
 *
 * The image: one file, offsets are addresses less the bias. Its regions never move. */
#ifndef LDX_LOADER_JIT_OBJECT_H
#define LDX_LOADER_JIT_OBJECT_H

#include "debug-protocol/symfile.h"
#include "loader/load.h"

/* st_shndx of a symbol is the kind of its region plus one, or SHN_ABS. */
enum ldx_jit_region_kind {
  LDX_REGION_HEAD, /* ELF header, program headers, soname; .dynamic stands in a page of its own behind them */
  LDX_REGION_SYMBOLS,
  LDX_REGION_VERSIONS, /* version words of symbols */
  LDX_REGION_STRINGS,
  LDX_REGION_HASH,      /* SysV hash tables, each twice as large as the one before it */
  LDX_REGION_FRAMES,    /* .eh_frame */
  LDX_REGION_FRAME_HDR, /* .eh_frame_hdr with its table */
  LDX_REGION_RODATA,
  LDX_REGION_CODE,
  LDX_REGION_DATA,
  LDX_REGIONS
};

struct ldx_jit_region {
  uintptr_t at;      /* address in the view that programs see */
  size_t size, used; /* used: grows; free blocks below it are the allocator's business */
};

/* Something that a batch changed, as those who tell it see it. */
enum ldx_jit_what { LDX_JIT_ADDED, LDX_JIT_REMOVED, LDX_JIT_MOVED };
struct ldx_jit_change {
  enum ldx_jit_what what;
  unsigned char info; /* st_info */
  const char *name;   /* of the object's strings, or heap text until the batch has been told */
  uintptr_t value, old;
  uint64_t size;
};

/* Debug information as it was given: a file in memory, heap. */
struct ldx_jit_file {
  struct ldx_jit_file *next;
  char *bytes;
  size_t size;
};

/* A batch, when all of it is visible. Arrays belong to the object's owner, and live until the call returns; lines and
 * files pass into the hands of the one that is told (jit_show.c keeps them). */
struct ldx_jit_batch {
  const struct ldx_jit_change *changes;
  size_t count;
  struct ldx_jit_lines *lines; /* new ones */
  struct ldx_jit_file *files;
};

struct ldx_jit_show;    /* jit_show.c */
struct ldx_jit_unwind;  /* jit_unwind.c */
struct ldx_jit_symbols; /* jit_symbols.c */
struct ldx_jit_memory;  /* jit_memory.c */
struct ldx_jit_blocks;  /* jit_blocks.c */

struct ldx_jit_object {
  struct ldx_jit_object *next; /* of all: ldx_self.jits */
  struct ldx_object *object;
  const char *name; /* as it was given */
  uint32_t flags;   /* LDX_JIT_* */
  int fd;
  uintptr_t low, high; /* the view that programs see */
  uintptr_t alias;     /* where the writable view begins */
  struct ldx_jit_region regions[LDX_REGIONS];
  struct ldx_jit_memory *memory;
  struct ldx_jit_blocks *blocks;
  struct ldx_jit_symbols *symbols;
  struct ldx_jit_unwind *unwind;
  struct ldx_jit_show *show;
  struct ldx_jit_lines *lines; /* staged */
  struct ldx_jit_file *files;
  bool publishing; /* the resolvers that it calls may call back */
  bool frozen;     /* of the parent of this process: there was no memory for a copy, so nothing can be changed */
};

/* The object of a handle; NULL: it is none of these. Under the writer lock. */
struct ldx_jit_object *ldx_jit_of(const void *handle);

/* Where a byte of the view can be written. */
static inline void *ldx_jit_alias(const struct ldx_jit_object *j, uintptr_t at) {
  return (void *)(j->alias + (at - j->low));
}

/* jit_unwind.c. All under the writer lock; results are 0 or -errno. */
int ldx_jit_unwind_new(struct ldx_jit_object *j); /* writes an empty .eh_frame and .eh_frame_hdr */
void ldx_jit_unwind_free(struct ldx_jit_object *j);
/* Collected until publish or discard. The bytes are checked, and kept in a form that does not depend on where they
 * lie. */
int ldx_jit_unwind_stage(struct ldx_jit_object *j, const void *frames, size_t size, uintptr_t where);
int ldx_jit_unwind_stage_simple(struct ldx_jit_object *j, uintptr_t code, size_t size, int kind);
/* Room for all that is staged; publish cannot fail after it. */
int ldx_jit_unwind_reserve(struct ldx_jit_object *j);
void ldx_jit_unwind_publish(struct ldx_jit_object *j);
void ldx_jit_unwind_discard(struct ldx_jit_object *j);
/* The code [low, high) is gone. */
void ldx_jit_unwind_drop(struct ldx_jit_object *j, uintptr_t low, uintptr_t high);
/* Address of .eh_frame_hdr as it is now. Lock-free, async-signal-safe. */
uintptr_t ldx_jit_unwind_header(const struct ldx_jit_object *j);
/* The published frames of code in [low, high), one after the other as .eh_frame has them, with absolute pointers
 * only: heap memory, ended by a terminator. NULL and *size 0: there are none, or no memory. */
char *ldx_jit_unwind_copy(const struct ldx_jit_object *j, uintptr_t low, uintptr_t high, size_t *size);

/* jit_show.c: tells debuggers, tools and profilers of a batch. Under the writer lock; failures (no memory) leave
 * debuggers with less, never with something wrong. */
void ldx_jit_show_new(struct ldx_jit_object *j);
void ldx_jit_show_batch(struct ldx_jit_object *j, const struct ldx_jit_batch *batch);
/* Code got frames, which the batch to come will show; a block was freed. */
void ldx_jit_show_frames(struct ldx_jit_object *j, uintptr_t low, uintptr_t high);
void ldx_jit_show_freed(struct ldx_jit_object *j, uintptr_t low, uintptr_t high);
void ldx_jit_show_gone(struct ldx_jit_object *j); /* before its memory goes; frees j->show */

/* jit_perf.c */
void ldx_jit_perf_new(struct ldx_jit_object *j); /* when its memory is mapped, and nobody runs in it */
void ldx_jit_perf_batch(struct ldx_jit_object *j, const struct ldx_jit_batch *batch); /* jit_show.c calls it */
void ldx_jit_perf_fork(void); /* in the child, when the memory is its own: files of its own from now on */
void ldx_jit_perf_end(void);  /* the process ends */
/* What stood in this code before is of no use to valgrind any more. Called when a block is freed, and for what is
 * published. */
void ldx_jit_code_changed(uintptr_t low, uintptr_t high);

/* jit_memory.c. Results are 0 or -errno. */
enum { LDX_JIT_PATH_SIZE = 40 }; /* of link_map.l_name, with room for any process and descriptor */
/* What an object is to have; gap: addresses between code and data that are left to ldx_jit_add_view. */
struct ldx_jit_plan {
  const char *name;
  uint32_t flags, symbols;
  uint64_t code, data, rodata, gap;
};
/* Lays the regions out, and maps them for programs and for writing. */
int ldx_jit_map(struct ldx_jit_object *j, const struct ldx_jit_plan *p);
void ldx_jit_unmap(struct ldx_jit_object *j);
/* Memory has a dynamic section with addresses, as any library's: this is where it can be written. */
Elf64_Dyn *ldx_jit_dynamic_alias(const struct ldx_jit_object *j);
/* One more view of [low, high) that can be written, at an address in the gap. */
int ldx_jit_add_view(struct ldx_jit_object *j, uintptr_t low, uintptr_t high, uintptr_t at);
/* The programs' view of [low, high) shows the code that was written, also where a debugger has breakpoints. */
void ldx_jit_refresh(const struct ldx_jit_object *j, uintptr_t low, uintptr_t high);
/* Around a fork made by libc; nothing to do without objects. */
void ldx_jit_before_fork(void);
void ldx_jit_after_fork(bool child);

/* jit_image.c */
/* Makes an object, in the namespace of the code at `caller`, and opens it. */
int ldx_jit_create(const struct ldx_jit_plan *p, const void *caller, struct ldx_jit_object **out);
/* The object is not found any more; and nobody reads it any more. */
void ldx_jit_gone(struct ldx_object *o);
void ldx_jit_end(struct ldx_object *o);

/* jit_address.c */
/* The nearest symbol below that covers the address. Lock-free, async-signal-safe. */
const Elf64_Sym *ldx_jit_address_find(const struct ldx_jit_object *j, uintptr_t at);

/* jit_follow.c */
/* A relocation of `from` has bound to a symbol of an object made at run time, and wrote the value: it will be written
 * again when that changes. False: no memory. Under the writer lock. */
bool ldx_jit_note(struct ldx_object *from, const Elf64_Rela *rel, const struct ldx_binding *b, uintptr_t value);
/* An object goes that may have been bound to others. */
void ldx_jit_forget_referrer(const struct ldx_object *o);

#endif
