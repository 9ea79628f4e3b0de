// A tool that gives the bytes of two libraries: they come from memory. One has a file of that name, and one has not.
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "ldx/steer.h"
#include "ldx/tool.h"

static enum ldx_verdict give(void *ctx, const struct ldx_request *r, const char *candidate, struct ldx_answer *out) {
  (void)ctx, (void)candidate;
  const char *file = !strcmp(r->name, "./libgdb-given.so") ? "libgdb-under.so" : r->name;
  if (file == r->name && strcmp(r->name, "./libgdb-later.so"))
    return LDX_PASS;
  out->fd = open(file, O_RDONLY | O_CLOEXEC);
  return LDX_CHANGED;
}

int ldx_tool_main(ldx_tool *self, const struct ldx_tool_args *args, struct ldx_tool_desc *out) {
  static const struct ldx_steering steering = {.size = sizeof steering, .image = give};
  (void)args;
  out->abi = LDX_TOOL_ABI;
  out->name = "giver";
  return ldx_steer(self, &steering, NULL);
}
