/* gdb's interface for code that has no file ("JIT Interface" in gdb's manual): it is shown a copy of the ELF image,
 * in which sections and symbols have their addresses. */
#ifndef LDX_DEBUG_PROTOCOL_JIT_H
#define LDX_DEBUG_PROTOCOL_JIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/heap.h"

struct ldx_jit_entry {
  struct ldx_jit_entry *next, *prev;
  const void *file; /* heap */
  uint64_t size;
};
struct ldx_jit_descriptor {
  uint32_t version, action;
  struct ldx_jit_entry *relevant, *first;
};

/* Takes the file's bytes (of the heap) and moves what they say to where the image lies. NULL: they have no sections
 * that could be shown, or there is no memory; the bytes are freed. */
struct ldx_jit_entry *ldx_jit_prepare(struct ldx_heap *heap, char *file, uint64_t size, uint64_t bias);

/* All under the writer lock. The descriptor is sealed but for moments, in which any number of entries come and go.
 * False: there is no memory for that, and what debuggers see stays as it is. */
bool ldx_jit_unseal(void);
void ldx_jit_seal(void);
void ldx_jit_add(struct ldx_jit_entry **list, struct ldx_jit_entry *e);
void ldx_jit_remove(struct ldx_jit_entry **list, struct ldx_jit_entry *e);
/* gdb looks for the functions of its breakpoints when an entry comes, and disables those breakpoints whose functions
 * it does not find. When an entry goes it does not look, and would take its breakpoint away from memory that has
 * become something else: an entry comes and goes that says nothing. */
void ldx_jit_look_again(struct ldx_jit_entry **list, struct ldx_heap *heap);

/* One entry, by itself. */
void ldx_jit_announce(struct ldx_jit_entry **list, struct ldx_jit_entry *e);
/* Also of one that was never announced. It is freed, unless debuggers could not be told that it goes. */
void ldx_jit_drop(struct ldx_jit_entry **list, struct ldx_heap *heap, struct ldx_jit_entry *e);

/* A debugger's breakpoint. */
void __jit_debug_register_code(void);

#endif
