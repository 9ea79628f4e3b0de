/* A tool with 64 KiB of thread-local storage of its own. */
#include <ldx/tool.h>

static __thread char room[65536];
int ldx_tool_main(ldx_tool *self, const struct ldx_tool_args *args, struct ldx_tool_desc *out) {
  (void)self, (void)args;
  room[sizeof room - 1] = 1;
  out->name = "large";
  return room[0];
}
