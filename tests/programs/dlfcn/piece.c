// A library with a little of everything: ME is its letter, NEXT the letter of one that it uses.
#include <dlfcn.h>
#include <stdio.h>
#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)
static int calls;
int JOIN(ME, _data) = 10;
int shared_data = VALUE;
int shared(int x) { return x + VALUE; }
int call_shared(int x) { return shared(x) + shared_data * 100; }
static int hidden_here(int x) { return x * 2; }
int JOIN(ME, _own)(int x) { return hidden_here(x) + ++calls; }
int JOIN(ME, _calls_shared)(int x) { return shared(x) + shared_data * 100; }
int JOIN(ME, _next)(int x) {
  int (*next)(int) = (int (*)(int))dlsym(RTLD_NEXT, "shared");
  return next ? next(x) : -1;
}
int JOIN(ME, _default)(int x) {
  int (*found)(int) = (int (*)(int))dlsym(RTLD_DEFAULT, "shared");
  return found ? found(x) : -1;
}
#ifdef NEXT
int JOIN(NEXT, _own)(int);
int JOIN(ME, _uses)(int x) { return JOIN(NEXT, _own)(x) * 10; }
#endif
#ifdef MISSING
int nobody_has_this(int);
int JOIN(ME, _missing)(int x) { return nobody_has_this(x); }
#endif
#ifdef MISSING_DATA
extern int nobody_has_data;
int JOIN(ME, _missing)(int x) { return nobody_has_data; }
#endif
#ifdef USES_LATER
int later_own(int);
int JOIN(ME, _later)(int x) { return later_own(x); }
#endif
__attribute__((constructor)) static void begin(void) { printf("  <" TEXT(ME) " begins>\n"); }
__attribute__((destructor)) static void end(void) { printf("  <" TEXT(ME) " ends>\n"); }
