// Constructors and destructors that make namespaces, each the next: LEVEL deep.  ./nested LIBRARY
#include "check.h"
#ifdef LIBRARY
static void *handle;
static int level(void) {
  const char *text = getenv("LEVEL");
  return text ? atoi(text) : 0;
}
__attribute__((constructor)) static void begin(void) {
  int here = level();
  char text[20];
  tell(" +%d", here);
  if (here == 0)
    return;
  snprintf(text, sizeof text, "%d", here - 1);
  setenv("LEVEL", text, 1);
  handle = dlmopen(LM_ID_NEWLM, "./libns-nested.so", RTLD_NOW);
  tell(" /%d %s", here, handle ? "ok" : why());
}
__attribute__((destructor)) static void end(void) {
  tell(" -");
  if (handle)
    tell("%d", dlclose(handle));
}
#else
int main(void) {
  setenv("LEVEL", "4", 1);
  tell("open:");
  void *handle = OPEN(LM_ID_NEWLM, "./libns-nested.so", RTLD_NOW);
  tell("\nnamespace %ld\nclose:", (long)namespace_of(handle));
  tell(" %d\n", dlclose(handle));
  setenv("LEVEL", "3", 1);
  tell("open:");
  OPEN(LM_ID_NEWLM, "./libns-nested.so", RTLD_NOW);
  tell("\nexit:");
}
#endif
