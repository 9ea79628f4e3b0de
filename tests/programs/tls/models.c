// Thread-local variables by one access model (-ftls-model), with initialised, zeroed, aligned and relocated data.
// Built into programs and libraries: NAME is the prefix of what it exports.
#include <stdint.h>
#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define NAME(x) JOIN(PREFIX, x)
#ifndef ALIGNMENT
#define ALIGNMENT 64
#endif
#ifndef LARGE
#define LARGE 100
#endif

static int outside = 5;
__thread int NAME(_value) = 1234;
__thread int *NAME(_pointer) = &outside; // a relocation inside the TLS image
__thread char NAME(_zero)[LARGE];
static __thread int local_one = 1;
static __thread long local_two = 2;
static __thread struct { char text[ALIGNMENT]; } aligned __attribute__((aligned(ALIGNMENT))) = {"aligned"};

int NAME(_check)(int change) {
  int sum = NAME(_value) + *NAME(_pointer) + local_one * 10000 + (int)local_two * 100000;
  for (unsigned i = 0; i < LARGE; i += 97)
    sum += NAME(_zero)[i];
  sum += (uintptr_t)&aligned % ALIGNMENT != 0 ? 5000000 : 0;
  sum += aligned.text[0] == 'a' ? 0 : 7000000;
  NAME(_value) += change;
  local_one += change;
  NAME(_zero)[LARGE - LARGE % 97 - (LARGE % 97 == 0 ? 97 : 0)] = (char)change;
  return sum;
}
int *NAME(_address)(void) { return &NAME(_value); }
