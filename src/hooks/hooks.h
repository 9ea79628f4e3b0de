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
  uint64_t calls, nanoseconds, watchdog; /* watchdog: nanoseconds, 0: the usual */
  uint32_t on_fault;                     /* enum ldx_on_fault of the policy; 0: disable */
};

struct ldx_subscription {
  uint64_t types;
  ldx_event_fn *fn;
  void *ctx;
  struct ldx_tool *tool;
  bool gone; /* unsubscribed: not called any more, also by those who hold an older array */
};
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

struct ldx_hooks {
  uint64_t wanted;   /* event types that somebody subscribes to, or that the history keeps */
  bool steered;      /* some tool has a steering table */
  bool steers_binds; /* and that has a function for bindings */
  struct ldx_heap *heap;
  struct ldx_rlock lock;
  const struct ldx_tool_order *order;
  const struct ldx_subscribers *subscribers;
  const struct ldx_tool_edge *edges;
  uint32_t edge_count, registered;
  struct ldx_history *history; /* NULL: none is kept */
  ldx_id last_id;
};

/* tools.c: sorts by before/after/provides, the policy's edges, priority (higher first), registration. False with the
 * message in *d: a circle (its edges are named, with who wants each), a conflict, two tools of one name. */
bool ldx_hooks_add_tool(struct ldx_hooks *h, struct ldx_tool *tool, struct ldx_diag *d);
/* Same, when all are known: start-up adds tools first, and orders them once. */
bool ldx_hooks_sort(struct ldx_hooks *h, struct ldx_diag *d);
void ldx_hooks_disable(struct ldx_hooks *h, struct ldx_tool *tool);
/* Recomputes wanted, steered, steers_binds. */
void ldx_hooks_refresh(struct ldx_hooks *h);

/* events.c */
bool ldx_hooks_subscribe(struct ldx_hooks *h, struct ldx_tool *tool, uint64_t types, ldx_event_fn *fn, void *ctx);
bool ldx_hooks_unsubscribe(struct ldx_hooks *h, struct ldx_tool *tool, ldx_event_fn *fn, void *ctx);

#endif
