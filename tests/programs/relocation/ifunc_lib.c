// Indirect functions: exported, local, hidden, and reached by pointer; resolvers that use relocated data and other
// calls.
#include <stddef.h>
static int chosen = 2;
int ifunc_bias = 100;
int ifunc_helper(void);
static int one(int x) { return x + 1; }
static int two(int x) { return x + 2; }
static int three(int x) { return x + 3; }
static int (*const table[])(int) = {one, two, three};
static void *choose_exported(void) { return table[chosen - 1]; }
static void *choose_local(void) { return table[2]; }
int ifunc_exported(int) __attribute__((ifunc("choose_exported")));
static int ifunc_local(int) __attribute__((ifunc("choose_local")));
int ifunc_hidden(int) __attribute__((ifunc("choose_local"), visibility("hidden")));
int ifunc_protected(int) __attribute__((ifunc("choose_local"), visibility("protected")));
static int (*pointer_to_exported)(int) = ifunc_exported;
static int (*pointer_to_local)(int) = ifunc_local;
int ifunc_through_library(int x) { return ifunc_exported(x) * 10000 + ifunc_local(x) * 100 + ifunc_hidden(x); }
int ifunc_through_pointers(int x) { return pointer_to_exported(x) * 100 + pointer_to_local(x); }
void *ifunc_address(void) { return (void *)ifunc_exported; }
