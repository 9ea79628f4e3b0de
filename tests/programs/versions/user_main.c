#include <stdio.h>
int user(void);
int main(void) { printf("%d\n", user()); }
