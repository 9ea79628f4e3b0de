int library_value = 21;
int library_twice(int x) { return 2 * x; }
