/* A tool that counts what it hears (with the word "all": of all types), and says so at the end; it needs its libc's
 * tables on every thread. */
#include <ctype.h>
#include <ldx/event.h>
#include <stdio.h>

static unsigned long mapped, unloaded, letters;

static void hear(void *ctx, const struct ldx_event *e) {
  (void)ctx;
  for (const char *p = ldx_event_name(e->type); *p; p++)
    letters += isalpha((unsigned char)*p) != 0;
  mapped += e->type == LDX_EV_MAPPED;
  unloaded += e->type == LDX_EV_UNLOADED;
  if (e->type == LDX_EV_EXIT)
    fprintf(stderr, "counter: mapped %s, unloaded %s, letters %s\n", mapped ? "some" : "none",
            unloaded ? "some" : "none", letters ? "some" : "none");
}

int ldx_tool_main(ldx_tool *self, const struct ldx_tool_args *args, struct ldx_tool_desc *out) {
  out->name = "counter";
  out->version = args->late ? "late" : "early";
  uint64_t types = LDX_EV_BIT(LDX_EV_MAPPED) | LDX_EV_BIT(LDX_EV_UNLOADED) | LDX_EV_BIT(LDX_EV_EXIT);
  return ldx_subscribe(self, args->argc ? LDX_EV_ALL : types, hear, NULL, 0);
}
