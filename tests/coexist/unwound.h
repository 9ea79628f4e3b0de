// What the program that unwinds and its library share.
#pragma once

struct unwound {
  int (*call_all)(int);
  int (*locals)(void);
  void (*block)(int);
  void (*throw_from)(int);
  int (*crash)(volatile int *);
  void (*sort)(int (*)(const void *, const void *));
};
