/* "security" of the policy: which tools may be loaded. */
#ifndef LDX_LOADER_ALLOW_H
#define LDX_LOADER_ALLOW_H

#include "loader/load.h"

/* Whether the object, mapped from the open file, may be a tool. None of its code has run. False: see *d. */
bool ldx_allow_tool(const struct ldx_object *o, int fd, const char *name, struct ldx_diag *d);

#endif
