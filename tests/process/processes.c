/* Starts a process in each way that libc has; each child is the program itself with the word "child", or /bin/true.
 */
#include <errno.h>
#include <pty.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
pid_t _Fork(void);

static const char *self;

static int ended(pid_t pid) {
  int status;
  if (pid <= 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
    abort();
  return WEXITSTATUS(status);
}

static void report(const char *what, pid_t pid) {
  printf("%s %d\n", what, pid);
  fflush(stdout);
}

static void use_fork(void) {
  pid_t pid = fork();
  if (!pid)
    _exit(3);
  report("fork", pid);
  if (ended(pid) != 3)
    abort();
}

static void use_fork_alone(void) {
  pid_t pid = _Fork();
  if (!pid)
    _exit(4);
  report("_Fork", pid);
  if (ended(pid) != 4)
    abort();
}

/* Calls between vfork and exec overwrite the stack that both have in common. */
static __attribute__((noinline)) void clobber(void) {
  volatile char stack[4096];
  memset((char *)stack, 0x5a, sizeof stack);
}

static void use_vfork(void) {
  volatile int before = 77;
  pid_t pid = vfork();
  if (!pid) {
    clobber();
    execl("/nowhere/at/all", "x", (char *)NULL);
    if (errno != ENOENT)
      _exit(1);
    execl(self, "renamed", "child", "5", (char *)NULL);
    _exit(2);
  }
  report("vfork", pid);
  if (before != 77 || ended(pid) != 5)
    abort();
}

static int in_clone(void *arg) { return *(int *)arg; }

static void use_clone(void) {
  static char stack[65536] __attribute__((aligned(64)));
  int value = 6;
  pid_t pid = clone(in_clone, stack + sizeof stack, SIGCHLD, &value);
  report("clone", pid);
  if (ended(pid) != 6)
    abort();
}

static void use_spawn(void) {
  pid_t pid;
  char *argv[] = {(char *)"spawned", (char *)"child", (char *)"7", NULL};
  if (posix_spawn(&pid, self, NULL, NULL, argv, environ))
    abort();
  report("spawn", pid);
  if (ended(pid) != 7)
    abort();
  char *other[] = {(char *)"true", NULL};
  if (posix_spawnp(&pid, "true", NULL, NULL, other, environ))
    abort();
  report("spawnp", pid);
  if (ended(pid) || posix_spawnp(&pid, "no-such-program", NULL, NULL, other, environ) != ENOENT)
    abort();
}

static void use_shell(void) {
  char text[64] = "";
  if (system(NULL) == 0 || WEXITSTATUS(system("exit '9'")) != 9)
    abort();
  FILE *f = popen("echo \"it's $0\"", "r");
  if (!f || !fgets(text, sizeof text, f) || strcmp(text, "it's sh\n") || pclose(f))
    abort();
  report("shell", 0);
}

static void use_pty(void) {
  int master;
  pid_t pid = forkpty(&master, NULL, NULL, NULL);
  if (!pid)
    _exit(8);
  report("forkpty", pid);
  if (ended(pid) != 8)
    abort();
}

/* Every member of the exec family becomes the child. */
static void use_exec(void) {
  char *argv[] = {(char *)"a", (char *)"child", (char *)"1", NULL};
  for (int how = 0; how < 8; how++) {
    pid_t pid = fork();
    if (!pid) {
      switch (how) {
      case 0:
        execv(self, argv);
        break;
      case 1:
        execve(self, argv, environ);
        break;
      case 2:
        execvp(self, argv);
        break;
      case 3:
        execvpe(self, argv, environ);
        break;
      case 4:
        execl(self, "a", "child", "1", (char *)NULL);
        break;
      case 5:
        execlp(self, "a", "child", "1", (char *)NULL);
        break;
      case 6:
        execle(self, "a", "child", "1", (char *)NULL, environ);
        break;
      case 7:
        execlp("sh", "sh", "-c", "exit 1", (char *)NULL);
        break;
      }
      _exit(99);
    }
    if (ended(pid) != 1)
      abort();
  }
  report("exec", 0);
}

int main(int argc, char **argv) {
  self = argc > 1 && argv[1][0] == '/' ? argv[1] : "/proc/self/exe";
  if (argc == 3 && !strcmp(argv[1], "child"))
    return atoi(argv[2]);
  for (int i = 1; i < argc; i++) {
    if (!strcmp(argv[i], "fork"))
      use_fork(), use_fork_alone();
    else if (!strcmp(argv[i], "vfork"))
      use_vfork();
    else if (!strcmp(argv[i], "clone"))
      use_clone();
    else if (!strcmp(argv[i], "spawn"))
      use_spawn();
    else if (!strcmp(argv[i], "shell"))
      use_shell();
    else if (!strcmp(argv[i], "pty"))
      use_pty();
    else if (!strcmp(argv[i], "exec"))
      use_exec();
  }
  return 0;
}
