/* Programs of musl: how they are started, and the dl* family by musl's rules. */
#ifndef LDX_LOADER_MUSL_H
#define LDX_LOADER_MUSL_H

#include "loader/load.h"

/* From here on names are searched, and constructors ordered, as musl does. */
void ldx_musl_begin(bool names_interpreter);
/* Stage "place": finds libc, and lays out the static block; hands over when it is no musl that can start itself. */
bool ldx_musl_place(struct ldx_load *l);
/* Stage "order": a dependency's constructors before its users', in the order of DT_NEEDED. */
bool ldx_musl_order(struct ldx_load *l);
/* The same, at exit: the last one constructed goes first. */
void ldx_musl_order_fini(struct ldx_object **objects, uint32_t count);
/* Where the program starts: at libc's own entry. */
struct ldx_handoff *ldx_musl_handoff(struct ldx_object *program);
/* libc has started itself, and means to enter the program: the program's entry. Called by ldx_return_entry. */
uintptr_t ldx_musl_started(void);

/* ldx's own function for a name that libc.so defines, at `real`; 0: none. */
uintptr_t ldx_musl_override(const char *name, uintptr_t real);

#endif
