/* One of the libraries of a parallel program. */
#define NAME(i) io_part_##i
#define NAMED(i) NAME(i)
int NAMED(PART)(void);
int NAMED(PART)(void) { return PART; }
