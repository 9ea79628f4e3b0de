/* The tests' hold on the functions that the CPU folder gives the loader. */
#ifndef LDX_TESTS_SEARCH_STUBS_H
#define LDX_TESTS_SEARCH_STUBS_H

#include <stdbool.h>

/* System calls made through ldx_syscall so far. */
unsigned long stub_syscalls(void);

/* While on, the kernel has no memory to give (files may still be mapped). */
void stub_refuse_memory(bool on);

#endif
