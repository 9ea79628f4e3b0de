/* Each returns its number, if its arguments have come through the binding whole: those in general registers, and
 * those in vector registers. */
#include "callee.h"

#define DEFINE(n)                                                                                                    \
  int callee_##n(int x, double a, double b, double c, double d, double e, double f, double g, double h) {            \
    return a == x && b == x + 1 && c == x + 2 && d == x + 3 && e == x + 4 && f == x + 5 && g == x + 6 && h == x + 7  \
               ? n                                                                                                   \
               : -1;                                                                                                 \
  }
ALL_CALLEES(DEFINE)
