// A library whose constructor and destructor do something: BEGIN and END, expressions over the functions below.
#include "tell.h"
#include <pthread.h>
#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)
static void *handle;
__attribute__((unused)) static void open_one(const char *name, int mode) {
  void *opened = dlopen(name, mode);
  tell(" (" TEXT(ME) " opens %s: %s)", base_name(name), opened ? "ok" : why());
  handle = opened ? opened : handle;
}
__attribute__((unused)) static void close_one(void) {
  int result = handle ? dlclose(handle) : 7;
  tell(" (" TEXT(ME) " closes: %d %s)", result, result == -1 ? why() : "");
  handle = NULL;
}
__attribute__((unused)) static void ask(const char *symbol) {
  const char *(*f)(void) = (const char *(*)(void))dlsym(RTLD_DEFAULT, symbol);
  tell(" (" TEXT(ME) " asks %s: %s)", symbol, f ? f() : why());
}
__attribute__((unused)) static void list(void) { tell_loaded(" (" TEXT(ME) " lists"); }
__attribute__((unused)) static void late(void) {
  tell(" (late " TEXT(ME) ")");
#ifdef LATE
  LATE;
#endif
}
__attribute__((unused)) static void *in_thread(void *unused) {
  tell(" (a thread of " TEXT(ME) ")");
  return unused;
}
__attribute__((unused)) static void thread(void) {
  pthread_t made;
  pthread_create(&made, NULL, in_thread, NULL);
  pthread_join(made, NULL);
}
const char *who(void) { return TEXT(ME); }
__attribute__((constructor)) static void begin(void) {
  tell(" +" TEXT(ME));
#ifdef BEGIN
  BEGIN;
#endif
  tell(" /" TEXT(ME));
}
__attribute__((destructor)) static void end(void) {
  tell(" -" TEXT(ME));
#ifdef END
  END;
#endif
  tell(" \\" TEXT(ME));
}
