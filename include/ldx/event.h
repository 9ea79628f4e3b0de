/* Events: what the loader does, told as it happens. Read-only: an event lies in memory that the tool cannot write.
 *
 * Every event has a sequence number; numbers have no gaps. The history keeps the latest 65,536 of them ("events":
 * {"history": N} in a policy; a power of two), so that a tool that comes late can read what it missed. Texts stay
 * valid as long as the process lives. */
#ifndef LDX_EVENT_H
#define LDX_EVENT_H

#include <ldx/tool.h>

#ifdef __cplusplus
extern "C" {
#endif

enum ldx_event_type {
  LDX_EV_START = 1,  /* ldx has begun; text: the program */
  LDX_EV_LOAD_BEGIN, /* objects come in, or go out: until LOAD_END the list is not consistent. u.load */
  LDX_EV_LOAD_END,   /* u.load.status tells how it ended; the list is consistent */
  LDX_EV_SEARCH,     /* a library is looked for. u.lib: name; object: who asks */
  LDX_EV_FOUND,      /* u.lib: name, path, reason */
  LDX_EV_DENIED,     /* u.lib: name, reason, author */
  LDX_EV_REWRITTEN,  /* u.lib: name (before), path (after), reason, author */
  LDX_EV_MAPPED,     /* object is in memory, not yet relocated; other: the one it stands for (a proxy). u.lib */
  LDX_EV_RELOCATED,  /* object; u.lib */
  LDX_EV_BIND,     /* a reference of object is bound to other (0: to nothing). u.bind; addr: of the definition, of an
                      indirect function's resolver, or within the block of thread-local storage */
  LDX_EV_IFUNC,    /* a resolver has chosen. u.bind: slot, was: the resolver; addr: the choice */
  LDX_EV_INIT,     /* constructors of object begin, u.lib. The program's own are its libc's: MAIN comes instead */
  LDX_EV_READY,    /* and have ended. u.lib */
  LDX_EV_FINI,     /* destructors of object begin. u.lib */
  LDX_EV_UNLOADED, /* object is gone from all lists; its memory may still be mapped. u.lib */
  LDX_EV_DLOPEN,   /* called. u.call: name, mode; addr: caller */
  LDX_EV_DLOPENED, /* returns. u.call: name, error or NULL; object */
  LDX_EV_DLSYM,    /* u.bind: symbol, version; addr: the value, or NULL; object: who asks, other: definer */
  LDX_EV_DLCLOSE,  /* object; u.lib */
  LDX_EV_NAMESPACE_NEW,
  LDX_EV_NAMESPACE_GONE,
  LDX_EV_THREAD_START, /* on the thread itself. u.thread */
  LDX_EV_THREAD_EXIT,  /* on the thread itself. u.thread */
  LDX_EV_TLS_MODULE,   /* object has thread-local storage. u.tls */
  LDX_EV_TLS_MODULE_GONE,
  LDX_EV_TLS_BLOCK, /* a thread gets its block of a module. u.tls; addr: the block */
  LDX_EV_TLS_BLOCK_GONE,
  LDX_EV_FORK, /* in the parent. u.process.pid: the child */
  LDX_EV_VFORK,
  LDX_EV_CLONE,
  LDX_EV_SPAWN, /* u.process: pid, path */
  LDX_EV_CHILD, /* first event of the child of a fork. u.process.pid: the parent */
  LDX_EV_EXEC,  /* about to happen. u.process.path */
  LDX_EV_ALLOC, /* u.memory; addr: the block */
  LDX_EV_REALLOC,
  LDX_EV_FREE,
  LDX_EV_SYMBOLS,       /* symbols of object have changed, or are visible to more objects */
  LDX_EV_TOOL,          /* a tool is ready. u.tool */
  LDX_EV_TOOL_CONFLICT, /* u.tool: name, other, text */
  LDX_EV_TOOL_FAULT,    /* u.tool: name, text */
  LDX_EV_IO,            /* ldx opened a file, or failed. u.io */
  LDX_EV_MAIN,          /* the program's entry is called next */
  LDX_EV_EXIT,          /* the program ends: destructors follow */
  LDX_EV_TYPES          /* not an event: their number */
};

struct ldx_event {
  uint32_t size;
  uint16_t type, flags;
  uint64_t seq;  /* from 1 */
  uint64_t time; /* CLOCK_MONOTONIC, nanoseconds */
  uint32_t tid, pid;
  int64_t ns; /* Lmid_t of the namespace that it is about */
  ldx_id object, other;
  const void *addr;
  union {
    struct {
      const char *name, *path, *reason, *author;
      uintptr_t base;
    } lib;
    struct {
      uint32_t objects; /* that came in */
      int32_t status;   /* 0, or -1: everything was taken back */
      const char *text; /* the message then */
    } load;
    struct {
      const char *symbol, *version;
      void **slot;         /* NULL: none (dlsym) */
      uint32_t relocation; /* R_X86_64_ number; 0: none */
      uint32_t lazy;
      const void *was; /* what it would have been bound to, if a tool changed it */
    } bind;
    struct {
      const char *name, *error;
      int32_t mode;
    } call;
    struct {
      uintptr_t stack_low, stack_high; /* as pthread_getattr_np tells them */
      uintptr_t tcb;
      ldx_id thread;
    } thread;
    struct {
      uint64_t module, bytes, align, is_static;
      ldx_id thread;
    } tls;
    struct {
      int64_t pid;
      const char *path;
    } process;
    struct {
      uint64_t bytes;
      const void *old; /* REALLOC */
      const char *function;
      const void *caller;
    } memory;
    struct {
      const char *name, *other, *text;
    } tool;
    struct {
      const char *path, *call, *provider;
      int32_t error;
    } io;
    uint64_t raw[5];
  } u;
};

/* Set of types: LDX_EV_BIT(LDX_EV_MAPPED) | ... ; LDX_EV_LIBRARIES is what most tools want. */
#define LDX_EV_BIT(type) (UINT64_C(1) << (type))
#define LDX_EV_ALL ((UINT64_C(1) << LDX_EV_TYPES) - 2)
#define LDX_EV_LIBRARIES                                                                                             \
  (LDX_EV_BIT(LDX_EV_LOAD_BEGIN) | LDX_EV_BIT(LDX_EV_LOAD_END) | LDX_EV_BIT(LDX_EV_MAPPED) |                         \
   LDX_EV_BIT(LDX_EV_RELOCATED) | LDX_EV_BIT(LDX_EV_READY) | LDX_EV_BIT(LDX_EV_UNLOADED))

/* These come in great numbers: they are kept in the history only while somebody subscribes to them. */
#define LDX_EV_FREQUENT                                                                                              \
  (LDX_EV_BIT(LDX_EV_BIND) | LDX_EV_BIT(LDX_EV_IFUNC) | LDX_EV_BIT(LDX_EV_DLSYM) | LDX_EV_BIT(LDX_EV_TLS_BLOCK) |    \
   LDX_EV_BIT(LDX_EV_TLS_BLOCK_GONE) | LDX_EV_BIT(LDX_EV_ALLOC) | LDX_EV_BIT(LDX_EV_REALLOC) |                       \
   LDX_EV_BIT(LDX_EV_FREE) | LDX_EV_BIT(LDX_EV_IO))

/* Flags of LOAD_BEGIN and LOAD_END. */
enum { LDX_LOAD_OUT = 1 /* objects go out, not in */ };

typedef void ldx_event_fn(void *ctx, const struct ldx_event *event);

/* Subscribes to a set of types. What a tool does in a callback is told to others, not to itself; it can read it in
 * the history. The event is valid during the call; its texts stay. Several subscriptions of a tool are called in the
 * order they were made. LDX_EV_BIND, LDX_EV_DLSYM, LDX_EV_ALLOC and their like cost the program time only while
 * somebody subscribes to them. */
/* fn NULL: nobody is called, but the history keeps events of these types, for ldx_history. */
enum { LDX_SUBSCRIBE_REPLAY = 1 /* what the history holds of these types is told first */ };
int ldx_subscribe(ldx_tool *tool, uint64_t types, ldx_event_fn *fn, void *ctx, uint32_t flags);
/* Also from inside the callback. When it returns no other thread will begin a call. */
int ldx_unsubscribe(ldx_tool *tool, ldx_event_fn *fn, void *ctx);

/* Tells the events from number `from` on (0: the oldest kept); returns the number that would come next. */
uint64_t ldx_history(uint64_t from, ldx_event_fn *fn, void *ctx);
/* How many events the history has lost because it was full. */
uint64_t ldx_history_lost(void);

/* A short name, as in LDX_EV_MAPPED: "mapped"; NULL for no type. */
const char *ldx_event_name(uint32_t type);

/* Tells everybody that the symbols of the object at `addr` are not what they were. */
int ldx_symbols_changed(const void *addr);

#ifdef __cplusplus
}
#endif
#endif
