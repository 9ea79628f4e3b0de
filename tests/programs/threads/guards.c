// What libc says before it ends a program that has gone wrong.
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
__attribute__((noinline)) static void smash(char *text) {
  char buffer[8], *volatile to = buffer; // volatile: the compiler must not see through this
  for (char *from = text; *from; from++)
    *to++ = *from;
  *to = 0;
  printf("%c\n", buffer[0]);
}
int main(int argc, char **argv) {
  char small[4];
  if (strcmp(argv[1], "assert") == 0)
    assert(argc == 100);
  if (strcmp(argv[1], "stack") == 0)
    smash(argv[2]);
  if (strcmp(argv[1], "fortify") == 0)
    printf("%s\n", strcpy(small, argv[2]));
  if (strcmp(argv[1], "format") == 0) {
    char *format = strdup("%n");
    printf(format, (int *)small);
  }
  if (strcmp(argv[1], "free") == 0) {
    void *volatile block = malloc(10);
    free(block);
    free(block);
  }
}
