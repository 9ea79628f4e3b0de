/* A load: one transaction from a request to committed objects (start-up of a program, one dlopen).
 *
 * discover -> the stage table of load.c -> COMMIT -> notify -> init. Until COMMIT everything hangs on the load only;
 * a failure unwinds to the state before. */
#ifndef LDX_LOADER_LOAD_H
#define LDX_LOADER_LOAD_H

#include "base/sys.h"
#include "loader/context.h"

/* A word whose value comes from an indirect function's resolver: done when all objects are relocated. */
struct ldx_fixup {
  const Elf64_Rela *rel; /* of the object */
  uintptr_t resolver;
  struct ldx_object *object, *definer;
  const Elf64_Sym *sym; /* of the definer; NULL: the relocation has none */
};
/* A COPY relocation: done last, because what it copies may itself be such a word. */
struct ldx_copy {
  void *to;
  const void *from;
  uint64_t size;
};
/* Words that auditors are told of when a resolver has chosen (audit_calls.c). */
struct ldx_audit_words {
  struct ldx_audit_word *at;
  size_t count, room;
};
struct ldx_copies {
  struct ldx_copy *at;
  size_t count, room;
};
struct ldx_fixups {
  struct ldx_fixup *at;
  size_t count, room;
};

/* What a reference binds to. */
struct ldx_binding {
  const Elf64_Sym *sym;      /* NULL: weak undefined */
  struct ldx_object *object; /* definer */
  uintptr_t override;        /* ldx's own function instead, or a tool's wish; or 0 */
  uintptr_t was;             /* what it would have been, if a tool changed it */
};
struct ldx_load {
  struct ldx_namespace *ns;
  struct ldx_diag *diag;
  struct ldx_object *root;
  struct ldx_object *spare;     /* mapped before, for tools: takes its place in the load when somebody asks for it */
  struct ldx_object_list fresh; /* objects of this load, in load order */
  uint32_t preloads;            /* of a program: they stand behind it in its scope */
  struct ldx_object_list statics; /* got static TLS in this load */
  struct ldx_object_list shared;  /* roots that this load brought into the base namespace */
  struct ldx_fixups fixups;
  struct ldx_copies copies;
  struct ldx_audit_words audited;
  bool audit_told;                 /* auditors know of an object of this load */
  int mode;                        /* RTLD_* */
  const char *folder;              /* where the copy of a reloadable object is to be; NULL: as the environment says */
  bool explicit_ns;                /* the namespace was named, not the caller's */
  bool first_global;               /* the root's search list becomes the namespace's global scope */
  const struct ldx_object *behind; /* the list's last, before this load's objects came; NULL: none */
  enum ldx_find_mode find_mode;
  bool startup, lazy, tls_added;
  bool of_tool; /* the object that is asked for is a tool of the program's namespace */
  bool early;   /* of the guest's loader, so that tools can run before the program's libraries are looked for */
  bool versions_missing;
  bool told, out;         /* tell_library.c: its begin was told; objects go */
  struct ldx_load *outer; /* that was told before */
  struct ldx_guarded *guarded;
  bool not_found; /* the last object that could not be had: nowhere, not damaged */
};

/* open.c: the object that `name` means to `loader`; loads it when it is not there. NULL: see diag. */
struct ldx_object *ldx_load_object(struct ldx_load *l, const char *name, struct ldx_object *loader, int mode);
struct ldx_object *ldx_find_loaded(struct ldx_load *l, const char *name);
/* Puts what was mapped before at the end of the load's objects. */
struct ldx_object *ldx_take_spare(struct ldx_load *l);
struct ldx_object *ldx_find_file(struct ldx_load *l, const struct stat *st);
/* Takes a mapped object into the load. */
bool ldx_enter_load(struct ldx_load *l, struct ldx_object *o, const char *name, struct ldx_object *loader);
struct ldx_object *ldx_new_object(enum ldx_object_kind kind, const char *path);
/* map.c: maps an open file as an object. The object's path is the file's; messages use the name asked for. */
struct ldx_object *ldx_map_file(struct ldx_load *l, struct ldx_library_file *f, const struct stat *st,
                                const char *name, enum ldx_object_kind kind);
/* The same from the copy that f is; the object has it. The caller's when it fails. */
struct ldx_object *ldx_map_shared(struct ldx_load *l, struct ldx_library_file *f, const struct stat *st,
                                  const char *name, struct ldx_image_copy *copy);
