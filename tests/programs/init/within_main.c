#include <stdio.h>
int within(void);
int main(void) {
  printf("main %d\n", within());
  return 8;
}
