#include <stdio.h>
__attribute__((noinline)) static int work(int n) { return n < 2 ? n : work(n - 1) + work(n - 2); }
int main(void) { printf("%d\n", work(20)); }
