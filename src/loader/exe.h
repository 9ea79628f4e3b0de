/* Functions of libc that take paths, wrapped for two reasons. /proc/self/exe of a program started as `ldx PROGRAM`:
 * the kernel's link names ldx, and those that follow it are to see the program instead. And files that a provider has
 * for the program (include/ldx/io.h). */
#ifndef LDX_LOADER_EXE_H
#define LDX_LOADER_EXE_H

#include <stdint.h>

enum { LDX_EXE_WRAPPERS = 36 };

/* The program's file in place of /proc/self/exe; every other path as it is. */
const char *ldx_follow_exe(const char *path);
/* The wrapper of libc's function `name`, which lies at `real`; 0 when it has none. */
uintptr_t ldx_exe_wrapper(const char *name, uintptr_t real);

#endif
