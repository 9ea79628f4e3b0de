// A tool that does nothing but be there.
#include "ldx/tool.h"

int ldx_tool_main(ldx_tool *self, const struct ldx_tool_args *args, struct ldx_tool_desc *out) {
  (void)self, (void)args;
  out->abi = LDX_TOOL_ABI;
  out->name = "present";
  return 0;
}
