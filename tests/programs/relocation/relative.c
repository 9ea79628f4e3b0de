// Very many relative relocations, in order and scattered, and a constructor that checks them all.
#include <stdio.h>
#include <unistd.h>
#define P(n) &values[n], 0, &values[n + 1], &values[n + 2],
#define Q(n) P(n) P(n + 3) P(n + 6) P(n + 9)
#define R(n) Q(n) Q(n + 12) Q(n + 24) Q(n + 36)
static int values[4096];
static struct {
  int *pointers[16 * 4 * 16];
} table = {{R(0) R(48) R(96) R(144) R(192) R(240) R(288) R(336) R(384) R(432)}};
static struct __attribute__((packed)) {
  char odd;
  int *pointer;
  char more;
  int *next;
} unaligned = {1, &values[7], 2, &values[8]};
static int good;
__attribute__((constructor)) static void check(void) {
  for (int i = 0; i < 160; i++)
    good += table.pointers[4 * i] == &values[3 * i] && table.pointers[4 * i + 1] == 0 &&
            table.pointers[4 * i + 2] == &values[3 * i + 1];
  good += unaligned.pointer == &values[7] && unaligned.next == &values[8] &&
          getpid() > 0; // libc is needed, with its versions
}
int RELATIVE_CHECK(void) { return good; }
#ifdef PROGRAM
int library_check(void);
int main(void) { printf("%d %d\n", RELATIVE_CHECK(), library_check()); }
#endif
