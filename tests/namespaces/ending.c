// Constructors and destructors of shared objects run once, at the right time, however many namespaces see them.
#include "check.h"

int main(int argc, char **argv) {
  const char *library = argc > 1 ? argv[1] : "./libns-top.so";
  int mode = argc > 2 ? RTLD_SHARED : 0;
  void *handles[3];
  for (int i = 0; i < 3; i++) {
    tell("open:");
    handles[i] = OPEN(LM_ID_NEWLM, library, RTLD_NOW | mode);
    tell("\n");
  }
  tell("base:");
  void *base = OPEN(LM_ID_BASE, library, RTLD_NOW);
  tell(" %d\n", FIND(base, int (*)(void), "times_begun")());
  for (int i = 0; i < 2; i++) {
    tell("close:");
    tell(" %d\n", dlclose(handles[i]));
  }
  tell("close in the base:");
  tell(" %d\n", dlclose(base));
  tell("exit:");
}
