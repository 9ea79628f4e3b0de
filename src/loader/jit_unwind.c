/* .eh_frame of objects made at run time, and its search table. */
#include "loader/jit_object.h"

int ldx_jit_unwind_new(struct ldx_jit_object *j) { return j ? 0 : 0; }
void ldx_jit_unwind_free(struct ldx_jit_object *j) { (void)j; }
int ldx_jit_unwind_stage(struct ldx_jit_object *j, const void *frames, size_t size, uintptr_t where) {
  (void)j, (void)frames, (void)size, (void)where;
  return 0;
}
int ldx_jit_unwind_stage_simple(struct ldx_jit_object *j, uintptr_t code, size_t size, int kind) {
  (void)j, (void)code, (void)size, (void)kind;
  return 0;
}
int ldx_jit_unwind_reserve(struct ldx_jit_object *j) { return j ? 0 : 0; }
void ldx_jit_unwind_publish(struct ldx_jit_object *j) { (void)j; }
void ldx_jit_unwind_discard(struct ldx_jit_object *j) { (void)j; }
void ldx_jit_unwind_drop(struct ldx_jit_object *j, uintptr_t low, uintptr_t high) { (void)j, (void)low, (void)high; }
uintptr_t ldx_jit_unwind_header(const struct ldx_jit_object *j) { return j->regions[LDX_REGION_FRAME_HDR].at; }
char *ldx_jit_unwind_copy(const struct ldx_jit_object *j, uintptr_t low, uintptr_t high, size_t *size) {
  (void)j, (void)low, (void)high;
  *size = 0;
  return NULL;
}
