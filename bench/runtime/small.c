/* A library of no size. */
int bench_small_value = 1;
int bench_small(void);
int bench_small(void) { return bench_small_value; }
