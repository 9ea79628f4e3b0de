/* Programs that the process becomes, or starts, stay under ldx (--follow, LDX_FOLLOW): `PROGRAM ARGS` is run as
 * `ldx OPTIONS PROGRAM ARGS`, where ldx can load it. What is privileged, static, or of another kind runs as always.
 */
#ifndef LDX_LOADER_FOLLOW_H
#define LDX_LOADER_FOLLOW_H

#include <stdbool.h>
#include <stddef.h>

typedef long ldx_run_function(void *arg, const char *path, char *const *argv, char *const *envp);

/* Notes which options and variables go on; before the program's code runs. */
void ldx_follow_begin(void);
/* Calls `run` with these, or with what they become. Keeps everything on the stack: memory may be shared with a parent
 * that waits (vfork). */
long ldx_run_followed(const char *path, char *const *argv, char *const *envp, ldx_run_function *run, void *arg);
/* The shell command that has the same effect under ldx, to be deleted; NULL: as it is. */
char *ldx_follow_command(const char *command);

/* A program's name as execvp takes it: found by PATH unless it has a slash. */
bool ldx_find_in_path(const char *name, char *path, size_t size);
/* Whether the kernel would run the file, or a script's interpreter. */
bool ldx_is_program(const char *path);

#endif
