#include "loader/tell_memory.h"

#include <string.h>

#include "loader/load.h"

/* X(place, wrapper, symbol). The names of operator new and delete: Itanium C++ ABI 5.1. */
#define C_FUNCTIONS(X)                                                                                               \
  X(MALLOC, w_malloc, "malloc")                                                                                      \
  X(CALLOC, w_calloc, "calloc")                                                                                      \
  X(REALLOC, w_realloc, "realloc")                                                                                   \
  X(REALLOCARRAY, w_reallocarray, "reallocarray")                                                                    \
  X(FREE, w_free, "free")                                                                                            \
  X(ALIGNED_ALLOC, w_aligned_alloc, "aligned_alloc")                                                                 \
  X(MEMALIGN, w_memalign, "memalign")                                                                                \
  X(POSIX_MEMALIGN, w_posix_memalign, "posix_memalign")                                                              \
  X(VALLOC, w_valloc, "valloc")                                                                                      \
  X(PVALLOC, w_pvalloc, "pvalloc")                                                                                   \
  X(MMAP, w_mmap, "mmap")                                                                                            \
  X(MMAP64, w_mmap64, "mmap64")                                                                                      \
  X(MUNMAP, w_munmap, "munmap")                                                                                      \
  X(MREMAP, w_mremap, "mremap")
#define NEW_FUNCTIONS(X)                                                                                             \
  X(NEW_0, w_new_0, "_Znwm")                                                                                         \
  X(NEW_1, w_new_1, "_Znam")                                                                                         \
  X(NEW_2, w_new_2, "_ZnwmRKSt9nothrow_t")                                                                           \
  X(NEW_3, w_new_3, "_ZnamRKSt9nothrow_t")                                                                           \
  X(NEW_4, w_new_4, "_ZnwmSt11align_val_t")                                                                          \
  X(NEW_5, w_new_5, "_ZnamSt11align_val_t")                                                                          \
  X(NEW_6, w_new_6, "_ZnwmSt11align_val_tRKSt9nothrow_t")                                                            \
  X(NEW_7, w_new_7, "_ZnamSt11align_val_tRKSt9nothrow_t")
#define DELETE_FUNCTIONS(X)                                                                                          \
  X(DELETE_0, w_delete_0, "_ZdlPv")                                                                                  \
  X(DELETE_1, w_delete_1, "_ZdaPv")                                                                                  \
  X(DELETE_2, w_delete_2, "_ZdlPvm")                                                                                 \
  X(DELETE_3, w_delete_3, "_ZdaPvm")                                                                                 \
  X(DELETE_4, w_delete_4, "_ZdlPvRKSt9nothrow_t")                                                                    \
  X(DELETE_5, w_delete_5, "_ZdaPvRKSt9nothrow_t")                                                                    \
  X(DELETE_6, w_delete_6, "_ZdlPvSt11align_val_t")                                                                   \
  X(DELETE_7, w_delete_7, "_ZdaPvSt11align_val_t")                                                                   \
  X(DELETE_8, w_delete_8, "_ZdlPvmSt11align_val_t")                                                                  \
  X(DELETE_9, w_delete_9, "_ZdaPvmSt11align_val_t")                                                                  \
  X(DELETE_10, w_delete_10, "_ZdlPvSt11align_val_tRKSt9nothrow_t")                                                   \
  X(DELETE_11, w_delete_11, "_ZdaPvSt11align_val_tRKSt9nothrow_t")

#define PLACE(place, wrapper, symbol) place,
enum wrapped { C_FUNCTIONS(PLACE) NEW_FUNCTIONS(PLACE) DELETE_FUNCTIONS(PLACE) COUNT };
_Static_assert((int)COUNT == (int)LDX_MEMORY_WRAPPERS, "one wrapper a name");

/* Tables without pointers: they would be relocated at every start. */
#define NAME(place, wrapper, symbol) [place] = symbol,
static const char names[COUNT][36] = {C_FUNCTIONS(NAME) NEW_FUNCTIONS(NAME) DELETE_FUNCTIONS(NAME)};

#define REAL(place, result, ...) ((result(*)(__VA_ARGS__))ldx_self.watches.memory[place])

/* What an allocation function allocates by another one is one allocation; and who is told of it may allocate. NULL:
 * not to be told. */
static struct ldx_thread *begin(void) {
  if (!ldx_watches_memory())
    return NULL;
  struct ldx_thread *th = ldx_thread_self();
  if (!th && ldx_self.tls.adopts)
    th = ldx_tls_adopt_thread(&ldx_self.tls);
  if (!th || th->allocating)
    return NULL;
  th->allocating = true;
  return th;
}

static void end(struct ldx_thread *th) { th->allocating = false; }

