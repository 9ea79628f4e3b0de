/* Loading of tools (include/ldx/tool.h). */
#ifndef LDX_LOADER_TOOLS_H
#define LDX_LOADER_TOOLS_H

#include "loader/load.h"

/* Whether anything is to be loaded before the program's libraries are looked for. */
bool ldx_tools_wanted(void);
/* Start-up: makes the guest's libc ready, loads the tools that live in namespaces of their own, and has each say what
 * it wants. The guest's loader is then the spare object of the program's load. Ends the process with a message when a
 * tool cannot be had. */
void ldx_start_tools(struct ldx_load *program);
/* Makes the guest's loader and the main thread ready, as ldx_start_tools does first; once. */
void ldx_prepare_early(struct ldx_load *program);

/* An object in a new namespace with a libc of its own, constructed. NULL: see diag. */
struct ldx_object *ldx_open_isolated(const char *name, struct ldx_diag *d);

int ldx_tool_load(const char *path_and_args);

#endif
