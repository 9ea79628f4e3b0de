/* A library that says when it begins and ends, and calls. */
#include <unistd.h>
#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)
#ifdef STUB
int jit_answer(void) { return -1; }
#endif
#ifdef CALLS
int jit_answer(void);
int call_answer(void) { return jit_answer(); }
#endif
static void tell(const char *text, size_t size) {
  if (write(1, text, size) < 0)
    _exit(99);
}
__attribute__((constructor)) static void begin(void) { tell("+" TEXT(ME) "\n", sizeof "+" TEXT(ME)); }
__attribute__((destructor)) static void end(void) { tell("-" TEXT(ME) "\n", sizeof "-" TEXT(ME)); }
