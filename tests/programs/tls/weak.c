// A weak thread-local variable that nobody defines, and errno as the one that libc defines.
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>
extern __thread int nowhere __attribute__((weak));
static void *fail(void *unused) {
  int before = errno;
  close(-1);
  printf("thread: %d then %d\n", before, errno);
  return &errno;
}
int main(void) {
  errno = 0;
  pthread_t thread;
  void *other;
  pthread_create(&thread, NULL, fail, NULL);
  pthread_join(thread, &other);
  printf("main: %d, own place %d\n", errno, other != &errno);
}
