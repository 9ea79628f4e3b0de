// A vfork child opens a library while a thread of its parent is in that one's constructor: it has to wait for the
// thread, whose memory it shares, although it is another process.
#ifdef LIBRARY
#include <unistd.h>
extern volatile int in_constructor, child_opens;
__attribute__((constructor)) static void begin(void) {
  in_constructor = 1;
  while (!child_opens)
    usleep(1000);
  usleep(200000); // long enough to be overtaken
  in_constructor = 0;
}
#else
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
volatile int in_constructor, child_opens;
static volatile int opened, overlapped = -1;
static void *open_slow(void *unused) { return dlopen("./liblife-slow.so", RTLD_NOW); }
int main(void) {
  pthread_t thread;
  pthread_create(&thread, NULL, open_slow, NULL);
  while (!in_constructor)
    usleep(1000);
  pid_t child = vfork();
  if (child == 0) {
    child_opens = 1;
    opened = dlopen("./liblife-slow.so", RTLD_NOW) != NULL;
    overlapped = in_constructor;
    _exit(0);
  }
  int status;
  void *slow;
  waitpid(child, &status, 0);
  pthread_join(thread, &slow);
  printf("child left %d, opened %d, during the constructor %d, slow %d\n", status, opened, overlapped, slow != NULL);
}
#endif
