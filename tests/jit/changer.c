/* An auditor, and a tool, that has references to jit_answer of two libraries bound to its own function: those of one
 * that is bound lazily, and of one that is bound at once. */
#include <ldx/steer.h>
#include <link.h>
#include <stdbool.h>
#include <string.h>

static int instead(void) { return -7; }

static bool wanted(const char *path) {
  return strstr(path, "libjit-user-lazy.so") || strstr(path, "libjit-user-now.so");
}

unsigned la_version(unsigned version) { return version; }
unsigned la_objopen(struct link_map *map, Lmid_t lmid, uintptr_t *cookie) {
  (void)lmid;
  *cookie = wanted(map->l_name);
  return LA_FLG_BINDTO | LA_FLG_BINDFROM;
}
uintptr_t la_symbind64(Elf64_Sym *sym, unsigned index, uintptr_t *from, uintptr_t *to, unsigned *flags,
                       const char *name) {
  (void)index, (void)to, (void)flags;
  return *from == 1 && !strcmp(name, "jit_answer") ? (uintptr_t)instead : sym->st_value;
}

static enum ldx_verdict bind(void *ctx, const struct ldx_binding_request *r, void **value, struct ldx_answer *out) {
  (void)ctx, (void)out;
  if (strcmp(r->symbol, "jit_answer") || !wanted(r->from_path))
    return LDX_PASS;
  *value = (void *)instead;
  return LDX_CHANGED;
}
int ldx_tool_main(ldx_tool *self, const struct ldx_tool_args *args, struct ldx_tool_desc *out) {
  static const struct ldx_steering steering = {.size = sizeof steering, .bind = bind};
  (void)args;
  out->size = sizeof *out;
  out->abi = LDX_TOOL_ABI;
  out->name = "changer";
  return ldx_steer(self, &steering, NULL);
}
