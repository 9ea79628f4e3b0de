/* The process context: the one writable object of the loader, and what the files of loader/ share. */
#ifndef LDX_LOADER_CONTEXT_H
#define LDX_LOADER_CONTEXT_H

#include "arch/x86_64/cpu.h"
#include "base/diag.h"
#include "base/heap.h"
#include "base/io.h"
#include "base/lock.h"
#include "debug-protocol/changes.h"
#include "debug-protocol/jit.h"
#include "debug-protocol/jit_set.h"
#include "debug-protocol/rdebug.h"
#include "hooks/hooks.h"
#include "libc/glibc/glibc.h"
#include "libc/musl/musl.h"
#include "loader/exe.h"
#include "loader/start.h"
#include "loader/watch.h"
#include "namespace/object.h"
#include "search/guide.h"
#include "search/library.h"
#include "search/symbol.h"
#include "tls/tls.h"

/* LD_DEBUG categories; the numbers are those of the system loader. */
enum {
  LDX_DEBUG_LIBS = 1 << 0,
  LDX_DEBUG_IMPCALLS = 1 << 1,
  LDX_DEBUG_BINDINGS = 1 << 2,
  LDX_DEBUG_SYMBOLS = 1 << 3,
  LDX_DEBUG_VERSIONS = 1 << 4,
  LDX_DEBUG_RELOC = 1 << 5,
  LDX_DEBUG_FILES = 1 << 6,
  LDX_DEBUG_STATISTICS = 1 << 7,
  LDX_DEBUG_UNUSED = 1 << 8,
  LDX_DEBUG_SCOPES = 1 << 9,
  LDX_DEBUG_HELP = 1 << 10,
};

#define LDX_DEFAULT_INTERP "/lib64/ld-linux-x86-64.so.2"
#define LDX_MUSL_INTERP "/lib/ld-musl-x86_64.so.1"
enum { LDX_CALLBACK_LOCKS = 64 };
enum { LDX_SEED_SIZE = 512 * 1024, LDX_MAIN_TLS = 1024 * 1024 };

/* LDX_LIST is --list, LDX_TRACE what LD_TRACE_LOADED_OBJECTS asks for, LDX_PLAN --plan and its like. */
enum ldx_mode { LDX_RUN, LDX_LIST, LDX_TRACE, LDX_VERIFY, LDX_TUNABLES, LDX_PLAN };

/* The auxiliary vector's entries that matter here (psABI 3.4.3). */
struct ldx_auxv {
  Elf64_auxv_t *vector;
  size_t count; /* with AT_NULL */
  const Elf64_Phdr *phdr;
  uint64_t phnum, entry, base, pagesize, hwcap, hwcap2, clktck, minsigstksz, fpucw;
  const char *execfn, *platform;
  const unsigned char *random;
  const Elf64_Ehdr *vdso;
  bool secure;
};

/* The process's first stack and what came with it. */
struct ldx_args {
  uintptr_t *stack; /* &argc */
  int argc;
  char **argv, **envp;
  char *ld[16]; /* variables whose names begin with LD: many are asked for, and there are few */
  uint32_t ld_count;
  bool ld_known; /* else envp is to be looked through */
  struct ldx_auxv auxv;
};

/* An option's arguments, in the order given. */
struct ldx_words {
  const char **at;
  size_t count, room;
};

struct ldx_options {
  enum ldx_mode mode;
  bool command; /* started as `ldx PROGRAM`, not as PT_INTERP */
  bool strict;
  bool bind_now, bind_not, dynamic_weak;
  bool list_program; /* LD_TRACE_LOADED_OBJECTS=2: the program too */
  bool list_verbose; /* LD_VERBOSE */
  bool list_warn;    /* LD_WARN */
  const char *argv0, *preload_option, *preload_env;
  uint32_t debug; /* LDX_DEBUG_* */
  int debug_fd;
  const char *audit_env, *audit_option; /* LD_AUDIT, --audit */
  const char *share;                    /* patterns of libraries that all namespaces have in common */
  const char *tunables;                 /* GLIBC_TUNABLES */
  bool follow;                          /* programs that are started stay under ldx */
  bool followed;                        /* this one is such a program */
  struct ldx_words passed_on;           /* options that these get too */
  struct ldx_words tools, tools_in_app;
  bool control;                             /* a control thread from the start */
  const char *trace_events;                 /* --trace: patterns of their names */
  const char *tools_env, *tools_in_app_env; /* LDX_TOOLS, LDX_TOOLS_IN_APP */
  const char *cache;                        /* --cache, LDX_CACHE: files and folders, "auto" among them */
  const char *cache_key;                    /* --cache-key */
  struct ldx_words policies;
  const char *policy_env;  /* LDX_POLICY */
  const char *persist_dir; /* LDX_PERSIST_DIR */
  size_t static_tls;       /* bytes for libraries that come when threads are there; 0: the usual */
  const char *plan, *explain, *record, *frozen, *sbom, *check; /* plan.h, record.h; NULL: not asked for */
  bool tree, json;
  uint32_t perf; /* LDX_JIT_PERF_*, of all objects made at run time */
};

