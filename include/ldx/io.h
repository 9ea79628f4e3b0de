/* File-system calls: a tool answers what ldx asks of the file system, and, where it wants, what the program asks.
 *
 * Everything that ldx reads to load a program goes through a stack of providers: the program, its libraries, the
 * folders it searches, ld.so.cache, /etc/ld.so.preload, policies. With an empty stack these are plain system calls. A
 * provider has a function for each call that it wants to see; where it has none, the next provider below is asked
 * whose paths match, and at last the kernel. Once a provider has opened a file it is asked whatever concerns that
 * file, also after it was popped.
 *
 * Functions of a provider return a result >= 0, or a negative errno value; they don't touch errno. They run on
 * the thread that loads, inside a load: they may call anything but what loads into the namespace being loaded.
 * Whatever files a provider has ldx open from inside one of its functions, by ldx_io_next or by loading libraries of
 * its own, come from the providers below it.
 *
 * `struct stat` is the kernel's for x86-64, which glibc and musl share. */
#ifndef LDX_IO_H
#define LDX_IO_H

#include <ldx/tool.h>

#ifdef __cplusplus
extern "C" {
#endif

struct stat;

enum {
  /* Its descriptors are numbers of its own: the kernel never sees them. What it has no function for fails with
   * ENOSYS, but for close (nothing happens) and mmap (private memory is filled by pread). */
  LDX_IO_OWN_DESCRIPTORS = 1,
  /* Its mmap is also called for the zero-filled pages that belong to its files, with MAP_ANONYMOUS and fd -1. */
  LDX_IO_ZERO_FILL = 2,
};

/* One entry of a folder: `bytes` long, which is a multiple of 8. */
struct ldx_io_entry {
  uint64_t ino;
  uint16_t bytes;
  uint8_t type; /* DT_* of readdir(3) */
  char name[5]; /* NUL-terminated; as long as it takes */
};

struct ldx_io_provider {
  uint32_t size;
  uint32_t flags;
  int (*open)(void *ctx, const char *path, int flags, uint32_t mode);
  int (*close)(void *ctx, int fd);
  int64_t (*read)(void *ctx, int fd, void *buffer, size_t n);
  int64_t (*pread)(void *ctx, int fd, void *buffer, size_t n, int64_t offset); /* NULL: lseek and read do, if given */
  int64_t (*lseek)(void *ctx, int fd, int64_t offset, int whence);
  int (*fstat)(void *ctx, int fd, struct stat *st);
  int (*stat)(void *ctx, const char *path, struct stat *st, int flags); /* flags: 0 or AT_SYMLINK_NOFOLLOW */
  int64_t (*mmap)(void *ctx, void *addr, size_t n, int protection, int flags, int fd, int64_t offset);
  int (*munmap)(void *ctx, void *addr, size_t n); /* of what its mmap gave; NULL: the kernel's */
  int (*access)(void *ctx, const char *path, int mode);
  int64_t (*readlink)(void *ctx, const char *path, char *buffer, size_t n);
  /* Fills the buffer with entries of the folder, from number `from` on; returns bytes, 0 at the end. */
  int64_t (*list)(void *ctx, const char *path, uint64_t from, void *buffer, size_t n);
  /* Around each library that ldx looks for and maps: a chance to agree. `error` is 0 or why it failed on this side;
   * what end returns, if not 0, is why it fails (a negative errno value). */
  void (*begin)(void *ctx, const char *name);
  int (*end)(void *ctx, const char *name, int error);
};

/* What of the file system a provider is asked about. Patterns are separated by colons, * stands for any characters, ?
 * for one. A path is the absolute one; a pattern without wildcards means that file or folder and all below; one that
 * begins with ! takes away from what those before it have. */
struct ldx_io_scope {
  uint32_t size;
  const char *paths; /* NULL: all */
  /* Of the program's own calls (open, stat, fopen, ... of its libc) those whose paths match, and whose last component
   * matches one of these: "*.py:*.pyc"; that of a folder to be listed ends with a slash. NULL: none. It counts for
   * references bound from now on. The program gets copies in memory, with the file's size, permissions and times. */
  const char *files;
};

/* Puts a provider on top of the stack. Rules of the policy for a provider of the tool's name ("io") stand in for
 * `scope`. Table and texts are copied; functions, ctx must live until ldx_io_pop and all files are closed. Calls
 * under way on other threads end with what they began with. */
int ldx_io_push(ldx_tool *tool, const struct ldx_io_scope *scope, const struct ldx_io_provider *io, void *ctx);
/* Takes the tool's latest provider off (tool may be NULL: the latest that was pushed with NULL). -ENOENT: none. */
int ldx_io_pop(ldx_tool *tool);
/* The calls as ldx makes them; ctx is ignored. Inside a provider's function they go to those below it. */
const struct ldx_io_provider *ldx_io_next(void);

#ifdef __cplusplus
}
#endif
#endif
