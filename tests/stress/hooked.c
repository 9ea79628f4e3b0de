/* A library whose constructor and destructor do what the program says: -DHOOKED its number, -DOTHER the library it
 * needs. */
#include "hooked.h"

#define GLUE_(a, b) a##b
#define GLUE(a, b) GLUE_(a, b)
#define NAME GLUE(hooked_value_, HOOKED)

#ifdef OTHER
int GLUE(hooked_value_, OTHER)(void);
#endif

static int constructed;

__attribute__((constructor)) static void construct(void) {
  stress_hook(HOOKED, CONSTRUCTOR);
  constructed++;
}

__attribute__((destructor)) static void destroy(void) {
  stress_hook(HOOKED, DESTRUCTOR);
  constructed = -1;
}

/* 1 when the constructor has run once and has ended; more with the library it needs. */
int NAME(void) {
#ifdef OTHER
  return constructed + 10 * GLUE(hooked_value_, OTHER)();
#else
  return constructed;
#endif
}
