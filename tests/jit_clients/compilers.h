#ifndef COMPILERS_H
#define COMPILERS_H

#include <stddef.h>

/* Object files with jit_sum and jit_twice, to be freed; NULL: the compiler has said why. */
char *compile_with_gccjit(size_t *size);

#endif
