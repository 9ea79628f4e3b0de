#ifndef CALLER_H
#define CALLER_H

int call_sum(int n);
int call_twice(int (*f)(int), int x);

#endif
