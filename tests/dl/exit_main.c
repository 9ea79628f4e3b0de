// atexit handlers of a program that open and close libraries, registered before and after a library's own.
#include "tell.h"
static void *kept;
static void close_kept(void) { tell(" (closes: %d)", dlclose(kept)); }
static void open_more(void) { tell(" (opens: %s)", dlopen("./libdl-a.so", RTLD_NOW) ? "ok" : why()); }
static void open_and_close(void) {
  void *handle = must_open("./libdl-b.so", RTLD_NOW);
  tell(" (opened and closes: %d)", dlclose(handle));
}
static void plain(void) { tell(" (plain)"); }
static void ask(void) {
  Dl_info info;
  tell(" (who: %d, %d)", dlsym(RTLD_DEFAULT, "a_name") != NULL, dladdr((void *)plain, &info));
}
__attribute__((destructor)) static void end(void) {
  tell(" -program");
  tell_loaded("");
}
int main(int argc, char **argv) {
  int reverse = argc > 1 && strcmp(argv[1], "reverse") == 0;
  void (*handlers[])(void) = {plain, close_kept, open_more, open_and_close, ask};
  int n = sizeof handlers / sizeof *handlers;
  if (!reverse)
    kept = must_open("./libdl-ends.so", RTLD_NOW | RTLD_GLOBAL);
  for (int i = 0; i < n; i++)
    atexit(handlers[reverse ? n - 1 - i : i]);
  if (reverse)
    kept = must_open("./libdl-ends.so", RTLD_NOW | RTLD_GLOBAL);
  ((const char *(*)(void))must_find(kept, "register_all"))();
  tell("\nexit:");
}
