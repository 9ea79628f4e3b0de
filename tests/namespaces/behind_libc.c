// A library that names libc alone, and wants __tls_get_addr of what libc needs: behind a proxy the search goes on.
#include "check.h"
#ifdef LIBRARY
static __thread int mine __attribute__((tls_model("global-dynamic"))) = 41;
int count(void) { return ++mine; }
#else
int main(void) {
  for (int i = 0; i < 3; i++) {
    void *handle = OPEN(i ? LM_ID_NEWLM : LM_ID_BASE, "./libns-behind-libc.so", RTLD_NOW);
    CHECK(FIND(handle, int (*)(void), "count")() == 42);
    CHECK(namespace_of(handle) == i);
    CHECK(dlsym(handle, "__tls_get_addr"));
  }
  return finish();
}
#endif
