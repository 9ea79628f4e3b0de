/* What the stress programs share: a clock to stop by, threads that work in two parts so that memory can be compared,
 * faults that wait for the driver's debugger. */
#ifndef STRESS_H
#define STRESS_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct stress_options {
  double seconds;
  int threads;
  uint64_t seed;
};

/* Every program: NAME SECONDS [THREADS [SEED]], run in the folder of its libraries. */
struct stress_options stress_begin(int argc, char **argv);

/* Prints the fault, and waits for the driver to look at the process (without a driver: aborts). */
void stress_fault(const char *file, int line, const char *fmt, ...) __attribute__((noreturn, format(printf, 3, 4)));
#define CHECK(condition, ...) ((condition) ? (void)0 : stress_fault(__FILE__, __LINE__, __VA_ARGS__))

/* One random number below `limit`; *state is the caller's own. */
uint32_t stress_random(uint64_t *state, uint32_t limit);

/* True until the part's time is over. */
bool stress_goes_on(void);

struct stress_plan {
  void (*work)(int thread, uint64_t seed); /* on each of options.threads threads: until stress_goes_on says no */
  void (*between)(void);       /* after each part, with no other thread left, before memory is measured; or NULL */
  void (*signalled)(void *pc); /* in a handler, a thousand times a second, on one of the threads; or NULL */
  int mappings_allowed;        /* how many more the second part may end with than the first; 0: the usual */
  long resident_allowed;       /* and KiB */
};

/* A short part to warm up, and a long one. The second must end with the memory of the first. */
void stress_run(const struct stress_options *o, const struct stress_plan *p);

int stress_mappings(void);
int stress_descriptors(void);
long stress_resident(void); /* KiB */

/* Waits for a child; a fault when it did not end with status 0. */
void stress_wait(int child);

#ifdef __cplusplus
}
#endif
#endif
