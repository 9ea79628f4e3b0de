// Filters that are opened: their names come from the filtee, if there is one.
#include "tell.h"
#if defined FILTER
const char *sieved(void) { return "the filter's own"; }
const char *only_filter(void) { return "only the filter has it"; }
#elif defined FILTEE
const char *sieved(void) { return "the filtee's"; }
const char *only_filtee(void) { return "only the filtee has it"; }
__attribute__((constructor)) static void begin(void) { tell(" +filtee"); }
__attribute__((destructor)) static void end(void) { tell(" -filtee"); }
#endif
