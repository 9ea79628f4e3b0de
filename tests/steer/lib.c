/* A library that says when it comes and goes, and who it is: -DME=name -DVALUE=number. */
#include <stdio.h>

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)
#define JOIN_(a, b) a##_##b
#define JOIN(a, b) JOIN_(a, b)

int JOIN(ME, value)(void);
int JOIN(ME, value)(void) { return VALUE; }
int answer(void);
int answer(void) { return VALUE; }

#ifdef TLS
__thread int JOIN(ME, tls)[TLS] __attribute__((aligned(64), tls_model("initial-exec"))) = {VALUE};
int local_value(void);
int local_value(void) { return (long)&JOIN(ME, tls) % 64 ? -1 : JOIN(ME, tls)[0]++; }
#endif

static __attribute__((constructor)) void begin(void) {
  printf("init %s\n", TEXT(ME));
  fflush(stdout);
}
