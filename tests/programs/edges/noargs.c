// Starts its argument with an empty argument vector, and with odd ones.
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
static void start(char *path, char **words) {
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    execve(path, words, (char *[]){"ONLY=1", NULL});
    _exit(98);
  }
  int status;
  waitpid(child, &status, 0);
  printf("left with %d\n", WEXITSTATUS(status));
}
int main(int argc, char **argv) {
  start(argv[1], (char *[]){NULL});
  start(argv[1], (char *[]){"", NULL});
  start(argv[1], (char *[]){"--list", "--help", NULL});
}
