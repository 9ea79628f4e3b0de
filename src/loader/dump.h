/* The whole state, and the history, as JSON in pieces.
 *
 * State: one object, its lines end where an element of an array ends:
 *   { "ldx": VERSION, "pid", "program": PATH,
 *     "namespaces": [ { "ns", "objects", "isolated", "of_tool" } ],
 *     "objects": [ { "id", "ns", "name", "path", "soname", "reason", "base", "low", "high", "opens", "tls_module",
 *                    "requested_by", "real", "build_id", "flags": [ "program", "loader", "vdso", "proxy", "global",
 *                    "nodelete", "ready", "tool", "from_memory", "runtime" ] } ],
 *     "threads": [ { "id", "tid", "stack_low", "stack_high", "tcb" } ],
 *     "tls": [ { "module", "object", "thread", "block", "bytes", "align", "is_static" } ],
 *     "tools": [ { "name", "version", "path", "why_here", "ns", "state": "ready" | "disabled", "events": [ NAME ],
 *                  "calls", "nanoseconds" } ],
 *     "events": { "next": NUMBER, "lost": NUMBER } }
 * History: one object a line:
 *   { "seq", "time", "type": NAME, "tid", "pid", "ns", "object", "other", "addr", and the members of `u` that the
 * type has, named as in include/ldx/event.h } Numbers are numbers (ids, sizes, times: below 2^53 in practice),
 * addresses are strings "0x...", build ids are hexadecimal digits. What is not known is null. Bytes of a text that
 * are no UTF-8 become U+FFFD. */
#ifndef LDX_LOADER_DUMP_H
#define LDX_LOADER_DUMP_H

#include <stddef.h>
#include <stdint.h>

/* Takes a piece of the text; a later call takes the next. */
typedef void ldx_dump_sink(void *arg, const char *text, size_t size);

struct ldx_event;

void ldx_dump_state(ldx_dump_sink *sink, void *arg);
/* Events from number `from` on (0: the oldest kept); the number that would come next. */
uint64_t ldx_dump_history(uint64_t from, ldx_dump_sink *sink, void *arg);
/* One event, with its line end. */
void ldx_dump_event(const struct ldx_event *e, ldx_dump_sink *sink, void *arg);

#endif
