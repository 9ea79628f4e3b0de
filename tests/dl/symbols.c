// A library with symbols of every kind. The version script symbols.map and the lines of symbols.s belong to it.
#include "tell.h"
#define HERE __attribute__((visibility("default")))
#define OF_VERSION(name, version) __attribute__((symver(#name version)))
// Two hidden versions and a default one; one hidden alone; two hidden; one default alone.
OF_VERSION(three, "@V1") HERE const char *three_1(void) { return "three of V1"; }
OF_VERSION(three, "@V2") HERE const char *three_2(void) { return "three of V2"; }
OF_VERSION(three, "@@V3") HERE const char *three_3(void) { return "three of V3"; }
OF_VERSION(hidden_one, "@V1") HERE const char *hidden_1(void) { return "hidden_one of V1"; }
OF_VERSION(hidden_two, "@V1") HERE const char *hidden_two_1(void) { return "hidden_two of V1"; }
OF_VERSION(hidden_two, "@V2") HERE const char *hidden_two_2(void) { return "hidden_two of V2"; }
const char *single(void) { return "single of V2"; }
const char *unversioned(void) { return "unversioned"; }
const char *local_by_map(void) { return "nobody finds it"; }
__attribute__((visibility("hidden"))) const char *hidden_by_attribute(void) { return "nobody finds it"; }
__attribute__((visibility("protected"))) const char *protected_function(void) { return "protected"; }
__attribute__((weak)) const char *weak_function(void) { return "weak"; }
extern const char *weak_missing(void) __attribute__((weak));
int has_weak_missing(void) { return weak_missing != NULL; }
int data = 11;
const int constant = 12;
int common_one __attribute__((common));
__thread int tls_data = 13;
__thread char tls_zero[64];
static int calls;
static const char *chosen(void) { return "chosen"; }
typedef const char *function(void);
static function *choose(void) {
  calls++;
  return chosen;
}
static function *choose_nothing(void) { return NULL; }
const char *indirect(void) __attribute__((ifunc("choose")));
const char *indirect_nothing(void) __attribute__((ifunc("choose_nothing")));
int resolver_calls(void) { return calls; }
int use(void) { return indirect()[0] + tls_data + tls_zero[0] + common_one; }
const char *look_up(void *handle, const char *name, const char *version) {
  const char *(*f)(void) = (const char *(*)(void))(version ? dlvsym(handle, name, version) : dlsym(handle, name));
  return f ? f() : why();
}
