/* Tools, as the loader keeps them: who there is, in which order, who wants to hear what, and what was told.
 *
 * hooks/ keeps books only: it calls no tool, and knows nothing of search or libc. The loader asks `wanted` before it
 * does anything for a tool; in a process without tools and policy all of this stays zero and untouched.
 *
 * Writers hold `lock`. Readers take no lock: `order` and `subscribers` are immutable arrays, replaced as a whole. */
#ifndef LDX_HOOKS_HOOKS_H
#define LDX_HOOKS_HOOKS_H

#include <ldx/event.h>
#include <ldx/steer.h>
#include <stdbool.h>

#include "base/diag.h"
#include "base/heap.h"
#include "base/lock.h"
#include "hooks/policy.h"

struct ldx_object;

enum ldx_tool_state { LDX_TOOL_READY, LDX_TOOL_DISABLED };

struct ldx_tool {
  ldx_id id;
  const char *name, *path; /* heap */
  struct ldx_tool_desc desc;
  struct ldx_object *object; /* NULL: built in (the policy) */
  const struct ldx_steering *steering;
  void *steering_ctx;
  const char *why_here; /* what put it behind the one before */
  uint32_t rank;        /* order of registration */
  uint32_t state;
  uintptr_t set_cancel_state;            /* of its libc; 0: not looked for yet, UINTPTR_MAX: it has none */
  uint64_t calls, nanoseconds, watchdog; /* watchdog: nanoseconds, 0: the usual */
  uint64_t only;                         /* event types that it may hear of; 0: all */
  uint32_t on_fault;                     /* enum ldx_on_fault */
};

struct ldx_subscription {
  uint64_t types;
  ldx_event_fn *fn;
  void *ctx;
  struct ldx_tool *tool;
  uint64_t gate;     /* number of its first event; LDX_REPLAYING, and the highest number left to the replay */
  uint32_t entering; /* threads between looking at `gone` and the call */
  bool gone;         /* unsubscribed: not called any more, also by those who hold an older array */
};
#define LDX_REPLAYING (UINT64_C(1) << 63)

struct ldx_subscribers {
  uint32_t count;
  struct ldx_subscription *at[]; /* in tool order */
};
struct ldx_tool_order {
  uint32_t count;
  struct ldx_tool *at[];
};

/* An order that somebody wants, beyond what tools say of themselves: "order" of the policy. */
struct ldx_tool_edge {
  const char *first, *second, *where; /* where: FILE:LINE:COLUMN */
};

struct ldx_history; /* history.h */
struct ldx_texts;

struct ldx_hooks_retired {
  struct ldx_hooks_retired *next;
  const void *block; /* heap */
};

struct ldx_hooks {
  uint64_t wanted;   /* event types that somebody subscribes to, or that the history keeps */
  bool steered;      /* some tool has a steering table */
  bool foreign;      /* some tool is not built in */
  bool steers_binds; /* and that has a function for bindings */
  struct ldx_heap *heap;
  struct ldx_rlock lock;
  const struct ldx_tool_order *order;
  const struct ldx_subscribers *subscribers;
  const struct ldx_tool_edge *edges, *removed; /* removed: wishes that do not count */
  uint32_t edge_count, removed_count, registered;
  uint32_t on_conflict;              /* enum ldx_on_conflict; 0: chain */
  struct ldx_history *history;       /* NULL: none is kept */
  uint32_t history_slots;            /* that it is made with; 0: the usual */
  struct ldx_texts *texts;           /* kept ones; NULL: none yet */
  struct ldx_hooks_retired *retired; /* replaced: to be freed when no reader is left */
  ldx_id last_id;
};

/* tools.c: a tool that is not in order yet. Texts are kept as they are; object NULL: it is built in. NULL: no memory.
 */
struct ldx_tool *ldx_hooks_new_tool(struct ldx_hooks *h, const char *name, const char *path,
                                    struct ldx_object *object);
/* Sorts by before/after/provides, the policy's edges, priority (higher first), registration. False with the
 * message in *d, and all is as it was: a circle (its edges are named, with who wants each), a conflict, two tools of
 * one name. */
bool ldx_hooks_add_tool(struct ldx_hooks *h, struct ldx_tool *tool, struct ldx_diag *d);
/* Once more, when edges have come. */
bool ldx_hooks_sort(struct ldx_hooks *h, struct ldx_diag *d);
/* Takes away all that the tool has asked for. It keeps its place. */
void ldx_hooks_disable(struct ldx_hooks *h, struct ldx_tool *tool);
/* Recomputes wanted, steered, steers_binds. */
void ldx_hooks_refresh(struct ldx_hooks *h);

/* Puts a replaced block on the list, under the lock. */
void ldx_hooks_retire(struct ldx_hooks *h, const void *block);
/* Takes the list; its nodes and blocks are the caller's. */
struct ldx_hooks_retired *ldx_hooks_take_retired(struct ldx_hooks *h);

/* events.c: the types whose names match the n-byte pattern (ldx_glob). */
uint64_t ldx_hooks_types(const char *pattern, size_t n);
/* events.c. With `replay` the subscription is told nothing until the gate is opened (ldx_gate_open). NULL: no memory.
 */
struct ldx_subscription *ldx_hooks_subscribe(struct ldx_hooks *h, struct ldx_tool *tool, uint64_t types,
                                             ldx_event_fn *fn, void *ctx, bool replay);
/* Takes it out, unless it is gone already. It is freed when no reader is left. */
struct ldx_subscription *ldx_hooks_find_subscription(struct ldx_hooks *h, const struct ldx_tool *tool,
                                                     ldx_event_fn *fn, const void *ctx);
void ldx_hooks_unsubscribe(struct ldx_hooks *h, struct ldx_subscription *s);
void ldx_hooks_unsubscribe_all(struct ldx_hooks *h, const struct ldx_tool *tool);
/* In the order of the tools, as it is now. */
void ldx_hooks_sort_subscribers(struct ldx_hooks *h);
/* Whether the subscription is told event `seq` as it happens. What it is not told before the gate is open, the replay
 * has to tell. */
bool ldx_gate_passes(struct ldx_subscription *s, uint64_t seq);
/* Number of the last event that is the replay's at least; `told`: of the last event that was numbered. */
uint64_t ldx_gate_end(const struct ldx_subscription *s, uint64_t told);
/* All up to `end` are told: opens the gate. False: there are more. */
bool ldx_gate_open(struct ldx_subscription *s, uint64_t end);

#endif
