/* Events about libraries. Callers ask ldx_wants() first, but for those that say otherwise. */
#ifndef LDX_LOADER_TELL_LIBRARY_H
#define LDX_LOADER_TELL_LIBRARY_H

#include "loader/load.h"
#include "loader/tell.h"

/* Around whatever changes a namespace's list. They ask themselves. `out`: objects go. */
void ldx_tell_load_begin(struct ldx_load *l, bool out);
void ldx_tell_load_end(struct ldx_load *l, bool ok);
/* False, with a message, for a callback that wants to change the namespace whose change it is told of. */
bool ldx_may_change(const struct ldx_namespace *ns, struct ldx_diag *d);

/* START, and what the kernel had mapped before. */
void ldx_tell_start(struct ldx_load *l);
/* An event with no more than its object (NULL: none). */
void ldx_tell_object(enum ldx_event_type type, const struct ldx_object *o);
void ldx_tell_namespace(enum ldx_event_type type, const struct ldx_namespace *ns);
void ldx_tell_mapped(const struct ldx_object *o, const char *name);
/* The guest's loader was bound before there were tools. */
void ldx_tell_spare(const struct ldx_object *o);
void ldx_tell_unloaded(const struct ldx_object *o);
void ldx_tell_discarded(const struct ldx_load *l);
void ldx_tell_search(const struct ldx_load *l, const char *name, const struct ldx_object *asker);
void ldx_tell_found(const struct ldx_load *l, const char *name, const struct ldx_object *asker,
                    const struct ldx_library_file *f);

void ldx_tell_bound(const struct ldx_object *o, const Elf64_Rela *rel, const struct ldx_binding *b);
/* A slot was bound lazily to the value, which a resolver may have chosen: tells both. Vector registers are kept. */
void ldx_tell_bound_lazily(const struct ldx_object *o, const Elf64_Rela *rel, const struct ldx_binding *b,
                           uintptr_t value);
void ldx_tell_chosen(const struct ldx_object *o, void *slot, uintptr_t resolver, uintptr_t value);

void ldx_tell_dlopen(const char *name, int mode, const void *caller, const struct ldx_object *asker);
void ldx_tell_dlopened(const char *name, int mode, const struct ldx_object *asker, const struct ldx_object *o,
                       const struct ldx_diag *d);
void ldx_tell_dlsym(const struct ldx_object *asker, const struct ldx_sym_request *r, const void *value);

#endif
