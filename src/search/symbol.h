/* Symbol search: from a reference to the definition it binds to (gABI ch. 5 "Symbol Table", "Dependencies";
 * symbol versions as in the LSB; unique symbols as in the GNU ABI).
 *
 * Readers need no lock: scopes are immutable lists. Nothing here allocates, but for unique symbols. */
#ifndef LDX_SEARCH_SYMBOL_H
#define LDX_SEARCH_SYMBOL_H

#include "base/lock.h"
#include "namespace/object.h"

enum {
  LDX_SYM_PLT = 1,     /* a definition is wanted, not another object's PLT entry */
  LDX_SYM_COPY = 2,    /* source of a COPY relocation: not the program itself */
  LDX_SYM_NEWEST = 4,  /* dlsym: the default version, not the oldest */
  LDX_SYM_STRONG = 8,  /* LD_DYNAMIC_WEAK: a later strong definition wins */
  LDX_SYM_ENDING = 16, /* asked by an object that is being taken out: its like are found */
};

struct ldx_sym_request;
/* Hears of each object that a lookup looks into, before it does. */
typedef void ldx_sym_tried(const struct ldx_sym_request *r, const struct ldx_object *o);

/* The pack of a lookup: what is asked, and what was found. */
struct ldx_sym_request {
  struct elf_name name;
  const struct ldx_version *version; /* NULL: none asked for */
  struct ldx_object *from;           /* the referring object */
  const Elf64_Sym *ref;              /* its own symbol table entry, or NULL */
  uint32_t flags;
  struct ldx_object *skip; /* RTLD_NEXT: start behind this object; NULL: at the beginning */
  ldx_sym_tried *tried;    /* NULL: nobody listens */

  const Elf64_Sym *sym; /* NULL: not found */
  struct ldx_object *object;
  bool pinned; /* by this binding to a unique symbol the definer has come to stay */
};

/* Searches the lists that the slots of `scope` hold (NULL-terminated) in order; true when found. */
bool ldx_find_symbol(struct ldx_scope_slot *const *scope, struct ldx_sym_request *r);

/* The symbol of one object only, without regard to scope; NULL when it has none. */
const Elf64_Sym *ldx_symbol_in(struct ldx_object *o, struct ldx_sym_request *r);

/* The version that entry `index` of `from`'s symbol table asks for; NULL: none. */
const struct ldx_version *ldx_reference_version(const struct ldx_object *from, uint64_t index);

/* Unique symbols: one definition per name in a namespace, the first that anybody bound to. */
struct ldx_unique_entry {
  const char *name;
  uint32_t hash;
  const Elf64_Sym *sym;
  struct ldx_object *object;
};
struct ldx_unique_table {
  struct ldx_heap *heap;
  struct ldx_rlock lock;
  struct ldx_unique_entry *at;
  uint32_t count, size; /* size: power of two */
};
/* Forgets entries defined by an object that goes away. */
void ldx_unique_forget(struct ldx_unique_table *t, const struct ldx_object *o);

#endif
