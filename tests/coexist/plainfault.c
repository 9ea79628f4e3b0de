/* Knows no sanitizer: what is wrong here is seen only by an allocator that was preloaded. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__attribute__((noinline)) static void release(char *p) { free(p); }

int main(void) {
  char *p = malloc(20);
  strcpy(p, "nineteen characters");
  puts(p);
  release(p);
  release(p);
  return 0;
}
