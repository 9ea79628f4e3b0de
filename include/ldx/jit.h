/* Objects made at run time: a JIT compiler's functions and data as a shared object like any other. dlsym and dladdr,
 * dl_iterate_phdr and unwinders, references of other libraries, debuggers and profilers see what is published.
 *
 * An object has room for code, data and read-only data, reserved when it is made: neither the object nor anything in
 * it ever moves. What is changed is collected (bind, unbind, frames, lines, debug information) until ldx_jit_publish
 * makes all of it visible and tells debuggers, profilers and tools once. The cost of that depends on how much is
 * published, not on how many objects there are.
 *
 * No page is ever writable and executable. Code is written through a second view of the same memory, at an address
 * that only ldx_jit_writable tells, and that no constant distance leads to. When a process forks (by libc's fork; not
 * by vfork or posix_spawn) the child gets a copy of the memory: what either of them compiles from then on is its own.
 * Where there was no memory or descriptor for the copy, the child can change nothing (ENOMEM).
 *
 * An ldx_jit * is a handle for dlsym, dlvsym, dlinfo and dlclose as well. The object is named NAME (its soname:
 * dlopen with RTLD_NOLOAD finds it); its path, which link_map, dladdr and dl_iterate_phdr give, is /proc/PID/fd/N: an
 * ELF file (gABI ch. 4 and 5, without section headers) as long as the process lives and keeps that descriptor.
 * `ldx-ctl PID save NAME FILE` writes it with section headers.
 *
 * Any thread may call these functions, but not from a signal handler. They return 0 or a negative errno value, keep
 * nothing of their arguments, and change nothing when they fail. EBUSY (NULL): a resolver that publishing an object
 * calls wants to change that object. Link with libldx.a, where
 * they answer -ENOSYS (NULL) in a process that ldx did not start; a shared library may also leave them undefined, and
 * dlsym(RTLD_DEFAULT, ...) finds them.
 */
#ifndef LDX_JIT_H
#define LDX_JIT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ldx_jit ldx_jit;

enum {
  LDX_JIT_GLOBAL = 1,    /* its symbols are found by everybody, as with RTLD_GLOBAL; else by its handle only */
  LDX_JIT_PERF_MAP = 2,  /* published functions are written to /tmp/perf-PID.map (also by LDX_PERF=map) */
  LDX_JIT_PERF_DUMP = 4, /* and to jit-PID.dump, for `perf inject --jit` (also by LDX_PERF=dump) */
  LDX_JIT_QUIET = 8,     /* debuggers are not shown its symbols (they still see the object) */
};

/* 0: the usual. Room costs addresses, not memory. */
struct ldx_jit_limits {
  uint32_t size;    /* sizeof(struct ldx_jit_limits) */
  uint32_t symbols; /* alive at the same time; 262144 */
  uint64_t code;    /* bytes; 32 MiB */
  uint64_t data;    /* 16 MiB */
  uint64_t rodata;  /* 8 MiB */
};

/* In the namespace of the code that calls. EEXIST: an object of that name is there; EINVAL: an empty name, unknown
 * flags, or limits of more than 2 GiB together; ENOMEM; EMFILE, ENFILE; EFBIG: RLIMIT_FSIZE is smaller than the
 * object. */
int ldx_jit_new(const char *name, uint32_t flags, const struct ldx_jit_limits *limits, ldx_jit **out);

/* Memory, filled with zeros (code: with trapping instructions). */
enum ldx_jit_kind { LDX_JIT_RODATA, LDX_JIT_DATA, LDX_JIT_CODE };
/* NULL: no room is left, or align is no power of two up to 4096. */
void *ldx_jit_alloc(ldx_jit *jit, size_t size, size_t align, enum ldx_jit_kind kind);
/* Where the byte at addr of the object can be written; NULL: not in the object. Also for data, which is writable
 * where it is. Instructions written here are seen by other threads as the CPU's rules for cross-modifying code say.
 */
