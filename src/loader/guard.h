/* Calls of tools: a callback that crashes or does not come back is named, and by default the program goes on without
 * the tool.
 *
 * While a thread is in a guarded stretch, the signals of crashes come to ldx first, and a timer of the thread watches
 * for callbacks that take too long. What did not happen in a callback goes on to where it would have gone. */
#ifndef LDX_LOADER_GUARD_H
#define LDX_LOADER_GUARD_H

#include "hooks/hooks.h"
#include "loader/context.h"

/* stack_t of sigaltstack(2). */
struct ldx_kernel_stack {
  void *base;
  int flags;
  size_t size;
};

/* A thread in a guarded stretch. */
struct ldx_guarded {
  uintptr_t thread; /* its thread pointer; 0: free */
  uint32_t tid, depth;
  struct ldx_call *call; /* the innermost callback that it is in */
  const struct ldx_subscription *entering;
  uint64_t mask;                   /* of signals, as it was before */
  int32_t timer;                   /* -1: none */
  uint64_t timer_set, timer_slack; /* when, and how long it need not be set again */
  bool lent;                       /* the thread has `stack` for its signals, and gets `former` back */
  char *stack;                     /* stays with the place */
  struct ldx_kernel_stack former;
};

/* Stretches nest: one around a load makes those of its events cheap. NULL: no room, calls are not guarded. */
struct ldx_guarded *ldx_guard_begin(void);
void ldx_guard_end(struct ldx_guarded *g);
/* The calling thread's; NULL: it is in none. */
struct ldx_guarded *ldx_guard_here(void);
/* Whether the thread is in a callback of that tool; NULL: of any. */
bool ldx_guard_is_inside(const struct ldx_guarded *g, const struct ldx_tool *tool);

/* Calls run(arg) in the tool's name; `what` ends the sentence "segmentation fault in ...": "its callback for event
 * mapped" is LDX_EVENT_CALLBACK and "mapped". False: it crashed, and the tool is disabled. */
#define LDX_EVENT_CALLBACK "its callback for event "
bool ldx_guard_call(struct ldx_guarded *g, struct ldx_tool *tool, const char *what, const char *which,
                    void (*run)(void *arg), void *arg);

/* CLOCK_MONOTONIC in nanoseconds. */
uint64_t ldx_now(void);
/* In the child of fork only its own thread is left. */
void ldx_guard_after_fork(void);

#endif
