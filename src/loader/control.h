/* Control from outside: a thread of ldx's own answers tools/ldx-ctl over a unix socket (abstract, "ldx/PID"), to
 * nobody but the same user and root. There is none unless LDX_CTL or --ctl asks for it, or ldx-ctl brings it in.
 *
 * A request is one line; the answer is "ok" or "error: MESSAGE" and a line end, then text, then the end of the
 * stream: ping | dump | history [FROM] | explain | tools | tool load PATH[,ARG...] | tool disable NAME |
 * save OBJECT (whose answer begins with the number of bytes) */
#ifndef LDX_LOADER_CONTROL_H
#define LDX_LOADER_CONTROL_H

#include <stdbool.h>

/* Starts the thread; it stays as long as the process. 0, or a negative errno value. */
long ldx_control_stay(void);
void ldx_control_after_fork(void);

#endif
