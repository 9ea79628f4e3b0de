/* Knows the functions by their names only: they come when it has long been loaded. */
#include "caller.h"

int jit_sum(int n);
int jit_twice(int (*f)(int), int x);

int call_sum(int n) { return jit_sum(n); }
int call_twice(int (*f)(int), int x) { return jit_twice(f, x); }
