// What a debugger reads: the chain of r_debug, one of each namespace, and their lists.
#include "check.h"

struct extended { // struct r_debug_extended of <link.h> since glibc 2.35
  struct r_debug base;
  struct extended *r_next;
};

static struct extended *rendezvous(void) {
  struct extended *mine = NULL;
  for (const ElfW(Dyn) *d = _DYNAMIC; d->d_tag != DT_NULL; d++)
    if (d->d_tag == DT_DEBUG)
      mine = (struct extended *)d->d_un.d_ptr;
  CHECK(mine != NULL && mine == dlsym(RTLD_DEFAULT, "_r_debug"));
  return mine;
}

static int members(struct extended *r) {
  int count = 0;
  struct link_map *last = NULL;
  for (struct link_map *map = r->base.r_map; map; last = map, map = map->l_next) {
    if (count++)
      CHECK(map->l_prev == last);
    CHECK(map->l_name != NULL && map->l_ld != NULL);
    for (struct link_map *other = r->base.r_map; other != map; other = other->l_next)
      CHECK(other->l_ld != map->l_ld);
  }
  return count;
}

// Answers with the number of namespaces that hold anything.
static int walk(void) {
  struct link_map *seen[1000];
  int chain = 0, filled = 0, count = 0;
  struct extended *first = rendezvous();
  for (struct extended *r = first; r && chain < 500; r = r->r_next, chain++) {
    CHECK(r->base.r_state == RT_CONSISTENT && r->base.r_version == first->base.r_version);
    CHECK(r->base.r_brk == first->base.r_brk && r->base.r_brk != 0);
    filled += members(r) > 0;
    for (struct link_map *map = r->base.r_map; map && count < 1000; map = map->l_next) {
      for (int i = 0; i < count; i++)
        CHECK(seen[i] != map);
      CHECK(namespace_of(map) == namespace_of(r->base.r_map));
      seen[count++] = map;
    }
  }
  CHECK(chain < 500);
  return filled;
}

static int listed(struct link_map *wanted) {
  for (struct extended *r = rendezvous(); r; r = r->r_next)
    for (struct link_map *map = r->base.r_map; map; map = map->l_next)
      if (map == wanted)
        return 1;
  return 0;
}

int main(void) {
  struct extended *first = rendezvous();
  CHECK(walk() == 1);
  CHECK(strcmp(first->base.r_map->l_name, "") == 0);
  void *handles[20], *base = OPEN(LM_ID_BASE, "./libns-top.so", RTLD_NOW);
  for (int i = 0; i < 20; i++) {
    handles[i] = OPEN(LM_ID_NEWLM, "./libns-one.so", RTLD_NOW | (i % 5 == 4 ? RTLD_ISOLATE : 0));
    CHECK(walk() == i + 2);
    CHECK(first->base.r_version >= 2);
    CHECK(listed(handles[i]) && !is_proxy(handles[i]));
  }
  // A proxy is not shown: its code belongs to the base namespace, where it is shown already.
  struct link_map *proxy = OPEN(namespace_of(handles[0]), "./libns-two.so", RTLD_NOW | RTLD_SHARED);
  CHECK(is_proxy(proxy) && !listed(proxy));
  CHECK(listed(base) && walk() == 21);
  for (int i = 0; i < 20; i += 2) {
    CHECK(dlclose(handles[i]) == 0);
    walk();
  }
  CHECK(walk() == 10 + 1 + !!named_in(proxy, "libns-one.so"));
  for (int i = 0; i < 20; i += 2) {
    handles[i] = OPEN(LM_ID_NEWLM, "./libns-top.so", RTLD_NOW);
    CHECK(listed(handles[i]));
    walk();
  }
  CHECK(dlmopen(LM_ID_NEWLM, "./libns-wants.so", RTLD_NOW) == NULL);
  walk();
  return finish();
}
