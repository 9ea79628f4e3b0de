// Flags in the dynamic section that no loader of today heeds.
#include <stdio.h>
#ifdef MAIN
int main(void) { puts("runs"); }
#else
int flags_own(void) { return 1; }
#endif
