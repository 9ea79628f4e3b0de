/* What is loaded: objects, the scopes they search, the namespaces they live in. A passive model: these
 * types are filled by the loader and read by everybody; nothing here opens, maps or runs anything.
 *
 * Ownership: objects, names and lists are heap memory of the process. Lists that readers without a lock
 * may walk (struct ldx_scope_list, ldx_object.scope) are immutable: they are replaced, never changed. */
#ifndef LDX_NAMESPACE_OBJECT_H
#define LDX_NAMESPACE_OBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/heap.h"
#include "elf/dynamic.h"

struct ldx_object;
struct ldx_namespace;
struct ldx_search_dirs;      /* search/ */
struct ldx_policy_namespace; /* hooks/ */
struct ldx_jit_entry;        /* debug-protocol/ */
struct ldx_jit_object;       /* loader/ */
struct ldx_audit_object;     /* loader/ */
struct ldx_image_copy;       /* loader/ */

/* The debugger's view of an object (gABI-era SVR4 interface): exposed to gdb, libthread_db, every guest
 * libc and countless tools. Don't move, don't delete. */
struct ldx_link_map {
  uintptr_t l_addr;
  char *l_name;
  Elf64_Dyn *l_ld;
  struct ldx_object *l_next, *l_prev;
};

/* Behind those five fields a guest glibc reads its own struct link_map; its profile says where. */
enum { LDX_GUEST_MAP_SIZE = 1216 };

enum ldx_object_kind { LDX_PROGRAM, LDX_LIBRARY, LDX_LOADER, LDX_VDSO };

/* A version an object defines or needs, by its index in the version words (glibc's l_versions). */
struct ldx_version {
  const char *name; /* NULL: index not in use */
  uint32_t hash;
  bool hidden;
  const char *file; /* needed from that library; NULL for own definitions */
};

/* Definitions that may change while the object is in use: readers without a lock see one table or the other, for it
 * is replaced as a whole. What stands in it (symbols, texts) lies in the object's image, and stays. */
struct ldx_tables {
  struct elf_symtab sym;
  const struct ldx_version *versions;
  uint32_t version_count;
};

struct ldx_name {
  struct ldx_name *next;
  char text[];
};

struct ldx_scope_entry { /* the Bloom filter is here so that most "no" answers touch no object */
  const uint64_t *bloom;
  uint32_t bloom_mask, bloom_shift;
  struct ldx_object *object;
};

struct ldx_scope_list {
  uint32_t count;
  struct ldx_scope_entry at[];
};

/* Where a list is found: the list is replaced, the slot stays. */
struct ldx_scope_slot {
  struct ldx_scope_list *list;
};

struct ldx_object_list {
  struct ldx_object **at;
  uint32_t count;
  size_t room;
};

struct ldx_tls_segment {
  const void *image; /* in memory, relocated */
  uint64_t filesz, memsz, align, first_byte;
  void *descriptors; /* list of TLSDESC arguments, freed with the object */
  int64_t offset;    /* variant II distance below the thread pointer; LDX_TLS_DYNAMIC, LDX_TLS_FORCED_DYNAMIC */
  uint64_t modid;    /* 0: none */
};
enum { LDX_TLSDESC_SIZE = 24 }; /* of the argument that stubs of dynamic TLS read */
#define LDX_TLS_DYNAMIC 0
#define LDX_TLS_FORCED_DYNAMIC (-1)

struct ldx_object {
  union {
    struct ldx_link_map map;
    unsigned char guest[LDX_GUEST_MAP_SIZE];
  };

  /* Identity */
  enum ldx_object_kind kind;
  struct ldx_namespace *ns;
  struct ldx_object *real; /* a proxy: stands in this namespace for an object of the base one; NULL: itself */
  struct ldx_name *names;  /* every name it was asked for by, and its soname */
  uint32_t name_entries;   /* of it in the namespace's table (names.h) */
  const char *soname;
  uint64_t id;                         /* never used twice */
  const struct ldx_identity *identity; /* what the file was: record.h; NULL: not noted */
  const char *reason;                  /* why this file: kept text, when somebody wants to know; NULL: not noted */
  char *origin;                        /* folder of the file; NULL until asked for, "" when unknown */
  dev_t dev;
  ino_t ino;

  /* Image. Walks over all objects read from tls.modid to image.phnum, and should find that in one piece of cache. */
  struct ldx_tls_segment tls;
  bool removed; /* from all lists */
  const Elf64_Phdr *phdrs;
  struct elf_image image;
  struct elf_dynamic dyn;
  struct ldx_version *versions;
  uint32_t version_count;
  const struct ldx_tables *tables; /* what is found here, instead of what dyn and versions say; NULL: that */
  uintptr_t map_start, map_end, entry;
  uintptr_t relro_start, relro_end;
  bool contiguous;  /* nobody else's memory lies between its segments */
  bool mapped_here; /* by ldx: unmapped with the object */
  void *own_phdrs;  /* heap copy when no segment holds them */

  /* Scope */
  struct ldx_scope_slot searchlist; /* itself and all dependencies, breadth first; roots only */
  struct ldx_scope_slot **scope;    /* NULL-terminated: where its references are looked up, in order */
  struct ldx_scope_slot self;       /* only itself: DT_SYMBOLIC, lookups in one object */

