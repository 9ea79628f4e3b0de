// One symbol by every kind of reference that the compiler makes: immediate, table of pointers, GOT, PLT, copy.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern int lib_counter, lib_array[16];
extern const char *lib_name;
int lib_next(void);
int *lib_counter_address(void);
void *lib_function_address(void);
int lib_call(int (*)(int), int);
int program_callback(int x) { return x * 3; }

static int own = 11;
static int *own_pointer = &own;
static int *table[] = {&lib_counter, &lib_array[5], &lib_array[16] - 1, &own};
static int (*functions[])(void) = {lib_next, rand};
static const struct {
  const char *text;
  int (*call)(int);
} constants[] = {{"relro", program_callback}};

int main(void) {
  printf("counter %d %d\n", lib_counter, *table[0]);
  printf("one address for data: %d\n", lib_counter_address() == &lib_counter && table[0] == &lib_counter);
  printf("one address for functions: %d\n", lib_function_address() == (void *)lib_next && functions[0] == lib_next);
  lib_counter += 5;
  printf("seen by the library: %d\n", lib_next());
  printf("array %d %d, own %d %d\n", *table[1], *table[2], *own_pointer, *table[3]);
  printf("%s %d\n", constants[0].text, lib_call(constants[0].call, 7));
  printf("name %s, libc %d %d\n", lib_name, functions[1] == rand, stdout != NULL);
  fprintf(stderr, "stderr by a copy\n");
}
