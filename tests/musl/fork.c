/* fork in a process with threads, children that load libraries; vfork, posix_spawn, system, popen, exec. */
#include <dlfcn.h>
#include <pthread.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
static atomic_int stop, before, after;
static int (*fill)(int), (*holds)(int);

static void prepare(void) { before++; }
static void in_parent(void) { after++; }
static void in_child(void) { after += 100; }

static void *busy(void *arg) {
  while (!stop) {
    void *h = dlopen("./libplugin.so", RTLD_LAZY);
    if (h)
      dlclose(h);
    free(malloc(100));
    if (!dlsym(RTLD_DEFAULT, "printf"))
      abort();
    dlsym(RTLD_DEFAULT, "none_such"); /* an error each */
  }
  return arg;
}

static void *thread_of_child(void *arg) { return fill(8) && holds(8) ? arg : NULL; }

static int child(int i) {
  pthread_t t;
  void *r = NULL, *late = dlopen("./liblate.so", RTLD_NOW);
  int (*f)(void) = late ? (int (*)(void))dlsym(late, "late_function") : NULL;
  if (pthread_create(&t, NULL, thread_of_child, &t) == 0)
    pthread_join(t, &r);
  return holds(55) && fill(i) + holds(i) == 1 && r && f && f() == 77 ? 10 + after / 100 : 1;
}

static int status_of(pid_t pid) {
  int status;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

int main(int argc, char **argv) {
  enum { THREADS = 3, CHILDREN = 40 };
  pthread_t t[THREADS];
  int good = 0;
  if (argc > 1) {
    printf("again: %s %s\n", argv[1], getenv("FOR_CHILD"));
    return 5;
  }
  void *plugin = dlopen("./libplugin.so", RTLD_LAZY);
  fill = (int (*)(int))dlsym(plugin, "plugin_fill");
  holds = (int (*)(int))dlsym(plugin, "plugin_holds");
  fill(55);
  pthread_atfork(prepare, in_parent, in_child);
  for (int i = 0; i < THREADS; i++)
    pthread_create(&t[i], NULL, busy, NULL);
  for (int i = 0; i < CHILDREN; i++) {
    pid_t pid = fork();
    if (pid == 0)
      _exit(child(i));
    good += status_of(pid) == 11;
  }
  stop = 1;
  for (int i = 0; i < THREADS; i++)
    pthread_join(t[i], NULL);
  printf("%d children, handlers %d %d\n", good, before, after);
  fflush(stdout);
  setenv("FOR_CHILD", "yes", 1);
  pid_t pid = vfork();
  if (pid == 0) {
    execl("/bin/sh", "sh", "-c", "echo vfork; exit 4", (char *)NULL);
    _exit(9);
  }
  printf("%d\n", status_of(pid));
  fflush(stdout);
  char *words[] = {"sh", "-c", "echo spawned; exit 6", NULL};
  printf("spawn %d", posix_spawn(&pid, "/bin/sh", NULL, NULL, words, environ));
  printf(" %d\n", status_of(pid));
  FILE *f = popen("echo from a pipe", "r");
  char line[100];
  printf("%s", f && fgets(line, sizeof line, f) ? line : "nothing\n");
  printf("%d %d\n", pclose(f), system("exit 3"));
  fflush(stdout);
  execl("./fork", "fork", "by exec", (char *)NULL);
  return 9;
}
