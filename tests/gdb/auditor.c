// An auditor (rtld-audit(7)) that does nothing but be told.
#include <link.h>

static volatile int opened;

unsigned la_version(unsigned version) { return version; }

unsigned la_objopen(struct link_map *map, Lmid_t ns, uintptr_t *cookie) {
  (void)map, (void)ns, (void)cookie;
  opened = opened + 1;
  return 0;
}
