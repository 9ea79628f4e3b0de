/* Events as lines of JSON, without a tool: --trace, or "events" of the policy. The form is that of the history in
 * dump.h. */
#ifndef LDX_LOADER_EVENT_LOG_H
#define LDX_LOADER_EVENT_LOG_H

#include <stdbool.h>

#include "base/diag.h"

/* Begins when somebody wants it. False: see the diag. */
bool ldx_start_event_log(struct ldx_diag *d);

#endif