static void tell(enum ldx_event_type type, enum wrapped which, const void *caller, const void *block, const void *old,
                 size_t bytes) {
  if (!ldx_wants(type))
    return;
  struct ldx_reader reader = ldx_reader_enter();
  struct ldx_event e = ldx_event_about(type, ldx_object_at((uintptr_t)caller));
  ldx_reader_leave(reader);
  e.addr = block;
  e.u.memory.bytes = bytes;
  e.u.memory.old = old;
  e.u.memory.function = names[which];
  e.u.memory.caller = caller;
  ldx_tell(&e);
}

/* A new block: p, which may be NULL. */
static void *allocated(struct ldx_thread *th, enum wrapped which, const void *caller, void *p, size_t bytes) {
  if (p)
    tell(LDX_EV_ALLOC, which, caller, p, NULL, bytes);
  end(th);
  return p;
}

#define CALLER __builtin_return_address(0)

static void *w_malloc(size_t n) {
  struct ldx_thread *th = begin();
  void *p = REAL(MALLOC, void *, size_t)(n);
  return th ? allocated(th, MALLOC, CALLER, p, n) : p;
}

static void *w_calloc(size_t count, size_t n) {
  struct ldx_thread *th = begin();
  void *p = REAL(CALLOC, void *, size_t, size_t)(count, n);
  return th ? allocated(th, CALLOC, CALLER, p, count * n) : p;
}

/* Without an old block it is an allocation; without a new one, and without a size, the old one is gone. */
static void *reallocated(struct ldx_thread *th, enum wrapped which, const void *caller, const void *old, void *p,
                         size_t bytes) {
  if (p || (old && !bytes))
    tell(old ? LDX_EV_REALLOC : LDX_EV_ALLOC, which, caller, p, old, bytes);
  end(th);
  return p;
}

static void *w_realloc(void *old, size_t n) {
  struct ldx_thread *th = begin();
  void *p = REAL(REALLOC, void *, void *, size_t)(old, n);
  return th ? reallocated(th, REALLOC, CALLER, old, p, n) : p;
}

static void *w_reallocarray(void *old, size_t count, size_t n) {
  struct ldx_thread *th = begin();
  void *p = REAL(REALLOCARRAY, void *, void *, size_t, size_t)(old, count, n);
  return th ? reallocated(th, REALLOCARRAY, CALLER, old, p, count * n) : p;
}

/* Told while the block is still the program's: afterwards another thread may get it. */
static void w_free(void *p) {
  struct ldx_thread *th = begin();
  if (th && p)
    tell(LDX_EV_FREE, FREE, CALLER, p, NULL, 0);
  REAL(FREE, void, void *)(p);
  if (th)
    end(th);
}

static void *w_aligned_alloc(size_t align, size_t n) {
  struct ldx_thread *th = begin();
  void *p = REAL(ALIGNED_ALLOC, void *, size_t, size_t)(align, n);
  return th ? allocated(th, ALIGNED_ALLOC, CALLER, p, n) : p;
}

static void *w_memalign(size_t align, size_t n) {
  struct ldx_thread *th = begin();
  void *p = REAL(MEMALIGN, void *, size_t, size_t)(align, n);
  return th ? allocated(th, MEMALIGN, CALLER, p, n) : p;
}

static int w_posix_memalign(void **out, size_t align, size_t n) {
  struct ldx_thread *th = begin();
  int r = REAL(POSIX_MEMALIGN, int, void **, size_t, size_t)(out, align, n);
  if (th)
    allocated(th, POSIX_MEMALIGN, CALLER, r ? NULL : *out, n);
  return r;
}

static void *w_valloc(size_t n) {
  struct ldx_thread *th = begin();
  void *p = REAL(VALLOC, void *, size_t)(n);
  return th ? allocated(th, VALLOC, CALLER, p, n) : p;
}

static void *w_pvalloc(size_t n) {
  struct ldx_thread *th = begin();
  void *p = REAL(PVALLOC, void *, size_t)(n);
  return th ? allocated(th, PVALLOC, CALLER, p, n) : p;
}

static void *mapped(struct ldx_thread *th, enum wrapped which, const void *caller, void *p, size_t n) {
  if (th)
    allocated(th, which, caller, p == (void *)-1 ? NULL : p, n);
  return p;
}

static void *w_mmap(void *at, size_t n, int prot, int flags, int fd, int64_t offset) {
  struct ldx_thread *th = begin();
  return mapped(th, MMAP, CALLER,
                REAL(MMAP, void *, void *, size_t, int, int, int, int64_t)(at, n, prot, flags, fd, offset), n);
}

