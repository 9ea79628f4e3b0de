// Other programs, and itself again.
#define _GNU_SOURCE
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

int main(int argc, char **argv) {
  if (argc > 1) {
    printf("again: %s\n", argv[1]);
    return 9;
  }
  char line[100] = "";
  int status = 0;
  pid_t child;
  char *words[] = {argv[0], "spawned", NULL};
  fflush(stdout);
  printf("spawn %d\n", posix_spawn(&child, "/proc/self/exe", NULL, NULL, words, environ));
  waitpid(child, &status, 0);
  printf("left with %d\n", WEXITSTATUS(status));
  fflush(stdout);
  printf("system %d\n", WEXITSTATUS(system("echo shell; exit 4")));
  FILE *pipe = popen("bash -c 'echo $((6 * 7))'", "r");
  if (!pipe || !fgets(line, sizeof line, pipe))
    return 1;
  printf("popen %s", line);
  return pclose(pipe);
}
