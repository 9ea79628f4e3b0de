#include "debug-protocol/rdebug.h"

__attribute__((noinline, visibility("default"), used)) void _dl_debug_state(void) {
  __asm__ volatile("" ::: "memory");
}

void ldx_r_debug_init(struct ldx_r_debug *d, uintptr_t loader_base) {
  d->r_version = 1;
  d->r_brk = (uintptr_t)_dl_debug_state;
  d->r_ldbase = loader_base;
}

void ldx_r_debug_state(struct ldx_r_debug *d, int state) {
  d->r_state = state;
  _dl_debug_state();
}