static void *w_mmap64(void *at, size_t n, int prot, int flags, int fd, int64_t offset) {
  struct ldx_thread *th = begin();
  return mapped(th, MMAP64, CALLER,
                REAL(MMAP64, void *, void *, size_t, int, int, int, int64_t)(at, n, prot, flags, fd, offset), n);
}

static int w_munmap(void *p, size_t n) {
  struct ldx_thread *th = begin();
  if (th)
    tell(LDX_EV_FREE, MUNMAP, CALLER, p, NULL, n);
  int r = REAL(MUNMAP, int, void *, size_t)(p, n);
  if (th)
    end(th);
  return r;
}

static void *w_mremap(void *old, size_t old_size, size_t n, int flags, void *at) {
  struct ldx_thread *th = begin();
  void *p = REAL(MREMAP, void *, void *, size_t, size_t, int, void *)(old, old_size, n, flags, at);
  if (th)
    reallocated(th, MREMAP, CALLER, old, p == (void *)-1 ? NULL : p, n);
  return p;
}

/* --- operator new, operator delete ----------------------------------------------------------------------- */

/* operator new may be left by an exception. */
int ldx_new_unwound(int version, int actions) __attribute__((used));
int ldx_new_unwound(int version, int actions) {
  enum { CLEANUP_PHASE = 2, CONTINUE_UNWIND = 8 };
  struct ldx_thread *th = ldx_thread_self();
  (void)version;
  if ((actions & CLEANUP_PHASE) && th)
    end(th);
  return CONTINUE_UNWIND;
}

static __attribute__((noinline)) void *new_guarded(struct ldx_thread *th, enum wrapped which, const void *caller,
                                                   size_t n, uintptr_t a, uintptr_t b) {
  __asm__ volatile(".cfi_personality 0x1b, ldx_new_unwound" ::); /* PC-relative, 4 bytes */
  return allocated(th, which, caller, REAL(which, void *, size_t, uintptr_t, uintptr_t)(n, a, b), n);
}

static void *new_object(enum wrapped which, const void *caller, size_t n, uintptr_t a, uintptr_t b) {
  struct ldx_thread *th = begin();
  return th ? new_guarded(th, which, caller, n, a, b) : REAL(which, void *, size_t, uintptr_t, uintptr_t)(n, a, b);
}

static void delete_object(enum wrapped which, const void *caller, void *p, uintptr_t a, uintptr_t b) {
  struct ldx_thread *th = begin();
  if (th && p)
    tell(LDX_EV_FREE, which, caller, p, NULL, 0);
  REAL(which, void, void *, uintptr_t, uintptr_t)(p, a, b);
  if (th)
    end(th);
}

/* Some take more than a size or a block: alignment, size, nothrow. All of it goes on. */
#define NEW(place, wrapper, symbol)                                                                                  \
  static void *wrapper(size_t n, uintptr_t a, uintptr_t b) { return new_object(place, CALLER, n, a, b); }
#define DELETE(place, wrapper, symbol)                                                                               \
  static void wrapper(void *p, uintptr_t a, uintptr_t b) { delete_object(place, CALLER, p, a, b); }
NEW_FUNCTIONS(NEW)
DELETE_FUNCTIONS(DELETE)

/* --- binding --------------------------------------------------------------------------------------------- */

#define FUNCTION(place, wrapper, symbol)                                                                             \
  case place:                                                                                                        \
    return (uintptr_t)wrapper;
static uintptr_t wrapper_of(enum wrapped which) {
  switch (which) {
    C_FUNCTIONS(FUNCTION)
    NEW_FUNCTIONS(FUNCTION)
    DELETE_FUNCTIONS(FUNCTION)
  default:
    return 0;
  }
}

/* The first definition of a name is the program's: another one (of a library that has its own malloc for itself) is
 * not wrapped. */
uintptr_t ldx_memory_wrapper(const struct ldx_object *from, const struct ldx_object *definer, const Elf64_Sym *sym,
                             uintptr_t real) {
  if (!ldx_watches_memory() && !ldx_self.in_app)
    return 0;
  if (definer->ns != &ldx_self.base || definer->kind == LDX_LOADER || ELF64_ST_TYPE(sym->st_info) != STT_FUNC ||
      (from && (from->overridden || from->ns != &ldx_self.base)))
    return 0;
  const char *name = elf_symbol_name(ldx_definitions(definer), sym);
  for (enum wrapped i = 0; i < COUNT; i++) {
    if (strcmp(names[i], name))
      continue;
    uintptr_t known = 0;
    bool first = __atomic_compare_exchange_n(&ldx_self.watches.memory[i], &known, real, false, __ATOMIC_ACQ_REL,
                                             __ATOMIC_ACQUIRE);
    return first || known == real ? wrapper_of(i) : 0;
  }
  return 0;
}
