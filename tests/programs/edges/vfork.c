// A child of vfork runs in its parent's memory: first calls and a failing exec there must leave the parent whole.
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
int main(void) {
  for (int i = 0; i < 3; i++) {
    pid_t child = vfork();
    if (child == 0) {
      if (i == 0)
        execl("/no/such/program", "x", (char *)NULL);
      if (i == 1)
        execlp("true", "true", (char *)NULL);
      _exit(7);
    }
    int status;
    waitpid(child, &status, 0);
    printf("%d\n", WEXITSTATUS(status));
  }
}
