/* perf's map and jitdump of objects made at run time. */
#include "loader/jit_object.h"

void ldx_jit_perf_batch(struct ldx_jit_object *j, const struct ldx_jit_batch *batch) { (void)j, (void)batch; }
void ldx_jit_perf_fork(void) {}
void ldx_jit_code_changed(uintptr_t low, uintptr_t high) { (void)low, (void)high; }
