/* What a debugger reads: struct r_debug (SVR4; r_version 2 adds r_next) and the breakpoint function. */
#ifndef LDX_DEBUG_PROTOCOL_RDEBUG_H
#define LDX_DEBUG_PROTOCOL_RDEBUG_H

#include <stdint.h>

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
};

/* Debuggers set their breakpoint here; it does nothing. */
void _dl_debug_state(void);

void ldx_r_debug_init(struct ldx_r_debug *d, uintptr_t loader_base);
/* Announces a change of the list, or its end. */
void ldx_r_debug_state(struct ldx_r_debug *d, int state);

#endif
