/* A library that refers to symbols of run-time objects in every way there is. Built lazily bound, with -z now, and
 * without PLT. */
#include <stddef.h>

int jit_answer(void);
extern int jit_counter;
extern int jit_weak_function(void) __attribute__((weak));
extern int jit_weak_data __attribute__((weak));

int call_answer(void) { return jit_answer(); }
#ifdef DATA
int read_counter(void) { return jit_counter; }
int *address_of_counter(void) { return &jit_counter; }
int *pointer_to_counter = &jit_counter;
int *pointer_behind_counter = &jit_counter + 2;
int (*pointer_to_answer)(void) = jit_answer;
int (*const constant_pointer)(void) = jit_answer; /* in RELRO */
int call_by_pointer(void) { return pointer_to_answer(); }
int call_by_constant(void) { return (*(int (*const volatile *)(void)) & constant_pointer)(); }
const void *address_of_constant(void) { return &constant_pointer; }
int (*address_of_answer(void))(void) { return jit_answer; }
#endif
int has_weak_function(void) { return jit_weak_function != NULL; }
int call_weak_function(void) { return jit_weak_function ? jit_weak_function() : -1; }
int read_weak_data(void) { return &jit_weak_data ? jit_weak_data : -1; }
