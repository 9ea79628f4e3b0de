/* Telling tools what happens. Callers ask ldx_wants() first: without tools that is one load and one test. */
#ifndef LDX_LOADER_TELL_H
#define LDX_LOADER_TELL_H

#include "loader/context.h"

static inline bool ldx_wants(enum ldx_event_type type) {
  return __builtin_expect(ldx_self.hooks.wanted >> type & 1, 0);
}

/* An event about an object (may be NULL), to be completed. */
struct ldx_event ldx_event_about(enum ldx_event_type type, const struct ldx_object *o);
/* Numbers the event, keeps it in the history, and tells it to who wants it: size, seq, time, tid and pid are filled
 * in. Texts must be kept ones. No lock may be needed to end a callback but those that the thread holds already. What
 * a tool does in a callback is not told to that tool. */
void ldx_tell(struct ldx_event *e);
/* In the child of fork: before anything that tools are told by is used. */
void ldx_tell_in_this_process(void);
/* The same for a call whose vector registers must live: a lazily bound function, a TLS descriptor. */
void ldx_tell_keeping_vectors(struct ldx_event *e);
/* The text, where it stays as long as the process; NULL for NULL. */
const char *ldx_keep_text(const char *text);
/* A text of the object's image: that of one that stays needs no copy. */
const char *ldx_keep_text_of(const struct ldx_object *o, const char *text);
/* Frees what subscriptions have left. Under the writer lock. */
void ldx_tell_reclaim(void);

#endif
