// Built without -fPIC: its code holds relocations (64-bit addresses, or 32-bit displacements).
extern int nonpic_shared;
int nonpic_shared = 5;
static int nonpic_local = 6;
int nonpic_call(void);
__attribute__((noinline)) int nonpic_helper(int x) { return x + nonpic_local; }
int nonpic_sum(void) { return nonpic_shared + nonpic_helper(1) + nonpic_call(); }
