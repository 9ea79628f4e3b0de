// Relocations of odd types, kept in a library within reach of the symbols: odd_pc32 is in the same library.
#include <stdio.h>
extern long odd_table[5];
extern int odd_near;
int odd_low32, odd_none, odd_glob_dat = 6;
char odd_pc64[32] = {[16] = 64};
int main(void) {
#ifdef SHOW_PC32
  printf("pc32 %d\n", *(int *)((char *)&odd_table[0] + (int)odd_table[0]));
#endif
#ifdef SHOW_PC64
  printf("pc64 %d\n", *((char *)&odd_table[1] + odd_table[1]));
#endif
#ifdef SHOW_LOW32
  printf("32 %d\n", (unsigned)odd_table[2] == (unsigned)(long)&odd_low32 + 3);
#endif
  printf("none %ld, glob_dat %d\n", odd_table[3], odd_table[4] == (long)&odd_glob_dat);
}