struct ldx_index_entry {
  uintptr_t start, end;
  struct ldx_object *object;
  uintptr_t eh_frame; /* address of PT_GNU_EH_FRAME, or 0: unwinders ask for no more than what is here */
};
/* Address to object: sorted, immutable, replaced as a whole. */
struct ldx_index {
  uintptr_t base; /* of the stretch that has slots */
  uintptr_t hole; /* up to base there is nothing: most often the heap is there */
  uint32_t shift, slots, count;
  uint32_t *slot; /* behind the entries */
  struct ldx_index_entry at[];
};

struct ldx_retired {
  struct ldx_retired *next;
  uint64_t epoch;
  void *block;               /* heap memory, or NULL */
  struct ldx_object *object; /* unmapped and freed, or NULL */
};

/* A thread at work on an object's constructors, or waiting for one that is; on that thread's stack. */
struct ldx_visit {
  struct ldx_visit *next;
  struct ldx_object *object;
  uintptr_t thread;
};

/* A thread that takes objects out (unload.c); on its stack. */
struct ldx_collector {
  struct ldx_collector *next;
  uintptr_t thread;
  bool again; /* another round is wanted */
};

struct ldx_statistics {
  uint64_t relocations, cached;                                      /* symbols looked up, and not looked up again */
  uint64_t start, begin_load, end_load, begin_reloc, end_reloc, end; /* cycles */
};

/* journal.h */
enum { LDX_JOURNAL_BUCKETS = 256 };
struct ldx_journal {
  bool on;
  struct ldx_decision *first, *last, *current;
  uint32_t count;
  struct ldx_decision *orders; /* what was done to a load as a whole */
  struct ldx_decision **buckets;
  struct ldx_fault *faults;
  struct ldx_vanilla *vanilla; /* plan.h */
};

/* An auditor's functions (rtld-audit(7)); NULL: it has none of that name. */
struct ldx_call_regs;
struct ldx_call_result;
struct ldx_auditor {
  struct ldx_object *object;
  void (*activity)(uintptr_t *cookie, unsigned flag);
  const char *(*objsearch)(const char *name, uintptr_t *cookie, unsigned flag);
  unsigned (*objopen)(struct ldx_link_map *map, long ns, uintptr_t *cookie);
  void (*preinit)(uintptr_t *cookie);
  uintptr_t (*symbind)(Elf64_Sym *sym, unsigned index, uintptr_t *from, uintptr_t *to, unsigned *flags,
                       const char *name);
  uintptr_t (*pltenter)(Elf64_Sym *sym, unsigned index, uintptr_t *from, uintptr_t *to, struct ldx_call_regs *regs,
                        unsigned *flags, const char *name, long *framesize);
  unsigned (*pltexit)(Elf64_Sym *sym, unsigned index, uintptr_t *from, uintptr_t *to,
                      const struct ldx_call_regs *regs, struct ldx_call_result *result, const char *name);
  unsigned (*objclose)(uintptr_t *cookie);
};
enum { LDX_MAX_AUDITORS = 32 };
struct ldx_audit {
  uint32_t count;
  bool starting;              /* auditors are being loaded */
  bool symbinds;              /* some auditor wants to know of bindings */
  uint32_t entering, leaving; /* one bit an auditor: has a function for the begin of a call, for the end of one */
  void (*stub)(void);         /* behind the PLTs whose calls are watched */
  struct ldx_rlock lock;      /* of the records of objects */
  uintptr_t start_main, main; /* libc's __libc_start_main, and what it is to call */
  struct ldx_auditor *at;     /* room for as many as there may be; NULL: none */
};

struct ldx_process {
  struct ldx_r_debug r_debug; /* of the base namespace; first, so that it is easy to find */
  struct ldx_debug changes;   /* _ldx_debug */
  struct ldx_debug_command debug_command;
  uint64_t early_tcb[8];         /* thread control block until the program's own exists */
  struct ldx_jit_entry *jit;     /* images from memory that debuggers were told of */
  struct ldx_jit_object *jits;   /* jit_object.h: objects made at run time */
  struct ldx_jit_set shown;      /* jit_show.c: what debuggers are shown of these */
  struct ldx_image_copy *copies; /* reload.h: objects opened with RTLD_RELOADABLE */
  bool memory_watched;           /* musl tells of forks */
  struct ldx_jit_perf *perf;     /* jit_perf.h: files for profilers; NULL: there are none */

