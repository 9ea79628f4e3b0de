/* What a program may say to a provider of files, under the names that Spindle gave it: files are opened, and asked
 * about, through the providers that ldx has (ldx/io.h). Errors are libc's: -1 or NULL, and errno.
 *
 * In a process that ldx did not start the names stay undefined: refer to them weakly, as here. */
#ifndef LDX_SPINDLE_H
#define LDX_SPINDLE_H

#include <stdio.h>
#include <sys/stat.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Only files that are read: others are opened as ever. The descriptor is a real one, with the file's bytes. */
int spindle_open(const char *path, int flags, ...) __attribute__((weak));
int spindle_stat(const char *path, struct stat *st) __attribute__((weak));
int spindle_lstat(const char *path, struct stat *st) __attribute__((weak));
FILE *spindle_fopen(const char *path, const char *mode) __attribute__((weak));

/* Whether open, stat, fopen and the like go through providers on the calling thread; counted, so that pairs nest.
 * Enabled: all paths that some provider is there for. Neither: those that match a provider's `files`. Disabled: none.
 */
void spindle_enable(void) __attribute__((weak));
void spindle_disable(void) __attribute__((weak));
int spindle_is_enabled(void) __attribute__((weak));
/* Whether there are any providers. */
int spindle_is_present(void) __attribute__((weak));

#ifdef __cplusplus
}
#endif
#endif
