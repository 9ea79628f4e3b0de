/* The library that is opened with RTLD_RELOADABLE. */
#include <stddef.h>
#include <stdint.h>

int counter = 7;
char text[64] = "as it was built";
long table[5000]; /* .bss, more than a page */
const char *label = "built in";
int *inside = &counter;
int *none = &counter;
void *outside = &label;
static const char *const words[] = {"one", "two", "three"};
const char *const *list = words;
static int constructed;
int (*chosen)(void);
__thread int per_thread = 5;

/* Room for tables that are made while it is in use. */
_Alignas(4096) char room[1 << 20];

__attribute__((constructor)) static void construct(void) { constructed++; }

int next_of_thread(void) { return per_thread++; }
int times_constructed(void) { return constructed; }
int alpha(void) { return 1; }
int gamma_(void) { return 3; }
int stays(void) { return 4; }
int *address_of_counter(void) { return &counter; }
const char *word(int i) { return list[i]; }
__attribute__((noinline)) static int local_function(int x) { return x + 1; }
int (*local_function_pointer)(int) = local_function;
int calls_local(int x) { return local_function(x) + 1; }
