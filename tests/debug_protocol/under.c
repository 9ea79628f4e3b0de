// What `slow` depends on.
int under_call(int n) { return 2 * n; }
