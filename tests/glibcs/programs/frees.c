// What leak checkers do at the end: libc gives back all it keeps, and what its loader keeps.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <iconv.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void __libc_freeres(void);

static __thread int local;

static void *run(void *arg) {
  local = *(int *)arg;
  return dlsym(RTLD_DEFAULT, "no_such_function");
}

int main(void) {
  int one = 1;
  pthread_t thread;
  struct addrinfo *found;
  void *kept = dlopen("libmodule.so", RTLD_NOW), *closed = dlopen("libopened.so", RTLD_NOW | RTLD_GLOBAL);
  pthread_create(&thread, NULL, run, &one);
  pthread_join(thread, NULL);
  printf("opened %d %d, iconv %d\n", kept != NULL, closed != NULL, iconv_open("UTF-16", "UTF-8") != (iconv_t)-1);
  if (closed)
    dlclose(closed);
  if (!getaddrinfo("127.0.0.1", NULL, NULL, &found))
    freeaddrinfo(found);
  fflush(stdout);
  __libc_freeres();
  _exit(write(1, "freed\n", 6) == 6 ? 0 : 1);
}
