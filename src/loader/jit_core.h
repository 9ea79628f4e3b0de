/* Objects made at run time, as those files share them that keep blocks and symbols. All under the writer lock. */
#ifndef LDX_LOADER_JIT_CORE_H
#define LDX_LOADER_JIT_CORE_H

#include "loader/jit_object.h"

/* Tags of libdlbind: where the next block goes (as an address of the file), the next name (an offset in the strings),
 * and the next symbol (an index), when nothing is free before it. */
enum {
  LDX_DT_DLBIND_TEXTBUMP = 0x6ffffee0,
  LDX_DT_DLBIND_RODATABUMP,
  LDX_DT_DLBIND_DATABUMP,
  LDX_DT_DLBIND_DYNSTRBUMP,
  LDX_DT_DLBIND_DYNSYMBUMP,
};
void ldx_dlbind_tags(struct ldx_jit_object *j); /* dlbind.c: writes them */

/* jit.c */
void ldx_jit_drop_lines(struct ldx_jit_lines **list, uintptr_t low, uintptr_t high); /* of code in [low, high) */
void ldx_jit_drop_files(struct ldx_jit_file **list);

/* jit_memory.c: a large array of which little is used; zeroed, given back by sys_munmap. NULL: no memory. */
void *ldx_jit_sparse_new(size_t bytes);

/* jit_blocks.c */
struct ldx_jit_blocks *ldx_jit_blocks_new(void);
void ldx_jit_blocks_free(struct ldx_jit_blocks *b);
/* NULL: no room. Inner blocks are not the program's. */
void *ldx_jit_block_new(struct ldx_jit_object *j, enum ldx_jit_region_kind kind, size_t size, size_t align,
                        bool inner);
/* Bytes of the block that begins there; 0: none does. */
size_t ldx_jit_block_size(const struct ldx_jit_object *j, uintptr_t at, bool inner);
void ldx_jit_block_free(struct ldx_jit_object *j, uintptr_t at);

/* jit_symbols.c */
/* A symbol, beside what the symbol table says of it. */
struct ldx_jit_ref;
struct ldx_jit_jump;
struct ldx_jit_slot {
  uint32_t next, before;     /* of a list by address (jit_address.c); next: of free ones */
  uint32_t hash;             /* SysV */
  uint16_t version;          /* index; 0: none */
  bool alive;                /* found by its name */
  struct ldx_jit_ref *refs;  /* jit_follow.c */
  struct ldx_jit_jump *jump; /* LDX_JIT_FOLLOWS; NULL: none */
};
/* A slot that readers may still see. */
struct ldx_jit_retired {
  uint64_t epoch;
  uint32_t slot;
  bool named; /* its name goes with it */
};
enum { LDX_JIT_NAME_CLASSES = 56 };
struct ldx_jit_symbols {
  const uint32_t *live;       /* the hash table, as programs see it */
  struct ldx_jit_slot *slots; /* for each entry of the symbol table */
  uint32_t room, used, free;  /* entries; used: with those on the free list */
  uint32_t free_count;
  uint32_t alive, limit;
  uint32_t names[LDX_JIT_NAME_CLASSES]; /* free places in the strings */
  struct ldx_jit_retired *retired;      /* from retired_first on */
  size_t retired_first, retired_count, retired_room;
  struct ldx_jit_stage *stage;
  struct ldx_jit_addresses *addresses;
  struct ldx_jit_referrer *referrers;
  struct ldx_jit_jump *idle[64]; /* jumps of symbols that are gone, by the page of their code */
  uint32_t *version_uses;        /* by staged and other symbols, for each index */
};
int ldx_jit_symbols_new(struct ldx_jit_object *j, uint32_t limit);
void ldx_jit_symbols_free(struct ldx_jit_object *j);
/* The first hash table, before the object is loaded; and what readers need, when it is. */
void ldx_jit_symbols_begin(struct ldx_jit_object *j);
/* The symbol as programs find it; 0: none. */
uint32_t ldx_jit_symbol_find(const struct ldx_jit_object *j, const char *name, uint32_t hash, uint16_t version);
/* Index of a version; 0: there is none. When it is made it is in use once. */
uint16_t ldx_jit_version(const struct ldx_jit_object *j, const char *name);
uint16_t ldx_jit_version_new(struct ldx_jit_object *j, const char *name);
void ldx_jit_version_keep(struct ldx_jit_object *j, uint16_t version);
void ldx_jit_version_drop(struct ldx_jit_object *j, uint16_t version);
/* Offset of a copy in the object's strings; 0: no room. */
uint32_t ldx_jit_name_new(struct ldx_jit_object *j, const char *name);
void ldx_jit_name_free(struct ldx_jit_object *j, uint32_t name);
static inline const char *ldx_jit_name(const struct ldx_jit_object *j, uint32_t name) {
  return (const char *)j->regions[LDX_REGION_STRINGS].at + name;
}
static inline const Elf64_Sym *ldx_jit_symbol(const struct ldx_jit_object *j, uint32_t slot) {
  return (const Elf64_Sym *)j->regions[LDX_REGION_SYMBOLS].at + slot;
}
/* Room for so many symbols more, and so many that go. */
bool ldx_jit_symbols_reserve(struct ldx_jit_object *j, uint32_t more, uint32_t gone);
/* A slot with that content, which nobody finds. */
uint32_t ldx_jit_slot_new(struct ldx_jit_object *j, const Elf64_Sym *s, uint32_t hash, uint16_t version);
/* It is found by its name from now on, in the place of another one (0: of none). */
void ldx_jit_slot_show(struct ldx_jit_object *j, uint32_t slot, uint32_t old);
void ldx_jit_slot_hide(struct ldx_jit_object *j, uint32_t slot);
/* Not found any more, and free when nobody can be reading it. */
void ldx_jit_slot_retire(struct ldx_jit_object *j, uint32_t slot, bool named);
/* Tells those who read the tables from outside how long they are. */
void ldx_jit_symbols_count(struct ldx_jit_object *j);
/* All that was retired is out of sight. */
void ldx_jit_symbols_settle(struct ldx_jit_object *j);

