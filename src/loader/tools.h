/* Loading of tools (include/ldx/tool.h). */
#ifndef LDX_LOADER_TOOLS_H
#define LDX_LOADER_TOOLS_H

#include "loader/load.h"

enum { LDX_TOOL_ARGS = 64 };

/* A tool that is asked for. */
struct ldx_tool_wish {
  struct ldx_tool_wish *next;
  const char *path;
  int argc;
  const char *argv[LDX_TOOL_ARGS + 1];
  const struct ldx_policy_tool *policy; /* NULL: by an option or a variable */
  struct ldx_object *object;            /* when it is loaded */
};

/* Whether anything is to be loaded before the program's libraries are looked for. */
bool ldx_tools_wanted(void);
/* Start-up: makes the guest's libc ready, loads the tools that live in namespaces of their own, and has each say what
 * it wants. The guest's loader is then the spare object of the program's load. Ends the process with a message when a
 * tool cannot be had. */
void ldx_start_tools(struct ldx_load *program);
/* Makes the guest's loader and the main thread ready, as ldx_start_tools does first; once. */
void ldx_prepare_early(struct ldx_load *program);

/* Has the object of the wish say what it wants, and puts it in order. True also when an optional tool is left out. */
bool ldx_add_tool(struct ldx_tool_wish *w, bool late, struct ldx_diag *d);
/* The same for one of ldx_self.in_app, at start-up: ends the process with a message when the tool cannot be had. */
void ldx_start_in_app(struct ldx_tool_wish *w);

/* An object in a new namespace with a libc of its own, constructed. NULL: see diag. */
struct ldx_object *ldx_open_isolated(const char *name, struct ldx_diag *d);
/* The same among the program's own, while it runs. */
struct ldx_object *ldx_open_in_program(const char *name, struct ldx_diag *d);

/* Before a tool's code runs on a thread that none has run on since a tool was loaded: makes the tools' libcs ready
 * for it. */
void ldx_greet_tools(struct ldx_thread *self);
static inline void ldx_enter_tools(void) {
  struct ldx_thread *self = ldx_thread_self();
  if (self && self->greeted != ldx_self.hooks.registered)
    ldx_greet_tools(self);
}

/* Loads "PATH,ARG,..." as a tool, also while the program runs. False: see *d. */
bool ldx_load_tool(const char *path_and_args, bool late, struct ldx_diag *d);
int ldx_tool_load(const char *path_and_args);

#endif
