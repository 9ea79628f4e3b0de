// A filter, what it filters, and what that needs: each says who it is.
#include <stdio.h>
#if defined(DEEP)
int deep(void) { return 5; }
#elif defined(REAL)
int deep(void);
int filtered(void) { return 10 + deep(); }
#elif defined(SECOND)
int second(void) { return 30; }
#elif defined(FILTER)
int filtered(void) { return 1; }
int second(void) { return 2; }
int own(void) { return 3; }
#else
int filtered(void), second(void), own(void);
int main(void) { printf("%d %d %d\n", filtered(), second(), own()); }
#endif
