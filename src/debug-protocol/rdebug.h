/* What a debugger reads: struct r_debug (SVR4; r_version 2 adds r_next), the breakpoint function, and probes. */
#ifndef LDX_DEBUG_PROTOCOL_RDEBUG_H
#define LDX_DEBUG_PROTOCOL_RDEBUG_H

#include <stdbool.h>
#include <stdint.h>

struct ldx_namespace;
struct ldx_object;

enum { LDX_R_DEBUG_CHAINED = 2 }; /* r_version: r_next is there */
enum { LDX_RT_CONSISTENT, LDX_RT_ADD, LDX_RT_DELETE };

struct ldx_r_debug {
  int r_version;
  struct ldx_object *r_map;
  uintptr_t r_brk;
  int r_state;
  uintptr_t r_ldbase;
  struct ldx_r_debug *r_next; /* r_version >= 2 */
  long ns;                    /* Lmid_t, for debuggers that know ldx (struct ldx_debug_space) */
  /* Not for debuggers */
  const struct ldx_r_debug *base; /* that of the base namespace */
  bool started;                   /* base: ldx_debug_started was called */
};

/* Debuggers set their breakpoint here; it does nothing. */
void _dl_debug_state(void);

void ldx_r_debug_init(struct ldx_r_debug *d, const struct ldx_r_debug *base, uintptr_t loader_base);

/* What follows is announced by a change of r_state and by a probe. Under the writer lock. What is loaded before the
 * base namespace's first objects, for tools, is announced with them: as long as the loader is not on the list, a
 * debugger that reads it forgets the loader, and where to stop. */

/* The base namespace's first objects come, and have come: they are relocated, and nothing of them has run. */
void ldx_debug_start(const struct ldx_namespace *ns);
void ldx_debug_started(const struct ldx_namespace *ns);
/* Answers with what is last on the list, for ldx_debug_loaded. */
const struct ldx_object *ldx_debug_load(const struct ldx_namespace *ns);
/* All files are mapped, and will be relocated. They are not on the list: nobody sees half of a load. */
void ldx_debug_mapped(const struct ldx_namespace *ns);
/* They are on the list behind `last`; !ok: it is what it was. */
void ldx_debug_loaded(const struct ldx_namespace *ns, const struct ldx_object *last, bool ok);
void ldx_debug_unload(const struct ldx_namespace *ns);
void ldx_debug_unloaded(const struct ldx_namespace *ns);

#endif
