// Another library that calls, and points to, the indirect functions of the first.
int ifunc_exported(int);
static int (*pointer)(int) = ifunc_exported;
int other_through(int x) { return ifunc_exported(x) * 100 + pointer(x); }
void *other_address(void) { return (void *)pointer; }