/* jit_stage.c */
struct ldx_jit_symbol;
bool ldx_jit_stage_new(struct ldx_jit_object *j);
void ldx_jit_stage_free(struct ldx_jit_object *j);
bool ldx_jit_stage_empty(const struct ldx_jit_object *j);
int ldx_jit_stage_bind(struct ldx_jit_object *j, const struct ldx_jit_symbol *s);
int ldx_jit_stage_unbind(struct ldx_jit_object *j, const char *name, const char *version);
/* Whether a staged symbol lies in [low, high). */
bool ldx_jit_stage_uses(const struct ldx_jit_object *j, uintptr_t low, uintptr_t high);
/* Makes room for all that is staged; then it can be shown: changes are told by the batch. */
bool ldx_jit_stage_reserve(struct ldx_jit_object *j);
/* Programs, and valgrind, will find the code as it was written. */
void ldx_jit_stage_prepare(struct ldx_jit_object *j);
void ldx_jit_stage_show(struct ldx_jit_object *j);
/* What the last of these calls has changed. */
void ldx_jit_stage_tell(const struct ldx_jit_object *j, struct ldx_jit_batch *batch);
/* Nothing is staged any more. */
void ldx_jit_stage_end(struct ldx_jit_object *j);
void ldx_jit_stage_discard(struct ldx_jit_object *j);

/* jit_address.c */
bool ldx_jit_addresses_new(struct ldx_jit_object *j);
void ldx_jit_addresses_free(struct ldx_jit_object *j);
void ldx_jit_address_add(struct ldx_jit_object *j, uint32_t slot);
void ldx_jit_address_remove(struct ldx_jit_object *j, uint32_t slot);
/* Whether a symbol begins in [low, high). */
bool ldx_jit_address_uses(const struct ldx_jit_object *j, uintptr_t low, uintptr_t high);

/* jit_follow.c */
/* Code that leads where a word in read-only memory says. */
struct ldx_jit_jump {
  struct ldx_jit_jump *next; /* of idle ones */
  uintptr_t code, word, target;
  uint32_t body; /* the symbol of the code that it leads to; 0: none */
};
struct ldx_jit_jump *ldx_jit_jump_new(struct ldx_jit_object *j);
void ldx_jit_jump_free(struct ldx_jit_object *j, struct ldx_jit_jump *jump);
void ldx_jit_jump_lead(struct ldx_jit_object *j, struct ldx_jit_jump *jump, uintptr_t target);
/* The symbol is gone, but its address may be in use until its code is freed. */
void ldx_jit_jump_idle(struct ldx_jit_object *j, struct ldx_jit_jump *jump);
void ldx_jit_jumps_free(struct ldx_jit_object *j);
void ldx_jit_jumps_drop(struct ldx_jit_object *j, uintptr_t low, uintptr_t high);
/* What followed one symbol follows another; is written for a symbol; follows none. */
void ldx_jit_refs_move(struct ldx_jit_object *j, uint32_t from, uint32_t to);
void ldx_jit_refs_write(struct ldx_jit_object *j, uint32_t slot);
void ldx_jit_refs_forget(struct ldx_jit_object *j, uint32_t slot);
void ldx_jit_refs_free(struct ldx_jit_object *j);

#endif
