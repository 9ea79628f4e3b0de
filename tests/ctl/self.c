/* A library that is a tool itself, and is closed: ./self LIBRARY OTHER */
#include <dlfcn.h>
#include <stdio.h>
#ifdef LIBRARY
#include <ldx/event.h>
static int heard;
static void hear(void *ctx, const struct ldx_event *e) {
  (void)ctx;
  heard += e->type == LDX_EV_MAPPED;
}
int times_heard(void) { return heard; }
__attribute__((constructor)) static void begin(void) {
  struct ldx_tool_desc d = {.size = sizeof d, .abi = LDX_TOOL_ABI, .name = "self"};
  ldx_tool *t = ldx_tool_register(&d);
  ldx_tool *again = ldx_tool_register(&d); /* the name is taken */
  printf("%s %s %d\n", t ? "registered" : "refused", again ? "twice" : "once",
         t ? ldx_subscribe(t, LDX_EV_BIT(LDX_EV_MAPPED), hear, NULL, 0) : -1);
}
#else
int main(int argc, char **argv) {
  void *h = argc > 2 ? dlopen(argv[1], RTLD_NOW) : NULL;
  int (*times)(void) = h ? (int (*)(void))dlsym(h, "times_heard") : NULL;
  if (!times)
    return 1;
  printf("closed %d\n", dlclose(h));
  for (int i = 0; i < 3; i++) {
    void *o = dlopen(argv[2], RTLD_NOW);
    dlclose(o);
  }
  printf("heard %d\n", times());
  return 0;
}
#endif
