// What `later` depends on.
int under_work(int (*f)(int), int n) { return f(n) * 2; }
