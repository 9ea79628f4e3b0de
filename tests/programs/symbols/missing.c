// References to what may be missing when the program runs.
#include <stdio.h>
#include <string.h>
int missing_function(int);
int present_function(int);
extern int missing_data;
int main(int argc, char **argv) {
  printf("main runs, %d\n", present_function(1));
  fflush(stdout);
#ifdef NEEDS_DATA
  printf("%d\n", missing_data);
#endif
  if (argc > 1)
    printf("%d\n", missing_function(2));
  return 4;
}
