// fork while other threads look up symbols and allocate; the child opens a library and makes a thread.
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
static volatile int stop;
static void *churn(void *unused) {
  while (!stop) {
    if (dlsym(RTLD_DEFAULT, "puts"))
      free(malloc(1000));
  }
  return NULL;
}
static void before(void) { write(1, "prepare\n", 8); }
static void in_child(void) { write(1, "child\n", 6); }
static void *in_thread(void *handle) { return dlsym(handle, "two_own"); }
int main(void) {
  setvbuf(stdout, NULL, _IONBF, 0);
  pthread_t threads[2];
  for (int i = 0; i < 2; i++)
    pthread_create(&threads[i], NULL, churn, NULL);
  pthread_atfork(before, NULL, in_child);
  int good = 0;
  for (int i = 0; i < 20; i++) {
    pid_t child = fork();
    if (child == 0) {
      void *handle = dlopen("./libtwo.so", RTLD_NOW), *found;
      pthread_t thread;
      pthread_create(&thread, NULL, in_thread, handle);
      pthread_join(thread, &found);
      int (*own)(int) = (int (*)(int))dlsym(handle, "two_own");
      _exit(own && (void *)own == found ? own(3) : 99);
    }
    int status;
    waitpid(child, &status, 0);
    good += WIFEXITED(status) && WEXITSTATUS(status) == 7;
  }
  stop = 1;
  for (int i = 0; i < 2; i++)
    pthread_join(threads[i], NULL);
  fprintf(stderr, "%d of 20\n", good);
}
