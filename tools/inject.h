/* Has a process that ldx started make its control thread, by ptrace(2). */
#ifndef LDX_TOOLS_INJECT_H
#define LDX_TOOLS_INJECT_H

#include <sys/types.h>

/* 0: it has one now. Otherwise *why says what is wrong (a constant, or strerror's text). */
int inject_control(pid_t pid, const char **why);

#endif
