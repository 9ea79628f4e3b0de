/* A tool with keys of its own: a file is known by its name, whatever its folder, times and bytes. */
#include <ldx/steer.h>
#include <string.h>

static enum ldx_verdict key(void *ctx, const struct ldx_file_facts *facts, uint8_t out[32]) {
  (void)ctx;
  const char *name = strrchr(facts->path, '/');
  if (!name)
    return LDX_PASS;
  size_t n = strlen(name);
  memcpy(out, name, n < 32 ? n : 32);
  return LDX_CHANGED;
}

static const struct ldx_steering steering = {.size = sizeof steering, .key = key};

int ldx_tool_main(ldx_tool *self, const struct ldx_tool_args *args, struct ldx_tool_desc *out) {
  (void)args;
  out->name = "keyer";
  return ldx_steer(self, &steering, NULL);
}
