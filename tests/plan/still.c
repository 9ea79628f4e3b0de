/* Opens nothing, and can be linked statically. */
#include <stdio.h>

int main(void) {
  puts("runs");
  return 0;
}
