/* Not position independent: libc's variables live in the program. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

int main(int argc, char **argv) {
  int option, sum = 0;
  while ((option = getopt(argc, argv, "ab:")) != -1) {
    sum = sum * 10 + (option == 'a' ? 1 : option == 'b' ? atoi(optarg) : 9);
    fprintf(stdout, "%c %d\n", option, optind);
  }
  environ[0] = "FIRST=1";
  setenv("TZ", "XYZ-3", 1);
  tzset();
  printf("%d %s %s %ld %s\n", sum, getenv("FIRST"), tzname[0], timezone, argv[optind]);
  fputs("to stderr\n", stderr);
  return 0;
}
