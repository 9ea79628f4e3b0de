/* References of all kinds. Built as program (PROGRAM) and as library, with and without PLT, with TLS descriptors. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern int shared_number;           /* in the other object: COPY in a program that is not position-independent */
extern __thread int shared_counter; /* TLS of the other object: module and offset, or initial exec */
int shared_function(int);
__attribute__((weak)) extern int nowhere(void);
__attribute__((weak)) extern int nowhere_else;

int (*pointers[])(int) = {shared_function, shared_function, abs}; /* R_X86_64_64 */
int *number_pointer = &shared_number;
size_t (*length)(const char *) = strlen; /* an indirect function, in data */
int *nothing = &nowhere_else;

static __thread int mine = 1;

int use_all(void);
int use_all(void) {
  char text[8];
  strcpy(text, "abc");
  return shared_function(shared_number) + pointers[1](1) + *number_pointer + shared_counter + mine +
         (int)length(text) + (nowhere ? nowhere() : 0) + (nothing ? *nothing : 0) + (errno = 0);
}

#ifdef PROGRAM
int main(void) {
  printf("%d\n", use_all());
  return 0;
}
#endif
