// RTLD_GLOBAL in namespaces: what one plugin gives another finds, there and nowhere else.
#include "check.h"

static void plugins(int mode) {
  void *host = OPEN(LM_ID_NEWLM, "./libns-one.so", RTLD_NOW | mode);
  Lmid_t ns = namespace_of(host);
  void *(*find)(const char *) = FIND(host, void *(*)(const char *), "default_symbol");
  CHECK(dlmopen(ns, "./libns-wants.so", RTLD_NOW) == NULL);
  CHECK(find("given") == NULL);
  void *giver = OPEN(ns, "./libns-two.so", RTLD_NOW | RTLD_GLOBAL);
  CHECK(find("given") == dlsym(giver, "given") && find("given") != NULL);
  CHECK(dlsym(RTLD_DEFAULT, "given") == NULL);
  void *taker = OPEN(ns, "./libns-wants.so", RTLD_NOW);
  CHECK(FIND(taker, int (*)(void), "uses")() == 200);
  // Elsewhere nothing has changed.
  CHECK(dlmopen(LM_ID_NEWLM, "./libns-wants.so", RTLD_NOW) == NULL);
  CHECK(dlmopen(LM_ID_BASE, "./libns-wants.so", RTLD_NOW) == NULL);
  // Bound to it, the taker keeps it; then both go.
  CHECK(dlclose(giver) == 0);
  CHECK(FIND(taker, int (*)(void), "uses")() == 200);
  CHECK(dlclose(taker) == 0);
  CHECK(dlclose(host) == 0);
  CHECK(dlmopen(ns, "./libns-two.so", RTLD_NOW | RTLD_NOLOAD) == NULL);
  CHECK(dlmopen(ns, "./libns-one.so", RTLD_NOW | RTLD_NOLOAD) == NULL);
}

static void promoted(void) {
  void *host = OPEN(LM_ID_NEWLM, "./libns-one.so", RTLD_NOW), *giver;
  Lmid_t ns = namespace_of(host);
  void *(*find)(const char *) = FIND(host, void *(*)(const char *), "default_symbol");
  giver = OPEN(ns, "./libns-two.so", RTLD_NOW);
  CHECK(find("given") == NULL);
  CHECK(dlmopen(ns, "./libns-two.so", RTLD_NOW | RTLD_NOLOAD | RTLD_GLOBAL) == giver);
  CHECK(find("given") == dlsym(giver, "given"));
}

static void first_is_global(void) {
  void *giver = OPEN(LM_ID_NEWLM, "./libns-two.so", RTLD_NOW | RTLD_GLOBAL);
  void *taker = OPEN(namespace_of(giver), "./libns-wants.so", RTLD_NOW);
  CHECK(FIND(taker, int (*)(void), "uses")() == 200);
}

static void lazily(void) {
  void *taker = OPEN(LM_ID_NEWLM, "./libns-wants.so", RTLD_LAZY);
  OPEN(namespace_of(taker), "./libns-two.so", RTLD_NOW | RTLD_GLOBAL);
  CHECK(FIND(taker, int (*)(void), "uses")() == 200);
}

static void from_within(void) {
  void *host = OPEN(LM_ID_NEWLM, "./libns-one.so", RTLD_NOW);
  void *(*open)(const char *, int) = FIND(host, void *(*)(const char *, int), "open_from_here");
  void *giver = open("./libns-two.so", RTLD_NOW | RTLD_GLOBAL), *taker = open("./libns-wants.so", RTLD_NOW);
  CHECK(giver && taker && namespace_of(taker) == namespace_of(host));
  CHECK(taker && FIND(taker, int (*)(void), "uses")() == 200);
  CHECK(dlsym(RTLD_DEFAULT, "given") == NULL);
}

// A shared library that is global in a namespace is found there by its proxy.
static void shared(void) {
  void *host = OPEN(LM_ID_NEWLM, "./libns-one.so", RTLD_NOW);
  struct link_map *giver = OPEN(namespace_of(host), "./libns-two.so", RTLD_NOW | RTLD_GLOBAL | RTLD_SHARED);
  CHECK(is_proxy(giver));
  CHECK(FIND(host, void *(*)(const char *), "default_symbol")("given") == dlsym(giver, "given"));
  void *taker = dlmopen(namespace_of(host), "./libns-wants.so", RTLD_NOW);
  CHECK(taker && FIND(taker, int (*)(void), "uses")() == 200);
}

int main(void) {
  for (int i = 0; i < 3; i++) {
    plugins(0);
    plugins(RTLD_ISOLATE);
  }
  promoted();
  first_is_global();
  lazily();
  from_within();
  shared();
  return finish();
}
