// dlerror(): what each function leaves there, what takes it away, and whose it is.
#include "tell.h"
#include <errno.h>
#include <pthread.h>

int main(void);
static void *handle;

static void *fails_quietly(void *unused) {
  tell("a new thread: %s\n", why());
  dlopen("./none-in-thread.so", RTLD_NOW);
  return unused;
}

static void *fails(void *name) {
  dlsym(handle, name);
  tell_why_twice("  thread");
  dlopen("./left-behind.so", RTLD_NOW);
  return NULL;
}

static void run(void *(*f)(void *), void *argument) {
  pthread_t thread;
  pthread_create(&thread, NULL, f, argument);
  pthread_join(thread, NULL);
}

static void fail(void) { dlopen("./none.so", RTLD_NOW); }

// Does a call that succeeds take the error of an earlier one away?
#define AFTER(what)                                                                                                  \
  do {                                                                                                               \
    fail();                                                                                                          \
    what;                                                                                                            \
    tell("after " #what ": %s\n", why());                                                                            \
  } while (0)

static int stop(struct dl_phdr_info *info, size_t size, void *data) {
  (void)info, (void)size, (void)data;
  return 1;
}

int main(void) {
  Dl_info info;
  struct dl_find_object found;
  Lmid_t namespace;
  handle = must_open("./libdl-a.so", RTLD_NOW);
  tell("at first: %s\n", why());
  fail();
  tell("once: %s\n", why());
  tell("twice: %s\n", why());
  fail();
  dlopen("./none-either.so", RTLD_NOW);
  tell("the last: %s\n", why());
  AFTER(dlsym(handle, "a_name"));
  AFTER(dlsym(RTLD_DEFAULT, "puts"));
  AFTER(dlvsym(RTLD_DEFAULT, "puts", "GLIBC_2.2.5"));
  AFTER(dlclose(dlopen("./libdl-a.so", RTLD_NOW)));
  AFTER(dlopen("./libdl-b.so", RTLD_NOW | RTLD_NOLOAD));
  AFTER(dladdr((void *)main, &info));
  AFTER(dladdr(NULL, &info));
  AFTER(dlinfo(handle, RTLD_DI_LMID, &namespace));
  AFTER(dl_iterate_phdr(stop, NULL));
  AFTER(_dl_find_object((void *)main, &found));
  AFTER(dlmopen(LM_ID_BASE, "./libdl-a.so", RTLD_NOW));
  // A text lives until the next call of the same thread; other threads do not disturb it.
  fail();
  char *text = dlerror();
  run(fails_quietly, NULL);
  tell("kept: %s\n", text);
  tell("none from the thread: %s\n", why());
  fail();
  run(fails, "missing_one");
  tell("still mine: %s\n", why());
  for (int i = 0; i < 100; i++) {
    char name[200];
    snprintf(name, sizeof name, "./none-%0*d.so", 1 + i, i);
    dlopen(name, RTLD_NOW);
    if (i % 33 == 0)
      tell("%s\n", why());
  }
  fail();
  IN_CHILD(tell_why_twice("child"); fail(); dlsym(handle, "missing_in_child"));
  tell("parent: %s\n", why());
  errno = 0;
  fail();
  tell("errno: %s\n", strerror(errno));
  why();
  dlclose(handle);
  handle = dlopen("./libdl-a.so", RTLD_NOW | RTLD_NODELETE);
  for (int i = 0; i < 4; i++) {
    int result = dlclose(handle);
    tell("close %d: %s\n", result, why());
  }
}
