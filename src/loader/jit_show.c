/* Tells debuggers, tools and profilers what objects made at run time have become. */
#include "loader/jit_object.h"

void ldx_jit_show_new(struct ldx_jit_object *j) { (void)j; }
void ldx_jit_show_batch(struct ldx_jit_object *j, const struct ldx_jit_batch *batch) { ldx_jit_perf_batch(j, batch); }
void ldx_jit_show_gone(struct ldx_jit_object *j) { (void)j; }
