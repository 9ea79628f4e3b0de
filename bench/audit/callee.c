int callee(int a);
int callee(int a) { return a + 1; }
