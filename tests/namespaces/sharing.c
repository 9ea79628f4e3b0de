// Corners of sharing: needs that are shared, loads that fail, handles that go in any order, constructors that share.
#include "check.h"

static int there(Lmid_t ns, const char *name) {
  void *handle = dlmopen(ns, name, RTLD_LAZY | RTLD_NOLOAD);
  if (handle)
    dlclose(handle);
  else
    dlerror();
  return handle != NULL;
}

// A private library that needs a unique one: only the need is shared.
static void shared_need(void) {
  void *one = OPEN(LM_ID_NEWLM, "./libns-needs-unique.so", RTLD_NOW);
  void *two = OPEN(LM_ID_NEWLM, "./libns-needs-unique.so", RTLD_NOW);
  CHECK(!is_proxy(one) && !is_proxy(two));
  struct link_map *needs[] = {OPEN(namespace_of(one), "./libns-unique.so", RTLD_NOW),
                              OPEN(namespace_of(two), "./libns-unique.so", RTLD_NOW)};
  CHECK(is_proxy(needs[0]) && is_proxy(needs[1]) && needs[0] != needs[1]);
  CHECK(dlsym(needs[0], "bump") == dlsym(needs[1], "bump"));
  CHECK(FIND(one, int (*)(void), "depends")() == 1 && FIND(two, int (*)(void), "depends")() == 1);
  CHECK(there(LM_ID_BASE, "./libns-unique.so") && !there(LM_ID_BASE, "./libns-needs-unique.so"));
  CHECK(dlclose(needs[0]) == 0 && there(namespace_of(one), "./libns-unique.so"));
  CHECK(dlclose(one) == 0);
  CHECK(FIND(two, int (*)(void), "depends")() == 1);
  // In an isolated namespace the need is private too.
  void *own = OPEN(LM_ID_NEWLM, "./libns-needs-unique.so", RTLD_NOW | RTLD_ISOLATE);
  struct link_map *real = OPEN(namespace_of(own), "./libns-unique.so", RTLD_NOW | RTLD_ISOLATE);
  CHECK(!is_proxy(real) && dlsym(real, "bump") != dlsym(needs[1], "bump"));
}

static void failures(void) {
  CHECK(dlmopen(LM_ID_NEWLM, "./libns-wants.so", RTLD_NOW | RTLD_SHARED) == NULL);
  CHECK(strstr(why(), "undefined symbol: given") != NULL);
  CHECK(!there(LM_ID_BASE, "./libns-wants.so"));
  CHECK(dlmopen(LM_ID_NEWLM, "./libns-none.so", RTLD_NOW | RTLD_SHARED) == NULL);
  CHECK(strstr(why(), "cannot open shared object file") != NULL);
  void *host = OPEN(LM_ID_NEWLM, "./libns-one.so", RTLD_NOW);
  Lmid_t ns = namespace_of(host);
  CHECK(dlmopen(ns, "./libns-wants.so", RTLD_NOW | RTLD_SHARED) == NULL);
  CHECK(!there(ns, "./libns-wants.so") && !there(LM_ID_BASE, "./libns-wants.so"));
  CHECK(dlmopen(ns, "./libns-one.so", RTLD_NOW | RTLD_SHARED) == NULL);
  CHECK(strstr(why(), "existing object cannot be demoted to a proxy") != NULL);
  CHECK(!there(LM_ID_BASE, "./libns-one.so"));
  CHECK(dlmopen(ns, "./libns-two.so", RTLD_NOW | RTLD_SHARED | RTLD_NOLOAD) == NULL);
  CHECK(!there(LM_ID_BASE, "./libns-two.so") && !there(ns, "./libns-two.so"));
  CHECK(dlclose(host) == 0 && !there(ns, "./libns-one.so"));
  // The number is free again: nothing has been left of those that failed.
  void *next = OPEN(LM_ID_NEWLM, "./libns-one.so", RTLD_NOW);
  CHECK(namespace_of(next) == ns);
  CHECK(dlclose(next) == 0);
}

