/* --list, LD_TRACE_LOADED_OBJECTS, --verify: say what would be loaded, and run nothing. */
#include <string.h>

#include "base/print.h"
#include "base/sys.h"
#include "loader/load.h"

static const char *asked_name(const struct ldx_object *o) {
  const struct ldx_name *n = o->names;
  while (n && n->next)
    n = n->next;
  return n ? n->text : o->map.l_name;
}

static void print_object(const struct ldx_object *o) {
  if (o->faked) {
    ldx_print(1, "\t%s => not found\n", o->map.l_name);
    return;
  }
  const char *asked = asked_name(o);
  bool same = !strcmp(asked, o->map.l_name) || o->map.l_name == ldx_self.guest_interp ||
              !strcmp(o->map.l_name, ldx_self.guest_interp);
  if (same)
    ldx_print(1, "\t%s (0x%016lx)\n", o->map.l_name, o->map_start);
  else
    ldx_print(1, "\t%s => %s (0x%016lx)\n", asked, o->map.l_name, o->map_start);
}

_Noreturn void ldx_list_objects(struct ldx_load *l) {
  uint32_t shown = 0;
  for (uint32_t i = 0; i < l->fresh.count; i++) {
    const struct ldx_object *o = l->fresh.at[i];
    if (o->kind == LDX_PROGRAM || o->kind == LDX_LOADER)
      continue;
    print_object(o);
    shown++;
  }
  (void)shown;
  sys_exit(0);
}

void ldx_print_statistics(void) {}