void *ldx_jit_writable(ldx_jit *jit, const void *addr);
/* Gives a block back, at once: no thread may be in it, or hold its address. Symbols in it must have been unbound;
 * frames and lines go with it. EINVAL: not the begin of a block; EBUSY: a published or staged symbol is in it. */
int ldx_jit_free(ldx_jit *jit, void *addr);

/* A symbol. Binding a name and version that is there already rebinds it. From publish on dlsym tells the new
 * address, and what other objects' relocations wrote for the old one follows (GOT entries, PLT slots, pointers in
 * data); addresses that dlsym told before cannot follow, unless the symbol is LDX_JIT_FOLLOWS. */
enum {
  LDX_JIT_WEAK = 1,
  LDX_JIT_FOLLOWS = 2, /* a function: what everybody sees is the address of a jump that leads to its code, for ever */
};
struct ldx_jit_symbol {
  uint32_t size; /* sizeof(struct ldx_jit_symbol) */
  uint32_t flags;
  const char *name;
  const char *version; /* NULL: none */
  void *addr;          /* in the object, or anywhere: then it is an absolute symbol, which dladdr does not find */
  size_t bytes;        /* of the function or variable; 0: not known */
  uint32_t type;       /* STT_FUNC, STT_OBJECT, STT_NOTYPE or STT_GNU_IFUNC (gABI ch. 4) */
};
/* EINVAL: no such type, an empty name; ENOSPC: more symbols than the limit; ENOMEM. When room is short because of
 * what was replaced, this and publish wait a moment (0.1 s at most, without a lock) for threads that may still read
 * it. */
int ldx_jit_bind(ldx_jit *jit, const struct ldx_jit_symbol *symbol);
/* ENOENT: no such symbol. What was bound to it keeps its address. */
int ldx_jit_unbind(ldx_jit *jit, const char *name, const char *version);

/* How to unwind: bytes in the format of .eh_frame (LSB Core, "Exception Frames"), with or without the terminator,
 * read as if they were at `where` (NULL: at `frames` itself; pointers relative to the section's begin are not
 * supported). The code that they describe must lie in the object. */
int ldx_jit_frames(ldx_jit *jit, const void *frames, size_t size, const void *where);
/* For code without such bytes. The code must have been written: it is looked at. */
enum ldx_jit_frame {
  LDX_JIT_FRAME_LEAF,    /* does not move the stack pointer */
  LDX_JIT_FRAME_POINTER, /* begins with push %rbp; mov %rsp,%rbp (with or without endbr64 before), ends with leave or
                          * pop %rbp; ret */
};
int ldx_jit_frame(ldx_jit *jit, const void *code, size_t size, enum ldx_jit_frame kind);

/* Line numbers of code[0..size): ascending offsets; each line holds up to the next offset. */
struct ldx_jit_line {
  uint32_t offset, line;
};
int ldx_jit_lines(ldx_jit *jit, const void *code, size_t size, const char *file, const struct ldx_jit_line *lines,
                  size_t count);
/* Full debug information: a copy of an ELF file whose sections and symbols have their final addresses, as gdb's JIT
 * interface wants it ("JIT Compilation Interface" in gdb's manual). It is shown until the object goes. */
int ldx_jit_debug(ldx_jit *jit, const void *elf, size_t size);

/* All that was collected becomes visible, and is told once. A thread that searches meanwhile finds each symbol as it
 * was or as it is. ENOMEM: nothing is visible, all stays collected. */
int ldx_jit_publish(ldx_jit *jit);
/* Forgets what was collected. Blocks stay allocated. */
int ldx_jit_discard(ldx_jit *jit);

/* Closes the handle, as dlclose does: the object goes when nobody is bound to its symbols. The pointer must not be
 * used any more. */
int ldx_jit_delete(ldx_jit *jit);

#ifdef __cplusplus
}
#endif
#endif
