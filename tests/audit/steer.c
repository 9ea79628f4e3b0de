/* An auditor that decides: AUDIT_RENAME="FLAG NAME OTHER" has a candidate of that kind (0: any) whose file name is
 * NAME become OTHER, or refuses it when OTHER is "-"; AUDIT_WRAP has calls of abi_int go to its own function. */
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

unsigned la_version(unsigned version) { return version; }

unsigned la_objopen(struct link_map *map, Lmid_t lmid, uintptr_t *cookie) { return LA_FLG_BINDTO | LA_FLG_BINDFROM; }

char *la_objsearch(const char *name, uintptr_t *cookie, unsigned flag) {
  static char kind[8], from[512], to[512];
  const char *wish = getenv("AUDIT_RENAME"), *slash = strrchr(name, '/');
  if (!wish || sscanf(wish, "%7s %511s %511s", kind, from, to) != 3)
    return (char *)name;
  if ((strtoul(kind, NULL, 0) && strtoul(kind, NULL, 0) != flag) || strcmp(slash ? slash + 1 : name, from))
    return (char *)name;
  return strcmp(to, "-") ? to : NULL;
}

static int (*real)(int);
static int instead(int a) { return -real(a); }

uintptr_t la_symbind64(Elf64_Sym *sym, unsigned index, uintptr_t *from, uintptr_t *to, unsigned *flags,
                       const char *name) {
  if (!getenv("AUDIT_WRAP") || strcmp(name, "abi_int"))
    return sym->st_value;
  real = (int (*)(int))sym->st_value;
  return (uintptr_t)instead;
}