  /* Dependencies */
  struct ldx_object *loader;          /* the object that asked for it first: RPATH inheritance */
  struct ldx_object_list needed;      /* direct, in DT_NEEDED order */
  struct ldx_object_list filtees;     /* those of them that it filters */
  struct ldx_object_list init_order;  /* roots: all of searchlist, dependencies last */
  struct ldx_object *last_dependency; /* the latest one found or added */
  struct ldx_object_list reldeps;     /* bound to at run time, beyond the dependencies */

  /* Search (owned by search/) */
  struct ldx_search_dirs *rpath, *runpath;

  /* State */
  uint32_t opens; /* dlopen handles out */
  bool relocated, init_called, fini_called, constructed /* and all it depends on */, global, nodelete, closing;
  bool deps_done, faked, is_libc, initfirst;
  bool overridden;           /* belongs to the guest's loader: some of its functions are ldx's own */
  bool indirect_access;      /* GNU property: built to reach other objects' symbols only through the GOT */
  bool ld_readonly;          /* its dynamic section keeps offsets: it cannot be written */
  bool ld_adjusted;          /* it holds addresses by now */
  bool dlopened;             /* loaded after start-up */
  bool from_memory;          /* a tool gave its bytes */
  struct ldx_jit_entry *jit; /* what debuggers are shown of such an object */
  bool ready;                /* its constructors have ended */
  bool pending;              /* belongs to a load that has not been committed */
  uint32_t init_rank;        /* its turn among all constructors; 0: not yet */
  bool unused;               /* scratch of unload.c */
  bool of_tool;              /* a tool, or what one brought along */
  int visit;                 /* scratch of graph walks */

  struct ldx_image_copy *copy; /* that its memory is: reload.h; NULL: an ordinary object */
  struct ldx_jit_object *made; /* at run time: jit_object.h; NULL: loaded */

  /* Owned by loader/audit.c; NULL: no auditor has been told of it */
  struct ldx_audit_object *audit;
};

_Static_assert(offsetof(struct ldx_object, map.l_prev) == 32, "link_map's public prefix");

/* See names.h. */
struct ldx_names_entry {
  uint32_t hash;
  struct ldx_object *object;
};
struct ldx_names {
  struct ldx_names_entry *at; /* NULL: not made */
  uint32_t size, used;        /* used: with what was taken out */
};

/* Link order begins with the proxies. Going back from the first real object does not lead to them, and debuggers
 * begin there: they see each object once. */
struct ldx_namespace {
  long id; /* Lmid_t */
  struct ldx_namespace *next;
  struct ldx_object *first, *last_proxy, *first_real, *last;
  uint32_t count;
  bool isolated;                           /* has a libc of its own */
  bool of_tool;                            /* a tool's */
  const struct ldx_policy_namespace *rule; /* what the policy says of it; NULL: nothing */
  struct ldx_r_debug *debug;
  struct ldx_scope_slot global;
  struct ldx_object *program; /* owner of the global scope */
  struct ldx_object *libc;
  struct ldx_unique_table *unique;
  struct ldx_names names;
};

/* True when `name` is one of the object's names (soname or a name it was requested by). */
bool ldx_object_has_name(const struct ldx_object *o, const char *name);
/* Adds a name; false when out of memory. A name it already has is not added twice. */
bool ldx_object_add_name(struct ldx_heap *h, struct ldx_object *o, const char *name);

bool ldx_list_add(struct ldx_heap *h, struct ldx_object_list *l, struct ldx_object *o);
bool ldx_list_has(const struct ldx_object_list *l, const struct ldx_object *o);
struct ldx_scope_list *ldx_scope_list_new(struct ldx_heap *h, struct ldx_object *const *objects, uint32_t count);

/* Link order of a namespace. */
void ldx_namespace_append(struct ldx_namespace *ns, struct ldx_object *o);
void ldx_namespace_unlink(struct ldx_namespace *ns, struct ldx_object *o);

/* True when the address lies in one of the object's segments. */
bool ldx_object_holds(const struct ldx_object *o, uintptr_t addr);

/* True when the address lies in one of its executable segments: code may be called there. */
static inline bool ldx_object_has_code(const struct ldx_object *o, uintptr_t addr) {
  return elf_at_memory(&o->image, addr - o->map.l_addr, 1, PF_X);
}

/* Where a definition of the object lies; an absolute one does not move with it. */
static inline uintptr_t ldx_symbol_address(const struct ldx_object *o, const Elf64_Sym *s) {
  return s->st_value + (s->st_shndx == SHN_ABS ? 0 : o->map.l_addr);
}

/* The table of what the object defines. dyn.sym goes on to tell its own references. An object with tables has no hash
 * in dyn.sym: searches that don't come here find nothing. */
static inline const struct elf_symtab *ldx_definitions(const struct ldx_object *o) {
  const struct ldx_tables *t = __atomic_load_n(&o->tables, __ATOMIC_ACQUIRE);
  return t ? &t->sym : &o->dyn.sym;
}

/* The object whose image, symbols and scope it is. */
static inline struct ldx_object *ldx_real(struct ldx_object *o) { return o->real ? o->real : o; }

/* The address of a symbol that the object defines, of whatever version; 0: it has none of that name. */
uintptr_t ldx_address_of(const struct ldx_object *o, const char *name);

/* Frees what the object owns, not its mapping. */
void ldx_object_free(struct ldx_heap *h, struct ldx_object *o);

#endif
