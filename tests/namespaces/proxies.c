// Everything that can be done with the handle of a proxy, and what it must not do to the real object.
#include "check.h"

static int holds(struct link_map *map, const char *name) { return named_in(map, name) != NULL; }

static void fields(struct link_map *proxy, struct link_map *real) {
  CHECK(proxy != real && is_proxy(proxy) && !is_proxy(real));
  CHECK(proxy->l_addr == real->l_addr && proxy->l_ld == real->l_ld);
  CHECK(strcmp(proxy->l_name, real->l_name) == 0);
  CHECK(namespace_of(proxy) != 0 && namespace_of(real) == 0);
  // Programs take a handle for a link map and read the dynamic section.
  int entries = 0, needed = 0;
  for (const ElfW(Dyn) *d = proxy->l_ld; d->d_tag != DT_NULL; d++)
    entries++, needed += d->d_tag == DT_NEEDED;
  CHECK(entries > 10 && needed > 0);
  for (struct link_map *map = first_of(proxy), *last = NULL; map; last = map, map = map->l_next)
    CHECK(map->l_prev == last && namespace_of(map) == namespace_of(proxy));
}

static void lookups(struct link_map *proxy, struct link_map *real) {
  static const char *names[] = {"value", "exported", "bump", "uses", "given"};
  for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
    CHECK(dlsym(proxy, names[i]) == dlsym(real, names[i]));
    CHECK(dlsym(proxy, names[i]) != NULL);
  }
  CHECK(FIND(proxy, int *, "local") == FIND(real, int *, "local"));
  CHECK(dlvsym(proxy, "value", "SPACE_1") == dlsym(real, "value"));
  CHECK(dlvsym(proxy, "value", "SPACE_9") == NULL);
  CHECK(dlsym(proxy, "nobody_has_it") == NULL);
  CHECK(strstr(why(), "undefined symbol: nobody_has_it") != NULL);
  CHECK(FIND(proxy, int (*)(void), "uses")() == 20 * 10);
  CHECK(FIND(proxy, int (*)(void), "bump")() + 1 == FIND(real, int (*)(void), "bump")());
}

static void questions(struct link_map *proxy, struct link_map *real) {
  struct link_map *map = NULL;
  char origins[2][4096] = {"", "-"};
  size_t modules[2] = {0, 1};
  void *blocks[2] = {NULL, &map};
  const ElfW(Phdr) * segments[2] = {NULL, NULL};
  Dl_serinfo sizes[2] = {0};
  CHECK(dlinfo(proxy, RTLD_DI_LINKMAP, &map) == 0 && map == proxy);
  CHECK(dlinfo(proxy, RTLD_DI_ORIGIN, origins[0]) == 0 && dlinfo(real, RTLD_DI_ORIGIN, origins[1]) == 0);
  CHECK(strcmp(origins[0], origins[1]) == 0);
  CHECK(dlinfo(proxy, RTLD_DI_TLS_MODID, &modules[0]) == 0 && dlinfo(real, RTLD_DI_TLS_MODID, &modules[1]) == 0);
  CHECK(modules[0] == modules[1] && modules[0] != 0);
  CHECK(dlinfo(proxy, RTLD_DI_TLS_DATA, &blocks[0]) == 0 && dlinfo(real, RTLD_DI_TLS_DATA, &blocks[1]) == 0);
  CHECK(blocks[0] == blocks[1]);
  int counts[] = {dlinfo(proxy, RTLD_DI_PHDR, &segments[0]), dlinfo(real, RTLD_DI_PHDR, &segments[1])};
  CHECK(counts[0] == counts[1] && counts[0] > 0 && segments[0] == segments[1]);
  CHECK(dlinfo(proxy, RTLD_DI_SERINFOSIZE, &sizes[0]) == 0 && dlinfo(real, RTLD_DI_SERINFOSIZE, &sizes[1]) == 0);
  CHECK(sizes[0].dls_cnt == sizes[1].dls_cnt);
  CHECK(dlinfo(proxy, 999, &map) == -1);
  Dl_info info;
  const ElfW(Sym) *entry = NULL;
  void *code = dlsym(proxy, "value");
  CHECK(dladdr1(code, &info, (void **)&map, RTLD_DL_LINKMAP) && map == real && namespace_of(map) == 0);
  CHECK(dladdr1(code, &info, (void **)&entry, RTLD_DL_SYMENT) && entry && strcmp(info.dli_sname, "value") == 0);
  CHECK(info.dli_saddr == code && strcmp(base_name(info.dli_fname), "libns-top.so") == 0);
  struct dl_find_object found;
  CHECK(_dl_find_object(code, &found) == 0 && found.dlfo_link_map == real);
}

