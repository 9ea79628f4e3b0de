/* A tool that does nothing: with it the program's exec and its like are watched, too. */
#include <ldx/tool.h>

int ldx_tool_main(ldx_tool *self, const struct ldx_tool_args *args, struct ldx_tool_desc *out) {
  (void)self, (void)args;
  out->name = "nothing";
  return 0;
}
