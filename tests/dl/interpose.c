// Preloaded: stands before the dl functions and passes each call on to the next.
#include "tell.h"
static int depth;
// Found once: dlvsym() itself takes an error away.
#define NEXT(type, name, version)                                                                                    \
  ({                                                                                                                 \
    static void *next;                                                                                               \
    if (!next)                                                                                                       \
      next = dlvsym(RTLD_NEXT, name, version);                                                                       \
    (type) next;                                                                                                     \
  })
#define SAY(...) (depth++ ? (void)0 : tell("[" __VA_ARGS__))
#define DONE() (--depth ? (void)0 : tell("]"))
void *dlopen(const char *name, int mode) {
  SAY("dlopen %s", name ? name : "(null)");
  void *result = NEXT(void *(*)(const char *, int), "dlopen", "GLIBC_2.34")(name, mode);
  DONE();
  return result;
}
void *dlmopen(Lmid_t namespace, const char *name, int mode) {
  SAY("dlmopen %s", name ? name : "(null)");
  void *result = NEXT(void *(*)(Lmid_t, const char *, int), "dlmopen", "GLIBC_2.34")(namespace, name, mode);
  DONE();
  return result;
}
int dlclose(void *handle) {
  SAY("dlclose");
  int result = NEXT(int (*)(void *), "dlclose", "GLIBC_2.34")(handle);
  DONE();
  return result;
}
void *dlsym(void *handle, const char *name) {
  SAY("dlsym %s", name);
  void *result = NEXT(void *(*)(void *, const char *), "dlsym", "GLIBC_2.34")(handle, name);
  DONE();
  return result;
}
char *dlerror(void) {
  SAY("dlerror");
  char *result = NEXT(char *(*)(void), "dlerror", "GLIBC_2.34")();
  DONE();
  return result;
}
int dladdr(const void *address, Dl_info *info) {
  SAY("dladdr");
  int result = NEXT(int (*)(const void *, Dl_info *), "dladdr", "GLIBC_2.34")(address, info);
  DONE();
  return result;
}
int dladdr1(const void *address, Dl_info *info, void **extra, int flags) {
  SAY("dladdr1");
  int result =
      NEXT(int (*)(const void *, Dl_info *, void **, int), "dladdr1", "GLIBC_2.34")(address, info, extra, flags);
  DONE();
  return result;
}
int dlinfo(void *handle, int request, void *argument) {
  SAY("dlinfo %d", request);
  int result = NEXT(int (*)(void *, int, void *), "dlinfo", "GLIBC_2.34")(handle, request, argument);
  DONE();
  return result;
}
int dl_iterate_phdr(int (*callback)(struct dl_phdr_info *, size_t, void *), void *data) {
  SAY("dl_iterate_phdr");
  int result = NEXT(int (*)(int (*)(struct dl_phdr_info *, size_t, void *), void *), "dl_iterate_phdr",
                    "GLIBC_2.2.5")(callback, data);
  DONE();
  return result;
}
