/* /proc/self/exe of a program started as `ldx PROGRAM`: the kernel's link names ldx, so libc's functions that follow
 * it are wrapped to see the program instead. */
#ifndef LDX_LOADER_EXE_H
#define LDX_LOADER_EXE_H

#include "namespace/object.h"

enum { LDX_EXE_WRAPPERS = 23 };

const char *ldx_exe_wrapper_name(unsigned i);
/* The wrapper; notes the function in `libc` that it stands for. */
const void *ldx_exe_wrapper(unsigned i, struct ldx_object *libc);

#endif
