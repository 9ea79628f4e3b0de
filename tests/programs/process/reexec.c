// Starts itself again by each of the names by which programs find themselves.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/wait.h>
#include <unistd.h>

static int start(const char *path, const char *label, const char *depth) {
  pid_t child = fork();
  if (child == 0) {
    execl(path, label, depth, (char *)NULL);
    perror(path);
    _exit(99);
  }
  int status;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int main(int argc, char **argv) {
  char self[4096];
  ssize_t size = readlink("/proc/self/exe", self, sizeof self - 1);
  self[size < 0 ? 0 : size] = 0;
  const char *base = strrchr(self, '/');
  printf("%s: %d arguments, I am %s\n", strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0], argc,
         base ? base + 1 : self);
  fflush(stdout);
  if (argc > 1)
    return atoi(argv[1]);
  printf("by readlink: %d\n", start(self, "a", "4"));
  printf("by argv[0]: %d\n", start(argv[0], "b", "5"));
  printf("by AT_EXECFN: %d\n", start((char *)getauxval(AT_EXECFN), "c", "6"));
}
