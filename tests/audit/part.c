/* Libraries of the test: libaudit-NAME.so, of which some need others. */
#include <stdio.h>

#define JOIN2(a, b) a##b
#define JOIN(a, b) JOIN2(a, b)
#define TEXT2(a) #a
#define TEXT(a) TEXT2(a)

#ifdef USES
int USES(int a);
#else
#define USES(a) (a)
#endif
int JOIN(ME, _variable) = 1;
static __thread int local;

int ME(int a) { return USES(a) + 1; }
int *JOIN(ME, _local)(void) { return &local; }
#ifdef WANTS
int WANTS(void);
int JOIN(ME, _wants)(void) { return WANTS(); }
#endif

static __attribute__((constructor)) void begin(void) {
  printf("constructor %s\n", TEXT(ME));
  fflush(stdout);
}
static __attribute__((destructor)) void end(void) {
  printf("destructor %s\n", TEXT(ME));
  fflush(stdout);
}