// A proxy's needs are the real object's: they are met in the base namespace, and nowhere else.
static void dependencies(struct link_map *proxy, struct link_map *real) {
  CHECK(holds(real, "libns-two.so"));
  struct link_map *two = named_in(proxy, "libns-two.so");
  CHECK(!two || is_proxy(two));
  CHECK(FIND(proxy, int (*)(void), "times_begun")() == 1);
  void *base = OPEN(LM_ID_BASE, "./libns-two.so", RTLD_NOW);
  CHECK(FIND(base, int (*)(void), "times_begun")() == 1);
}

// A library of the namespace that needs, with a version, what is there by a proxy.
static void versions(struct link_map *proxy, struct link_map *real) {
  Lmid_t ns = namespace_of(proxy);
  struct link_map *user = dlmopen(ns, "./libns-user.so", RTLD_NOW);
  CHECK(user != NULL);
  if (!user)
    return tell("user: %s\n", why());
  CHECK(!is_proxy(user) && namespace_of(user) == ns);
  CHECK(FIND(user, int (*)(void), "depends")() == FIND(real, int (*)(void), "times_begun")());
  CHECK(dlmopen(ns, "./libns-one.so", RTLD_NOW) != NULL); // checks versions of all that is there again
  CHECK(dlmopen(ns, "./libns-wants-version.so", RTLD_NOW) == NULL);
  CHECK(strstr(why(), "version `SPACE_9' not found (required by ") != NULL);
  CHECK(dlclose(user) == 0);
}

// The real object outlives all of its proxies, with all its tables.
static void closing(void) {
  void *base = OPEN(LM_ID_BASE, "./libns-top.so", RTLD_NOW);
  int bumps = FIND(base, int (*)(void), "bump")();
  for (int i = 0; i < 200; i++) {
    void *proxy = OPEN(LM_ID_NEWLM, "./libns-top.so", RTLD_NOW | RTLD_SHARED);
    CHECK(FIND(proxy, int (*)(void), "bump")() == ++bumps);
    CHECK(dlclose(proxy) == 0);
    CHECK(dlvsym(base, "value", "SPACE_1") != NULL && dlsym(base, "given") != NULL);
    Dl_info info;
    CHECK(dladdr(dlsym(base, "value"), &info) && strcmp(info.dli_sname, "value") == 0);
  }
  CHECK(dlclose(base) == 0);
  CHECK((base = dlopen("./libns-top.so", RTLD_NOW | RTLD_NOLOAD)) != NULL);
  CHECK(FIND(base, int (*)(void), "bump")() == ++bumps);
  CHECK(FIND(base, int (*)(void), "times_begun")() == 1);
}

int main(void) {
  struct link_map *proxy = OPEN(LM_ID_NEWLM, "./libns-top.so", RTLD_NOW | RTLD_SHARED);
  struct link_map *real = must(dlopen("./libns-top.so", RTLD_NOW | RTLD_NOLOAD), "the real one");
  fields(proxy, real);
  lookups(proxy, real);
  questions(proxy, real);
  dependencies(proxy, real);
  versions(proxy, real);
  CHECK(dlmopen(namespace_of(proxy), "./libns-top.so", RTLD_NOW) == proxy);
  CHECK(dlclose(proxy) == 0 && dlclose(proxy) == 0);
  CHECK(FIND(real, int (*)(void), "value")() == 30);
  closing();
  CHECK(dlmopen(LM_ID_NEWLM, "./libns-one.so", RTLD_NOW | RTLD_SHARED | RTLD_ISOLATE) == NULL);
  tell("exit:\n");
  return finish();
}
