/* Providers of file-system calls, where the program meets them (include/ldx/{io,collfs,spindle}.h). */
#ifndef LDX_LOADER_IO_H
#define LDX_LOADER_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loader/context.h"

struct stat;

/* A function or table for programs and tools, by its name; 0: none. */
uintptr_t ldx_io_function(const char *name);

/* io_program.c: the program's own calls. All return a negative errno value on failure. */
/* Whether some provider wants them: to be asked when a reference to such a function is bound. */
static inline bool ldx_io_wraps_program(void) {
  return __atomic_load_n(&ldx_self.io.program_layers, __ATOMIC_RELAXED);
}
/* Whether this call of the calling thread is a provider's. */
bool ldx_program_wants(const char *path);
bool ldx_program_wants_folder(const char *path);
bool ldx_program_wants_open(const char *path, int flags);
/* A real descriptor with the file's bytes. */
long ldx_program_open(const char *path, int flags);
/* The path that execve is given for a program that a provider holds; `buf` is for it. NULL: see *error. */
const char *ldx_program_image(const char *path, char buf[32], long *error);
/* The same for libc's streams: NULL and errno. */
void *ldx_program_fopen(const char *path, const char *mode);
/* Sets the program's errno; -1. */
long ldx_fail_libc(long negative_errno);
static inline long ldx_as_libc(long r) { return (unsigned long)r >= -4095UL ? ldx_fail_libc(r) : r; }

/* io_folder.c: folders as providers list them. NULL: not one of ours. */
struct ldx_folder;
struct ldx_folder *ldx_folder_open(const char *path, long *error);
struct ldx_folder *ldx_folder(void *dir);
void *ldx_folder_read(struct ldx_folder *f);
void ldx_folder_rewind(struct ldx_folder *f);
void ldx_folder_close(struct ldx_folder *f);

/* io_spindle.c, io_collfs.c */
int ldx_spindle_open(const char *path, int flags, int mode);
int ldx_spindle_stat(const char *path, struct stat *st);
int ldx_spindle_lstat(const char *path, struct stat *st);
void *ldx_spindle_fopen(const char *path, const char *mode);
void ldx_spindle_enable(void);
void ldx_spindle_disable(void);
int ldx_spindle_is_enabled(void);
int ldx_spindle_is_present(void);

struct libc_collfs_api;
int ldx_collfs_initialize(void *debug, const struct libc_collfs_api *api, struct libc_collfs_api *unwrap);
int ldx_collfs_finalize(void);
/* The table of slots; who asks for it is listened to from now on. */
void *ldx_collfs_table(void);

#endif
