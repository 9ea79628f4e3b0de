#include <stdio.h>
#include <string.h>

int other_data[2] = {8, 9};
char other_array[1234];
int other_function(void) { return 31; }

extern unsigned long direct_table[5];
extern struct {
  unsigned s32, s32_addend;
  unsigned long s64, own;
} direct_sizes;

int main(void) {
  printf("64: %d %d %d\n", *(int *)direct_table[0], *(int *)direct_table[1], ((int (*)(void))direct_table[2])());
  printf("weak %lu, own %ld\n", direct_table[3], *(long *)direct_table[4]);
  printf("sizes %u %u %lu %lu\n", direct_sizes.s32, direct_sizes.s32_addend, direct_sizes.s64, direct_sizes.own);
}
