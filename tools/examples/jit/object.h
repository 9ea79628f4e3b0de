/* Puts relocatable object files (ET_REL, gABI ch. 4), as compilers write them, into an object made at run time: any
 * compiler that can write a .o file becomes a JIT compiler whose functions have names, unwind and can be debugged. */
#ifndef JIT_OBJECT_H
#define JIT_OBJECT_H

#include <ldx/jit.h>
#include <stddef.h>

/* Allocates memory for the file's sections, relocates them (undefined symbols are looked up in the object itself,
 * then as by dlsym(RTLD_DEFAULT, ...)), and stages its global symbols, frames and debug information: ldx_jit_publish
 * makes them visible. 0, or -1 with the reason in error; then nothing is staged. Position-independent code is needed
 * (-fPIC), and no thread-local variables. */
enum { JIT_FRAME_POINTERS = 1 }; /* the compiler writes no .eh_frame; its functions begin with push %rbp */
int jit_add_object(ldx_jit *jit, const void *bytes, size_t size, unsigned flags, char *error, size_t error_size);

#endif
