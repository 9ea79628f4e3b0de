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
  const struct ldx_r_debug *base;    /* that of the base namespace */
  struct ldx_debug_command *command; /* base: see below; NULL: not started as a command */
  bool started;                      /* base: changes are announced */
};

/* Of a program that was started as a command, debuggers take the file that the kernel runs, ldx, for the program, and
 * the first of the base list for ldx: they would never see the program. For them, who come by _r_debug of ldx, the
 * chain has a list more: of the program alone, under its path. What the program itself finds, by its DT_DEBUG or by
 * _r_debug of its libc, is a copy of the base namespace's that leads to nothing of it. */
struct ldx_debug_command {
  struct ldx_r_debug alias, copy;
};

/* Debuggers set their breakpoint here; it does nothing. */
void _dl_debug_state(void);

void ldx_r_debug_init(struct ldx_r_debug *d, const struct ldx_r_debug *base, uintptr_t loader_base);
/* Of the base namespace, before anything is announced. */
void ldx_debug_as_command(struct ldx_r_debug *base, struct ldx_debug_command *c);
/* What the program is to find. */
static inline struct ldx_r_debug *ldx_debug_inside(struct ldx_r_debug *base) {
  return base->command ? &base->command->copy : base;
}

/* The namespace's list begins where it says; a namespace comes into the chain behind another's, and leaves it. Under
 * the writer lock. */
void ldx_debug_set_list(const struct ldx_namespace *ns);
void ldx_debug_link(struct ldx_r_debug *base, struct ldx_r_debug *before, struct ldx_r_debug *d);
void ldx_debug_unlink(struct ldx_r_debug *base, struct ldx_r_debug *d);

/* What follows is announced by a change of r_state and by a probe. Under the writer lock. */

/* The base namespace's first objects come, and have come: they are relocated, and nothing of them has run. The loader
 * must be on the list before: a debugger that reads it and does not find the loader forgets where to stop. */
void ldx_debug_start(const struct ldx_namespace *ns);
void ldx_debug_started(const struct ldx_namespace *ns);
void ldx_debug_load(const struct ldx_namespace *ns);
/* All files are mapped, and will be relocated. They are not on the list: nobody sees half of a load. */
void ldx_debug_mapped(const struct ldx_namespace *ns);
/* The list is about to change. A load within this one (a resolver's dlopen) may have said that all is done. */
void ldx_debug_commit(const struct ldx_namespace *ns);
/* They are on the list behind `last`; !ok: it is what it was. */
void ldx_debug_loaded(const struct ldx_namespace *ns, const struct ldx_object *last, bool ok);
/* A child of fork: what another thread was at will not go on. */
void ldx_debug_forked(const struct ldx_namespace *ns);
void ldx_debug_unload(const struct ldx_namespace *ns);
void ldx_debug_unloaded(const struct ldx_namespace *ns);

#endif
