/* A copy of an object made at run time, as an ELF file that tools for files like: with section headers, a table for
 * nm, and nothing in it that is gone. All addresses in it are those that the process has, as embedded in its code,
 * its unwind information and everybody's logs: it is linked for the place where it is. */
#ifndef LDX_LOADER_JIT_SAVE_H
#define LDX_LOADER_JIT_SAVE_H

#include <stddef.h>

/* Of the object with that name or path, the oldest one if there are several. Heap memory; NULL: there is none (*size
 * 0), or no memory. */
char *ldx_jit_save(const char *name, size_t *size);

#endif
