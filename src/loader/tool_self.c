/* A program, or one of its libraries, that is a tool of its own (include/ldx/tool.h). */
#include <errno.h>
#include <string.h>

#include "loader/error.h"
#include "loader/load.h"
#include "loader/tool_self.h"

static struct ldx_tool *new_tool(const struct ldx_tool_desc *desc, struct ldx_object *o) {
  const char *name = ldx_keep_text(desc->name), *path = ldx_keep_text(ldx_display_name(o));
  struct ldx_tool *t = name && path ? ldx_hooks_new_tool(&ldx_self.hooks, name, path, o) : NULL;
  if (!t)
    return NULL;
  memcpy(&t->desc, desc, desc->size < sizeof t->desc ? desc->size : sizeof t->desc);
  t->desc.size = sizeof t->desc;
  t->on_fault = LDX_FAULT_REPORT;
  return t;
}

/* Its functions are called from now on: its code stays mapped, also when it is closed. */
static void pin(struct ldx_object *o) {
  ldx_rlock_enter(&ldx_self.lock);
  o->nodelete = true;
  ldx_rlock_leave(&ldx_self.lock);
}

ldx_tool *ldx_tool_register(const struct ldx_tool_desc *desc) {
  struct ldx_diag d = {.heap = &ldx_self.heap};
  if (!desc || desc->size < offsetof(struct ldx_tool_desc, version) || desc->abi > LDX_TOOL_ABI || !desc->name ||
      !*desc->name)
    return NULL;
  struct ldx_reader reader = ldx_reader_enter();
  struct ldx_object *o = ldx_object_at((uintptr_t)__builtin_return_address(0));
  ldx_reader_leave(reader);
  o = o && o->kind != LDX_LOADER ? o : ldx_self.base.program;
  struct ldx_tool *t = new_tool(desc, o);
  bool ok = t && ldx_hooks_add_tool(&ldx_self.hooks, t, &d);
  if (!ok && ldx_failed(&d))
    ldx_print_error(&d);
  ldx_diag_clear(&d);
  if (ok) {
    pin(o);
    return t;
  }
  ldx_delete(t);
  return NULL;
}
