// A library that tells when it comes and when it goes: ME is its name, USES a library's whose function it calls.
#include "tell.h"
#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)
int JOIN(ME, _value) = 1;
const char *JOIN(ME, _name)(void) { return TEXT(ME); }
const char *who(void) { return TEXT(ME); }
const char *JOIN(ME, _who)(void) { return who(); }
#ifdef USES
const char *JOIN(USES, _name)(void);
const char *JOIN(ME, _uses)(void) { return JOIN(USES, _name)(); }
#endif
#ifdef PROVIDES
int PROVIDES(void) { return 7; }
#endif
#ifdef WANTS
int WANTS(void);
int JOIN(ME, _wants)(void) { return WANTS(); }
#endif
#ifdef WANTS_DATA
extern int nobody_has_it;
int JOIN(ME, _wants)(void) { return nobody_has_it; }
#endif
__attribute__((constructor)) static void begin(void) { tell(" +" TEXT(ME)); }
__attribute__((destructor)) static void end(void) { tell(" -" TEXT(ME)); }