/* The program headers of a file that can be an object of that kind; `*own` is to be freed. NULL: see diag. */
const Elf64_Phdr *ldx_read_phdrs(struct ldx_library_file *f, enum ldx_object_kind kind, const char *name,
                                 uint64_t size, void **own, struct ldx_diag *d);
bool ldx_adopt_image(struct ldx_object *o, const Elf64_Phdr *phdrs, uint32_t phnum, struct ldx_diag *d);
/* The facts of a mapped image: dynamic section, TLS, RELRO, flags. */
bool ldx_read_object(struct ldx_object *o, struct ldx_diag *d);
void ldx_unmap_object(struct ldx_object *o);

/* deps.c */
bool ldx_load_dependencies(struct ldx_load *l, struct ldx_object *root, struct ldx_object *const *preloads,
                           uint32_t preload_count);
/* The same as a load's first step: the closure of its root. */
bool ldx_discover_root(struct ldx_load *l);
/* sort.c: dependency order, as the system loader sorts (constructors run from the end backwards). */
bool ldx_sort_objects(struct ldx_object **objects, uint32_t count, bool keep_first, bool for_fini);

/* versions.c */
bool ldx_read_versions(struct ldx_load *l, struct ldx_object *o);
bool ldx_check_versions(struct ldx_load *l, struct ldx_object *o);

/* scopes.c */
bool ldx_build_scopes(struct ldx_load *l);
/* COMMIT's part: the new root's scope for objects that were there; RTLD_GLOBAL; and back when objects go. */
bool ldx_extend_scopes(struct ldx_load *l);
void ldx_shrink_scopes(struct ldx_load *l);
bool ldx_add_global(struct ldx_load *l);
bool ldx_scope_has(const struct ldx_object *o, const struct ldx_scope_slot *slot);
bool ldx_scope_add(struct ldx_object *o, struct ldx_scope_slot *slot);
void ldx_scope_remove(struct ldx_object *o, const struct ldx_scope_slot *slot);
void ldx_remove_global(struct ldx_namespace *ns);

/* relocate.c */
void ldx_adjust_dynamic(struct ldx_object *o);
/* Makes addresses of the offsets among these entries. */
void ldx_adjust_tags(Elf64_Dyn *const info[], uintptr_t bias);
bool ldx_relocate_object(struct ldx_load *l, struct ldx_object *o);
bool ldx_run_fixups(struct ldx_load *l);
bool ldx_run_copies(struct ldx_load *l);
/* Flags of the lookup that a relocation of that type makes. */
uint32_t ldx_lookup_flags(uint32_t type);
/* Whether the type refers to a symbol at all. */
bool ldx_refers_to_symbol(uint32_t type);
/* A COPY that does not fit is worth a warning. */
void ldx_check_copy_size(const struct ldx_object *o, const Elf64_Sym *ref, const Elf64_Sym *def);
bool ldx_protect_relro(struct ldx_object *o, struct ldx_diag *d);
/* The choice of an indirect function's resolver, made late: every register of the caller is kept. */
uintptr_t ldx_resolve(const struct ldx_object *definer, uintptr_t resolver);

/* bind.c */
/* Flags of every lookup that the object asks for. */
static inline uint32_t ldx_asker_flags(const struct ldx_object *o) {
  return (ldx_self.options.dynamic_weak ? LDX_SYM_STRONG : 0u) | (o->closing ? LDX_SYM_ENDING : 0u);
}
bool ldx_bind(struct ldx_object *o, uint64_t symidx, uint32_t flags, struct ldx_diag *d, struct ldx_binding *out);
/* The address of a definition; an indirect function's resolver is not called. */
static inline uintptr_t ldx_binding_address(const struct ldx_binding *b) {
  if (b->override)
    return b->override;
  return b->sym ? ldx_symbol_address(b->object, b->sym) : 0;
}
/* Records that `from` was bound to `to`; false when it is being taken out: look again. */
bool ldx_add_dependency(struct ldx_object *from, struct ldx_object *to);
void ldx_symbol_not_found(struct ldx_object *from, const struct ldx_sym_request *r, struct ldx_diag *d);

/* overrides.c: functions of the guest's loader that ldx replaces by its own. */
uintptr_t ldx_override(struct ldx_object *definer, const Elf64_Sym *sym);
bool ldx_is_guest_library(const struct ldx_object *o);
/* A function that ldx itself offers to programs (include/ldx); 0: none of that name. */
uintptr_t ldx_own_function(const char *name);

/* guest.c: the stages that only start-up has: static TLS, the guest libc's state. With tools they are passed twice:
 * for the guest's loader alone (early), then for the program. */