  struct ldx_args args;
  struct ldx_options options;
  const char *program_name; /* for messages */
  struct ldx_cpu cpu;
  struct ldx_heap heap;
  struct ldx_rlock lock; /* the writer lock */
  struct ldx_generation generation;
  bool heap_held; /* fork.c: around fork */
  struct ldx_tls tls;
  struct ldx_library_search search;
  struct ldx_hooks hooks;
  struct ldx_guard *guard;         /* guard.c; NULL: no tool was called yet */
  struct ldx_load *told_load;      /* the innermost one that tools are told of */
  const struct ldx_policy *policy; /* NULL: none */
  struct ldx_tool_wish *in_app;    /* tools of the program's namespace, in order */
  const char *search_tool;         /* the one tool that may replace searches; NULL: all may */
  uint32_t controlled;             /* control.c: the process that has a control thread */
  int control_fd;                  /* where it listens */
  struct ldx_journal journal;
  struct ldx_recorder *recorder; /* record.c; NULL: nothing is recorded */
  struct ldx_record *frozen;     /* record_read.c: the record that loads must follow; NULL: none */
  struct ldx_guide guide;        /* steer.c; search.guide points here while it is wanted */
  struct ldx_audit audit;
  struct ldx_launch_cache *cache; /* launch_cache.h; NULL: none is asked for */
  struct ldx_fd_batch closing;
  struct ldx_io io;
  struct ldx_folder *folders; /* io_folder.c: that the program has open */
  void *collfs[8];            /* _dl_collfs_api */
  bool collfs_pushed;

  struct ldx_namespace base; /* and the list of all */
  struct ldx_unique_table base_unique;
  struct ldx_visit *visits, *waits;
  uint32_t visits_ended; /* futex: counts */
  struct ldx_collector *collectors;
  struct ldx_object *vdso, *support; /* linux-vdso.so.1, the guest's ld.so */
  struct glibc_state glibc;
  struct musl_state musl;

  struct ldx_index *index;
  uint64_t epoch;
  uint32_t anonymous_readers;
  struct ldx_retired *retired;
  struct ldx_rlock callbacks[LDX_CALLBACK_LOCKS]; /* query.c */
  uint64_t adds, subs;                            /* objects ever added and removed */
  uint32_t constructed;                           /* objects whose constructors were called */
  bool starting;                                  /* the program's own objects are being loaded: they stay for good */
  uintptr_t heap_break;                           /* stack.c */
  char ***environ;          /* libc's variable, or the program's copy of it; NULL: not looked for yet */
  bool prepared;            /* libc was made ready for tools, before the program's libraries */
  bool entering;            /* the program's own constructors run */
  const char *program_path; /* file of the program, as it was named */
  const char *command_path; /* file of ldx (command mode) */
  const char *interp_name;  /* ldx as the program's PT_INTERP names it */
  const char *guest_interp; /* the interpreter that belongs to the program's libc */
  const char *exe_path;     /* what /proc/self/exe should name (command mode) */
  uintptr_t exe_real[LDX_EXE_WRAPPERS];
  uintptr_t create_thread, create_c11; /* libc's own pthread_create, thrd_create */
  struct ldx_watches watches;
  bool threaded; /* the program has made a thread */
  struct ldx_catcher *startup_catcher;
  struct ldx_error_state startup_error; /* of threads without a record */
  struct ldx_statistics statistics;
  struct ldx_handoff handoff;
  _Alignas(64) char main_tls[LDX_MAIN_TLS]; /* of the main thread: static TLS, then its control block */
  _Alignas(64) char seed[LDX_SEED_SIZE];    /* the heap's first memory: untouched pages cost nothing */
};

extern struct ldx_process ldx_self;

/* The heap of the process, in short. */
static inline void *ldx_new(size_t size) { return ldx_heap_alloc(&ldx_self.heap, size); }
static inline void ldx_delete(void *p) { ldx_heap_free(&ldx_self.heap, p); }

/* The calling thread's record; NULL for a thread that libc did not announce. */
static inline struct ldx_thread *ldx_thread_self(void) { return ldx_tls_thread(&ldx_self.tls); }

/* Nothing is run: what would be loaded is told. */
static inline bool ldx_listing(void) {
  return ldx_self.options.mode == LDX_LIST || ldx_self.options.mode == LDX_TRACE || ldx_self.options.mode == LDX_PLAN;
}

/* LD_DEBUG output: "PID:\ttext". */
static inline bool ldx_tracing(uint32_t what) { return __builtin_expect(ldx_self.options.debug & what, 0); }
void ldx_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Prints the error to stderr as one line. */
void ldx_print_error(const struct ldx_diag *d);
/* The same, and exits 127. */
_Noreturn void ldx_die(const struct ldx_diag *d);
_Noreturn void ldx_die_text(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* How messages call an object: its path, or the program's name. */
const char *ldx_display_name(const struct ldx_object *o);

#endif
