// A library with every way to run something at the beginning and at the end.
#include <cstdlib>
#include <pthread.h>
#include "tell.h"
extern "C" int __cxa_atexit(void (*)(void *), void *, void *);
extern "C" int __cxa_at_quick_exit(void (*)(void *), void *);
extern "C" void *__dso_handle;
#define BEGINS(level)                                                                                                \
  __attribute__((constructor(level))) static void begin##level() { tell(" +" #level); }
#define ENDS(level)                                                                                                  \
  __attribute__((destructor(level))) static void end##level() { tell(" -" #level); }
BEGINS(102)
BEGINS(60000)
BEGINS(500)
ENDS(102)
ENDS(60000)
ENDS(500)
__attribute__((constructor)) static void begin() { tell(" +"); }
__attribute__((destructor)) static void end() { tell(" -"); }
extern "C" void old_init() { tell(" +init"); }
extern "C" void old_fini() { tell(" -fini"); }
struct Static {
  const char *name;
  explicit Static(const char *n) : name(n) { tell(" +%s", name); }
  ~Static() { tell(" -%s", name); }
};
static Static first("static1"), second("static2");
__attribute__((init_priority(300))) static Static early("early");
extern "C" const char *use_local_static() {
  static Static local("local");
  return "used";
}
static void by_atexit() { tell(" -atexit"); }
static void by_cxa(void *what) { tell(" -cxa %s", static_cast<const char *>(what)); }
static void by_quick(void *) { tell(" -quick"); }
static void forked() { tell(" (fork handler)"); }
static void nested() {
  tell(" -nested");
  atexit(by_atexit);
}
extern "C" const char *register_all() {
  atexit(by_atexit);
  __cxa_atexit(by_cxa, const_cast<char *>("own"), __dso_handle);
  __cxa_at_quick_exit(by_quick, __dso_handle);
  pthread_atfork(forked, nullptr, nullptr);
  return "registered";
}
extern "C" const char *register_nested() {
  atexit(nested);
  return "registered";
}
extern "C" const char *leave() { exit(5); }
extern "C" const char *leave_quickly() { quick_exit(6); }
