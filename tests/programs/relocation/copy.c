#include <stdio.h>
extern int copy_plain, copy_alias;
extern const int copy_constant;
extern char copy_large[10000];
extern const char *const copy_pointer;
int copy_sum(void);
void *copy_address(int);
int main(void) {
  printf("%d %d %c%c %d %s\n", copy_plain, copy_constant, copy_large[0], copy_large[9999], copy_alias, copy_pointer);
  printf("sum %d\n", copy_sum());
  copy_plain = 10, copy_alias = 30, copy_large[9999] = 0;
  printf("sum %d\n", copy_sum());
  printf("one address: %d %d %d %d %d\n", copy_address(0) == &copy_plain, copy_address(1) == &copy_constant,
         copy_address(2) == copy_large, copy_address(3) == &copy_alias, copy_address(4) == &copy_pointer);
}
