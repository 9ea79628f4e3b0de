// A library that says who it is, by several names: -DME=letter; what else it has is chosen by macros.
#include <stdio.h>
#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)
#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)

#ifdef WEAK
#pragma weak who
#pragma weak who_data
#endif
#ifndef QUIET
const char *who(void) { return TEXT(ME); }
const char *who_data = "data of " TEXT(ME);
#else
const char *who(void);
extern const char *who_data;
#endif

// What this library itself sees under the common names.
const char *JOIN(seen_by_, ME)(void) { return who(); }
const char *JOIN(data_seen_by_, ME)(void) { return who_data; }
void *JOIN(address_seen_by_, ME)(void) { return (void *)who; }
