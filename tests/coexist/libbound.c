/* What libunwound.so calls and reads. */
#define DEFINE(n)                                                                                                    \
  int unwound_bound_##n(int i, double d) { return i + (int)d; }
DEFINE(0)
DEFINE(1)
DEFINE(2)
DEFINE(3)
DEFINE(4)
DEFINE(5)
DEFINE(6)
DEFINE(7)

_Thread_local int unwound_elsewhere;
