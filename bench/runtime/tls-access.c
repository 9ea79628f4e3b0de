/* Thread-local variables of a library, reached as the compiler's options say: each access is a call of
 * __tls_get_addr, or of a TLS descriptor's function. Built several times, with names of its own each time. */
#include <stdint.h>

#ifndef NAME
#define NAME(x) access_##x
#define ROOM 16
#endif

enum { ACCESSES = 8 };

__thread volatile uint32_t NAME(0), NAME(1), NAME(2), NAME(3), NAME(4), NAME(5), NAME(6), NAME(7);
__thread char NAME(room)[ROOM]; /* too much to be placed in what static space is left */

__attribute__((noinline)) static void access_all(void) {
  NAME(0)++, NAME(1)++, NAME(2)++, NAME(3)++, NAME(4)++, NAME(5)++, NAME(6)++, NAME(7)++;
}

void NAME(access)(uint64_t times);
void NAME(access)(uint64_t times) {
  for (uint64_t i = 0; i < times; i += ACCESSES)
    access_all();
}
