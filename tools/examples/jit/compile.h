/* C compilers as libraries, made to write object files into memory. */
#ifndef JIT_COMPILE_H
#define JIT_COMPILE_H

#include <stddef.h>

/* The object file of C source text; file: how line numbers call the source. *bytes is the caller's, to be freed. 0,
 * or -1; the compiler has said why on stderr. */
int compile_with_tcc(const char *source, const char *file, char **bytes, size_t *size);

#endif
