// A tool that stops a load when libdp-under.so is mapped, and the load not yet committed, until a debugger has come.
#include <string.h>
#include <unistd.h>

#include <ldx/debug.h>
#include <ldx/event.h>

static void mapped(void *self, const struct ldx_event *event) {
  if (!event->u.lib.path || !strstr(event->u.lib.path, "libdp-under.so"))
    return;
  ldx_tool_log(self, "holds");
  while (!ldx_debugger(NULL))
    usleep(10000);
  ldx_tool_log(self, "lets go");
}

int ldx_tool_main(ldx_tool *self, const struct ldx_tool_args *args, struct ldx_tool_desc *out) {
  (void)args;
  out->abi = LDX_TOOL_ABI;
  out->name = "holder";
  out->watchdog = UINT64_C(1000000000) * 100;
  return ldx_subscribe(self, LDX_EV_BIT(LDX_EV_MAPPED), mapped, self, 0);
}
