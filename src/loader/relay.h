/* The guest's private entry points for a libc that catches errors by its own code (before glibc 2.34): what ldx
 * throws there is caught here and thrown again by libc. */
#ifndef LDX_LOADER_RELAY_H
#define LDX_LOADER_RELAY_H

#include "loader/dl.h"

void *ldx_relay_open(const char *name, int mode, const void *caller, long ns, int argc, char **argv, char **env);
void ldx_relay_close(void *handle);
struct ldx_object *ldx_relay_lookup(const char *name, struct ldx_object *from, const Elf64_Sym **ref,
                                    struct ldx_scope_slot **scope, const struct ldx_guest_version *version,
                                    int type_class, int flags, struct ldx_object *skip);

#endif
