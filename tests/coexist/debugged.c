/* A program for debuggers and tracers: a thread that waits, a library that comes at run time and calls back, a child.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static pthread_barrier_t barrier;

static int called_back(int n) { return n * 2; }

static void *worker(void *name) {
  pthread_barrier_wait(&barrier);
  pthread_barrier_wait(&barrier);
  return name;
}

/* Until a debugger that has attached says so, by a file; the alarm ends what nobody attaches to. */
static void await_release(void) {
  alarm(60);
  while (access("released", F_OK))
    usleep(10000);
}

static void spend(int (*spin)(int), int rounds) {
  int n = 0;
  for (int i = 0; i < rounds; i++)
    n += spin(i);
  printf("spent %d\n", n & 1);
}

static int child(void) {
  pid_t pid = fork();
  if (!pid)
    _exit(getppid() > 0 ? 5 : 6);
  int status = 0;
  waitpid(pid, &status, 0);
  return WEXITSTATUS(status);
}

int main(int argc, char **argv) {
  pthread_t thread;
  if (argc > 1)
    puts(argv[1]);
  fflush(stdout);
  pthread_barrier_init(&barrier, NULL, 2);
  pthread_create(&thread, NULL, worker, "worker");
  pthread_barrier_wait(&barrier);
  void *library = dlopen("./libdebugged.so", RTLD_NOW);
  if (!library)
    return puts(dlerror()), 1;
  int (*work)(int) = (int (*)(int))dlsym(library, "library_work");
  int (*call)(int (*)(int), int) = (int (*)(int (*)(int), int))dlsym(library, "library_call");
  if (argc > 1 && !strcmp(argv[1], "wait"))
    await_release();
  if (argc > 1 && !strcmp(argv[1], "spend"))
    spend((int (*)(int))dlsym(library, "library_spin"), atoi(argv[2]));
  printf("%d %d\n", work(1), call(called_back, 5));
  fflush(stdout);
  printf("child %d\n", child());
  dlclose(library);
  pthread_barrier_wait(&barrier);
  pthread_join(thread, NULL);
  return 3;
}
