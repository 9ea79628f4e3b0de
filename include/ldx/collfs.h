/* The interface of a C library patched for collective file access, as ldx offers it: its users run unchanged.
 *
 * There are two ways in. The table _dl_collfs_api is filled slot by slot; an empty slot is the usual call. Or
 * libc_collfs_initialize takes a whole table, and gives the calls that its functions are to build on; calls nest, and
 * libc_collfs_finalize undoes the latest. Functions follow libc's conventions: -1 (MAP_FAILED) and errno. They see
 * what ldx does from then on, in all threads. See ldx/io.h for what can be said in more detail. */
#ifndef LDX_COLLFS_H
#define LDX_COLLFS_H

#include <stddef.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct stat64;

/* Slots without types, in this order: fxstat64, xstat64, open, close, read, lseek, mmap, munmap. */
typedef void (*libc_collfs_slot)(void);
struct libc_collfs_slots {
  libc_collfs_slot fxstat64, xstat64, open, close, read, lseek, mmap, munmap;
};
extern struct libc_collfs_slots _dl_collfs_api __attribute__((weak));

struct libc_collfs_api {
  int (*fxstat64)(int version, int fd, struct stat64 *st);
  int (*xstat64)(int version, const char *path, struct stat64 *st);
  int (*open)(const char *path, int flags, mode_t mode);
  int (*close)(int fd);
  ssize_t (*read)(int fd, void *buffer, size_t n);
  off_t (*lseek)(int fd, off_t offset, int whence);
  void *(*mmap)(void *addr, size_t n, int protection, int flags, int fd, off_t offset);
  int (*munmap)(void *addr, size_t n);
};

/* 0, or -1 with errno. `debug_vprintf` is taken for the sake of its place, and not called. `unwrap` may be NULL. */
int libc_collfs_initialize(void *debug_vprintf, const struct libc_collfs_api *api, struct libc_collfs_api *unwrap)
    __attribute__((weak));
int libc_collfs_finalize(void) __attribute__((weak));

#ifdef __cplusplus
}
#endif
#endif
