// What the tests load into namespaces: ME is its name, VALUE what it gives back. It keeps count of its constructors
// and shows what its libc gives it.
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <locale.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)
__attribute__((unused)) static int begun, bumped;
static void say(const char *what) {
  static char text[100];
  int length = snprintf(text, sizeof text, " %s%s", what, TEXT(ME));
  if (getenv("TELL") && write(1, text, length) != length)
    _exit(97);
}
__attribute__((constructor)) static void begin(void) {
  begun++;
  say("+");
}
__attribute__((destructor)) static void end(void) { say("-"); }
const char *name(void) { return TEXT(ME); }
int value(void) { return VALUE; }
#ifndef NO_COUNT
int times_begun(void) { return begun; }
#endif
int bump(void) { return ++bumped; }
int exported = VALUE;
__thread int local = VALUE;
int *local_address(void) { return &local; }
void *address_of_free(void) { return (void *)free; }
void *allocate(size_t size) { return malloc(size); }
void release(void *block) { free(block); }
int *address_of_errno(void) { return &errno; }
FILE *output(void) { return stdout; }
const char *set_locale(const char *locale) { return setlocale(LC_ALL, locale); }
pthread_key_t *key(void) {
  static pthread_key_t key;
  return pthread_key_create(&key, NULL) == 0 ? &key : NULL;
}
pthread_t self(void) { return pthread_self(); }
static void *run(void *argument) {
  errno = 55;
  local += 1;
  char *text = strdup("from a thread");
  int good = text && strcmp(text, "from a thread") == 0 && errno == 55 && local == VALUE + 1;
  free(text);
  void (*call)(void) = (void (*)(void))argument;
  if (call)
    call();
  return good ? argument : (void *)1;
}
int in_thread(void (*call)(void)) {
  pthread_t thread;
  void *result = NULL;
  if (pthread_create(&thread, NULL, run, (void *)call) != 0 || pthread_join(thread, &result) != 0)
    return -1;
  return result == (void *)call;
}
void *open_from_here(const char *file, int mode) { return dlopen(file, mode); }
void *open_in(Lmid_t ns, const char *file, int mode) { return dlmopen(ns, file, mode); }
int close_from_here(void *handle) { return dlclose(handle); }
char *error_from_here(void) { return dlerror(); }
void *default_symbol(const char *symbol) { return dlsym(RTLD_DEFAULT, symbol); }
void *next_symbol(const char *symbol) { return dlsym(RTLD_NEXT, symbol); }
void *find_from_here(void *handle, const char *symbol) { return dlsym(handle, symbol); }
int iterate_from_here(int (*callback)(struct dl_phdr_info *, size_t, void *), void *data) {
  return dl_iterate_phdr(callback, data);
}
#ifdef PROVIDES
int PROVIDES(void) { return VALUE * 10; }
#endif
#ifdef USES
int USES(void);
int uses(void) { return USES(); }
#endif
#ifdef DEPENDS
extern int DEPENDS(void);
int depends(void) { return DEPENDS(); }
#endif
