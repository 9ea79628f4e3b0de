/*
 * The code of every base. victim_value() adds up what each kind of relocation brought, so a wrong one shows.
 * The build chooses by macros: WITH_TLS, WITH_IFUNC, WITH_VERSIONS, WITH_UNIQUE, WITH_MAIN.
 */
#include <unistd.h>
#include "victim.h"

int victim_data = 10;

static int constructed;
static int local_one(void) { return 1; }
static int local_two(void) { return 2; }

/* RELATIVE or RELR, R_X86_64_64, GLOB_DAT. */
static int (*const local_table[])(void) = {local_one, local_two, local_one, local_two, local_one, local_two};
static int (*const dep_table[])(void) = {dep_value};
static int *volatile data_pointers[] = {&victim_data, &dep_data, &constructed};

__attribute__((constructor)) static void construct(void) { constructed += 1; }
__attribute__((destructor)) static void destruct(void) { constructed -= 1; }

#ifdef WITH_TLS
__thread int victim_tls = 4;
static __thread int local_tls[8] = {1, 2, 3};
static int tls_part(void) { return victim_tls + local_tls[1] - 6; }
#else
static int tls_part(void) { return 0; }
#endif

#ifdef WITH_IFUNC
static int (*choose(void))(void) { return local_one; }
int victim_chosen(void) __attribute__((ifunc("choose")));
static int hidden_chosen(void) __attribute__((ifunc("choose")));
static int ifunc_part(void) { return victim_chosen() + hidden_chosen() - 2; }
#else
static int ifunc_part(void) { return 0; }
#endif

#ifdef WITH_VERSIONS
int versioned_old(void) { return 0; }
int versioned_new(void) { return 0; }
__asm__(".symver versioned_old, versioned@VICTIM_1\n.symver versioned_new, versioned@@VICTIM_2");
#endif

#ifdef WITH_UNIQUE
__asm__(".data\n.globl victim_unique\n.type victim_unique, @gnu_unique_object\n"
        ".size victim_unique, 4\nvictim_unique: .long 0\n.text");
extern int victim_unique;
static int unique_part(void) { return victim_unique; }
#else
static int unique_part(void) { return 0; }
#endif

int victim_value(void) {
  int sum = *data_pointers[0] + *data_pointers[1] + dep_value() + dep_table[0]() + dep_copied[3];
  for (unsigned i = 0; i < sizeof local_table / sizeof *local_table; ++i)
    sum += local_table[i]();
  return sum + constructed + tls_part() + ifunc_part() + unique_part() + 6; /* 42 */
}

#ifdef WITH_MAIN
int main(void) {
  static const char good[] = "value 42\n", bad[] = "another value\n";
  if (victim_value() == VICTIM_VALUE)
    return write(1, good, sizeof good - 1) < 0;
  return write(1, bad, sizeof bad - 1), 3;
}
#endif
