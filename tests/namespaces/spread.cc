// C++ in namespaces: exceptions thrown and caught within one, and through frames of several.
#include <cstdio>
#include <stdexcept>
#include <string>
#include "check.h"
#ifdef LIBRARY
extern "C" int throws_within(int n) {
  try {
    if (n == 0)
      throw std::runtime_error("deep");
    return throws_within(n - 1);
  } catch (const std::runtime_error &e) {
    return std::string(e.what()) == "deep" ? n + 1 : -1;
  }
}
extern "C" void calls_back(void (*f)(void)) {
  struct Guard {
    ~Guard() { tell(" (unwound)"); }
  } guard;
  f();
}
#else
static void nothing() { tell(" (called)"); }
static void throws() { throw 7; }
int main(int argc, char **) {
  int mode = RTLD_NOW | (argc > 1 ? isolate() : 0);
  for (int i = 0; i < 4; i++) {
    void *handle = OPEN(LM_ID_NEWLM, "./libns-spread.so", mode);
    tell("within: %d\n", FIND(handle, int (*)(int), "throws_within")(5));
    tell("calls back:");
    FIND(handle, void (*)(void (*)()), "calls_back")(nothing);
    tell("\nthrough its frame:");
    try {
      FIND(handle, void (*)(void (*)()), "calls_back")(throws);
    } catch (int n) {
      tell(" %d\n", n);
    }
    tell("close %d\n", dlclose(handle));
  }
}
#endif
