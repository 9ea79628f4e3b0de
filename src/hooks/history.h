/* The history: the latest events, in a ring that tools can read and not write, and texts that stay.
 *
 * Its memory is mapped twice: for ldx writable, at an address that no tool is told, and read-only for tools. Writers
 * take no lock and may be signal handlers. In the child of fork the memory is still the parent's, until the first
 * call that finds it so makes a copy. */
#ifndef LDX_HOOKS_HISTORY_H
#define LDX_HOOKS_HISTORY_H

#include "hooks/hooks.h"

enum { LDX_HISTORY_SLOTS = 65536 };

/* Makes the history, unless there is one; `slots` is a power of two. 0 or a negative errno value. */
int ldx_history_open(struct ldx_hooks *h, uint32_t slots);

/* The following want a history. */
/* Gives the next event its number. */
uint64_t ldx_history_number(struct ldx_hooks *h);
/* The number given last. */
uint64_t ldx_history_last(const struct ldx_hooks *h);
/* Keeps an event under its number. */
void ldx_history_put(struct ldx_hooks *h, const struct ldx_event *e);
/* Copies event `seq`; false: lost. */
bool ldx_history_get(struct ldx_hooks *h, uint64_t seq, struct ldx_event *out);
/* The oldest number that may still be there. */
uint64_t ldx_history_first(const struct ldx_hooks *h);
uint64_t ldx_history_count_lost(const struct ldx_hooks *h);

/* The event where a tool can read it, until it is hidden again. NULL: too many are shown. */
const struct ldx_event *ldx_history_show(struct ldx_hooks *h, const struct ldx_event *e);
void ldx_history_hide(struct ldx_hooks *h, const struct ldx_event *shown);
/* Whether tools read the history at that address. */
bool ldx_history_holds(const struct ldx_hooks *h, uintptr_t addr);
/* In the child of fork: copies what is still the parent's. True when it did. */
bool ldx_history_after_fork(struct ldx_hooks *h);
/* Process the history belongs to. */
uint32_t ldx_history_pid(const struct ldx_hooks *h);

/* One copy of each text, which stays. Lock-free; works without a history too. NULL for NULL, "" without memory. */
const char *ldx_hooks_keep(struct ldx_hooks *h, const char *text);

#endif