bool ldx_place_startup(struct ldx_load *l);
bool ldx_prepare_libc(struct ldx_load *l);
bool ldx_settle_libc(struct ldx_load *l);
bool ldx_extend_stacks(struct ldx_load *l);

/* init.c: without the writer lock */
/* Constructors of everything the object depends on, then its own; waits for those that other threads are at. `fresh`:
 * it was not a root before. */
void ldx_run_constructors(struct ldx_object *root, bool fresh);
void ldx_run_destructors(struct ldx_object *o);
void ldx_fini_all(void);
/* What the program has made of its environment. */
char **ldx_environment(void);

/* fork.c: the child of fork has one thread */
void ldx_watch_forks(void);
/* When libc is ready, before the program's code runs. */
void ldx_register_at_fork(void);
/* Before an object is made or opened whose memory is a file that is written, without the lock. */
void ldx_watch_memory(void);

/* index.c */
/* With these, and without those that are removed; false when out of memory: as it was. */
bool ldx_index_rebuild(struct ldx_object *const *add, uint32_t add_count);
/* For the time of a reader. */
static inline const struct ldx_index_entry *ldx_index_at(uintptr_t addr) {
  const struct ldx_index *x = __atomic_load_n(&ldx_self.index, __ATOMIC_ACQUIRE);
  if (__builtin_expect(!x, 0))
    return NULL;
  uintptr_t piece = (addr - x->base) >> x->shift;
  if (piece >= x->slots) {
    if (addr - x->hole < x->base - x->hole)
      return NULL;
    piece = addr < x->base ? UINTPTR_MAX : x->slots;
  }
  uint32_t low = x->slot[(intptr_t)piece], high = x->slot[(intptr_t)piece + 1];
  while (low < high) {
    uint32_t mid = low + (high - low) / 2;
    if (addr >= x->at[mid].end)
      low = mid + 1;
    else
      high = mid;
  }
  return low < x->count && addr >= x->at[low].start ? &x->at[low] : NULL;
}
struct ldx_object *ldx_object_at(uintptr_t addr);

/* epoch.c */
void ldx_anonymous_enter(void);
void ldx_anonymous_leave(void);

/* A walk without the lock. The epoch of an outer reader is handed from enter to leave, not counted: a signal handler
 * may come in between. */
struct ldx_reader {
  struct ldx_thread *thread; /* NULL: one without a record */
  uint64_t outer;
};
static inline struct ldx_reader ldx_reader_enter(void) {
  struct ldx_reader r = {ldx_thread_self(), 0};
  if (__builtin_expect(!r.thread, 0)) {
    ldx_anonymous_enter();
    return r;
  }
  r.outer = __atomic_load_n(&r.thread->reader_epoch, __ATOMIC_RELAXED);
  if (!r.outer)
    __atomic_store_n(&r.thread->reader_epoch, __atomic_load_n(&ldx_self.epoch, __ATOMIC_ACQUIRE) + 1,
                     __ATOMIC_SEQ_CST);
  return r;
}
static inline void ldx_reader_leave(struct ldx_reader r) {
  if (__builtin_expect(!r.thread, 0))
    ldx_anonymous_leave();
  else
    __atomic_store_n(&r.thread->reader_epoch, r.outer, __ATOMIC_RELEASE);
}
/* A call of dl_iterate_phdr, on its stack. */
struct ldx_iteration {
  struct ldx_iteration *outer;
  struct ldx_reader reader;
  struct ldx_rlock *lock; /* the callback's, or NULL */
};
void ldx_retire_block(void *p);
/* For memory of other kinds: what was out of sight when the epoch ended may go when that epoch is not younger than
 * the oldest that a reader is in (UINT64_MAX: none is). Under the writer lock. */
uint64_t ldx_epoch_end(void);
uint64_t ldx_epoch_oldest(void);
void ldx_retire_object(struct ldx_object *o);
void ldx_reclaim(void);
/* The calling thread may read the object, which it must have found as a reader, until it has found some others. */
void ldx_keep_probed(const struct ldx_object *o);

/* load.c: the driver */
bool ldx_run_load(struct ldx_load *l, bool (*discover)(struct ldx_load *));
void ldx_load_discard(struct ldx_load *l);

/* list.c: what --list, LD_TRACE_LOADED_OBJECTS and their variants print, instead of running the program. */
_Noreturn void ldx_list_objects(struct ldx_load *l);

/* statistics.c */
void ldx_print_start_statistics(const struct ldx_object *program);
void ldx_print_statistics(void);

#endif
