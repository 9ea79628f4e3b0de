/* Calls the functions of libcallee.so, each through a slot of its own; linked against it, or left to find it in the
 * global scope. */
#include "callee.h"

#define DECLARE(n) int callee_##n(int, double, double, double, double, double, double, double, double);
ALL_CALLEES(DECLARE)

#define CALL(n)                                                                                                      \
  static int call_##n(int x) { return callee_##n(x, x, x + 1, x + 2, x + 3, x + 4, x + 5, x + 6, x + 7) == n; }
ALL_CALLEES(CALL)

#define ENTRY(n) call_##n,
static int (*const calls[])(int) = {ALL_CALLEES(ENTRY)};

/* 1 when function number `which` got its arguments and gave its number. */
int binder_call(int which, int x) { return calls[which](x); }