static void closing(void) {
  void *base = OPEN(LM_ID_BASE, "./libns-two.so", RTLD_NOW), *proxies[10];
  for (int i = 0; i < 10; i++)
    proxies[i] = OPEN(LM_ID_NEWLM, "./libns-two.so", RTLD_NOW | RTLD_SHARED);
  CHECK(dlclose(base) == 0 && there(LM_ID_BASE, "./libns-two.so"));
  for (int i = 0; i < 10; i++) {
    CHECK(FIND(proxies[i], int (*)(void), "bump")() == i + 1);
    CHECK(dlclose(proxies[i]) == 0);
  }
  CHECK(there(LM_ID_BASE, "./libns-two.so"));
  // Two counts: the proxy's and the real one's.
  void *proxy = OPEN(LM_ID_NEWLM, "./libns-two.so", RTLD_NOW | RTLD_SHARED);
  Lmid_t ns = namespace_of(proxy);
  CHECK(dlmopen(ns, "./libns-two.so", RTLD_NOW) == proxy);
  CHECK(dlclose(proxy) == 0 && there(ns, "./libns-two.so"));
  CHECK(dlclose(proxy) == 0 && !there(ns, "./libns-two.so"));
}

// By any of its names a library is the same one.
static void names(void) {
  struct link_map *host = OPEN(LM_ID_NEWLM, "./libns-one.so", RTLD_NOW);
  Lmid_t ns = namespace_of(host);
  void *proxy = OPEN(ns, "./libns-top.so", RTLD_NOW | RTLD_SHARED);
  static const char *others[] = {"libns-top.so", "././libns-top.so", "link.so", "$ORIGIN/libns-top.so"};
  for (unsigned i = 0; i < sizeof others / sizeof *others; i++) {
    char name[100];
    snprintf(name, sizeof name, "%s%s", strchr(others[i], '.') == others[i] || strchr(others[i], '$') ? "" : "./",
             others[i]);
    CHECK(dlmopen(ns, name, RTLD_NOW) == proxy);
    CHECK(dlmopen(ns, name, RTLD_NOW | RTLD_SHARED) == proxy);
  }
  CHECK(dlmopen(ns, "libns-top.so", RTLD_NOW | RTLD_NOLOAD) == proxy);
}

// dlopen() too takes the flag, from inside a namespace.
static void from_within(void) {
  void *host = OPEN(LM_ID_NEWLM, "./libns-one.so", RTLD_NOW);
  struct link_map *proxy =
      FIND(host, void *(*)(const char *, int), "open_from_here")("./libns-top.so", RTLD_NOW | RTLD_SHARED);
  CHECK(proxy && is_proxy(proxy) && namespace_of(proxy) == namespace_of(host));
  // Code that is shared belongs to the base namespace, and so does what it opens.
  struct link_map *opened =
      proxy ? FIND(proxy, void *(*)(const char *, int), "open_from_here")("./libns-user.so", RTLD_NOW) : NULL;
  CHECK(opened && namespace_of(opened) == 0);
  CHECK(FIND(proxy, void *(*)(const char *), "default_symbol")("main") != NULL);
  // In the base namespace the flag is no more than NODELETE.
  struct link_map *base = must(dlopen("./libns-unique.so", RTLD_NOW | RTLD_SHARED), "base");
  CHECK(!is_proxy(base) && namespace_of(base) == 0);
  CHECK(dlclose(base) == 0 && there(LM_ID_BASE, "./libns-unique.so"));
}

static void threads_and_keys(void) {
  struct link_map *proxy = OPEN(LM_ID_NEWLM, "./libns-top.so", RTLD_NOW | RTLD_SHARED);
  struct link_map *real = must(dlopen("./libns-top.so", RTLD_NOW | RTLD_NOLOAD), "real");
  *FIND(proxy, int *, "local") = 77;
  CHECK(*FIND(real, int *(*)(void), "local_address")() == 77);
  CHECK(FIND(proxy, int (*)(void (*)(void)), "in_thread")(NULL) == 1);
  CHECK(*FIND(real, int *, "local") == 77);
}

int main(void) {
  shared_need();
  failures();
  closing();
  names();
  threads_and_keys();
  from_within();
  return finish();
}
