/* Tools: shared objects that watch a program being loaded, and steer it.
 *
 * A tool exports one function, ldx_tool_main. It is loaded by `ldx --tool PATH`, by LDX_TOOLS (paths separated by
 * colons) or by a policy, before the program's libraries are searched for, in a namespace of its own: its libc is not
 * the program's, and it needs no care to stay out of the program's way. Asked for by --tool-in-app, LDX_TOOLS_IN_APP
 * or "in_app" of the policy it lives in the program's namespace instead, in front of its libraries, and comes to word
 * when all are relocated and its own constructors have run, before any other constructor; what happened before it can
 * read in the history. A tool that finds itself elsewhere and sets LDX_TOOL_IN_APP is taken out, and loaded again
 * with the program: it should set the flag before it does anything else.
 *
 * The functions of these headers stay undefined when a tool is linked; ldx resolves them. Unless they say otherwise
 * they may be called from any thread, return 0 or a negative errno value, and keep nothing of their arguments but
 * what they say they keep. Structs begin with their size: a newer ldx fills no more than the tool knows, an older one
 * leaves the rest as it was. Values of enums are never reused.
 *
 * Callbacks run on the thread that the event happened on, one tool after the other in tool order. They may call
 * anything in their own namespace. A callback that is called inside a load must not load into the namespace being
 * loaded (dlopen fails then with a message), and must not wait for another thread that loads. A callback that
 * crashes is named on stderr, and by default the tool is disabled and the program goes on; one that takes
 * longer than the watchdog allows is named too. */
#ifndef LDX_TOOL_H
#define LDX_TOOL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LDX_TOOL_ABI 1

/* A tool, opaque: the first argument of whatever is done in its name. */
typedef struct ldx_tool ldx_tool;

/* Number of an object, namespace or thread, never used twice in a process; 0 is none. */
typedef uint64_t ldx_id;

enum {
  LDX_TOOL_IN_APP = 1,   /* lives in the program's namespace */
  LDX_TOOL_OPTIONAL = 2, /* the program runs also when this tool declines */
};

/* What a tool says of itself. Texts and arrays are kept: they must live as long as the tool. */
struct ldx_tool_desc {
  uint32_t size; /* set by ldx: sizeof of what it knows */
  uint32_t abi;  /* LDX_TOOL_ABI */
  const char *name, *version;
  /* NULL-terminated lists of names of tools, or of what tools provide; NULL: none. A tool before another sees events
   * first, rewrites names first, and wraps outermost. */
  const char *const *before, *const *after;
  const char *const *conflicts; /* refuses to run together with these */
  const char *const *provides;  /* other names that it answers to */
  int32_t priority;             /* where before and after leave it open: higher goes first */
  uint32_t flags;
  uint64_t watchdog; /* nanoseconds that a callback may take before it is named; 0: ten seconds */
};

struct ldx_tool_args {
  uint32_t size;
  int argc; /* "args" of the policy, or what follows the path in `--tool PATH,ARG,...` */
  const char *const *argv;
  const char *path;
  const char *program; /* path of the program as it was named */
  uint32_t late;       /* 1: the program runs already */
};

/* The tool's entry. Fills *out, subscribes and registers what it likes. 0: ready; anything else: it declines, is
 * taken out again, and the program does not start unless the tool is optional. */
int ldx_tool_main(ldx_tool *self, const struct ldx_tool_args *args, struct ldx_tool_desc *out);
typedef int ldx_tool_entry(ldx_tool *self, const struct ldx_tool_args *args, struct ldx_tool_desc *out);

/* Loads a tool while the program runs; in the order it takes the place that before, after and priority give it.
 * Takes the path as --tool does. */
int ldx_tool_load(const char *path_and_args);
/* The calling program, or library, becomes a tool itself: it may subscribe and steer from then on. NULL: a name is
 * wanted, it is taken, or the order is impossible (a line on stderr says what). desc->size is to be set. The library
 * stays mapped from then on, as with RTLD_NODELETE. */
ldx_tool *ldx_tool_register(const struct ldx_tool_desc *desc);
/* Takes away all of a tool's subscriptions and hooks. Its code stays mapped: other threads may be in it. */
int ldx_tool_disable(ldx_tool *tool);

/* Writes text to ldx's own stderr in one piece, with the tool's name in front. */
void ldx_tool_log(ldx_tool *tool, const char *text);

#ifdef __cplusplus
}
#endif
#endif
