/* The file system as the loader sees it: system calls, or a stack of providers (include/ldx/io.h).
 *
 * Results are as in sys.h. With an empty stack a call costs one predictable test more. What a provider opened is
 * known by a number of ldx's own, from LDX_IO_FIRST on, so that providers may make up descriptors as they like, and
 * the kernel never sees them. Threads: safe. */
#ifndef LDX_BASE_IO_H
#define LDX_BASE_IO_H

#include <ldx/io.h>

#include "base/fds.h"
#include "base/heap.h"
#include "base/lock.h"
#include "base/sys.h"

enum { LDX_IO_FIRST = 1 << 29 };

/* A provider, pushed. Freed when it was popped and nothing refers to it. */
struct ldx_io_layer {
  struct ldx_io_layer *next; /* below; kept while this one lives */
  uint32_t refs;
  bool popped;
  struct ldx_tool *tool;
  char *paths, *files;
  struct ldx_io_provider io;
  void *ctx;
};

struct ldx_io_file {
  struct ldx_io_layer *layer; /* NULL: free */
  char *path;
  int fd; /* what the layer calls it */
};

struct ldx_io_mapping {
  struct ldx_io_mapping *next;
  struct ldx_io_layer *layer;
  uintptr_t start, end;
};

/* A call into a provider, on the stack of its thread. */
struct ldx_io_call {
  struct ldx_io_call *next;
  struct ldx_io_layer *layer;
  uintptr_t thread;
};

struct ldx_io {
  struct ldx_io_layer *top; /* NULL: plain system calls */
  struct ldx_heap *heap;
  struct ldx_rlock lock; /* of all lists; not held in calls */
  struct ldx_io_file *files;
  size_t file_room;
  struct ldx_io_mapping *mappings;
  struct ldx_io_call *calls;
  uint32_t program_layers; /* that want the program's own calls */
};

/* io.c: the same by the stack. */
long ldx_io_open(struct ldx_io *io, const char *path, int flags, uint32_t mode);
long ldx_io_close(struct ldx_io *io, int fd);
long ldx_io_read(struct ldx_io *io, int fd, void *buf, size_t n);
long ldx_io_pread(struct ldx_io *io, int fd, void *buf, size_t n, int64_t off);
long ldx_io_lseek(struct ldx_io *io, int fd, int64_t off, int whence);
long ldx_io_fstat(struct ldx_io *io, int fd, struct stat *st);
long ldx_io_stat(struct ldx_io *io, const char *path, struct stat *st, int flags);
long ldx_io_access(struct ldx_io *io, const char *path, int mode);
long ldx_io_readlink(struct ldx_io *io, const char *path, char *buf, size_t n);
long ldx_io_mmap(struct ldx_io *io, void *addr, size_t n, int prot, int flags, int fd, int64_t off);
long ldx_io_munmap(struct ldx_io *io, void *addr, size_t n);
/* Entries of a folder as a provider tells them; -ENOSYS: none does. */
long ldx_io_list(struct ldx_io *io, const char *path, uint64_t from, void *buf, size_t n);

static inline bool io_is_plain(const struct ldx_io *io) {
  return __builtin_expect(!io || !__atomic_load_n(&io->top, __ATOMIC_RELAXED), 1);
}
static inline bool io_is_kernels(int fd) { return __builtin_expect(fd < LDX_IO_FIRST, 1); }

static inline long io_open(struct ldx_io *io, const char *path, int flags) {
  return io_is_plain(io) ? sys_open(path, flags) : ldx_io_open(io, path, flags, 0);
}
static inline long io_close(struct ldx_io *io, int fd) {
  return io_is_kernels(fd) ? sys_close(fd) : ldx_io_close(io, fd);
}
/* By the next flush of the batch at the latest. */
static inline void io_close_later(struct ldx_io *io, struct ldx_fd_batch *b, int fd) {
  if (io_is_kernels(fd))
    ldx_close_later(b, fd);
  else
    ldx_io_close(io, fd);
}
static inline long io_read(struct ldx_io *io, int fd, void *buf, size_t n) {
  return io_is_kernels(fd) ? sys_read(fd, buf, n) : ldx_io_read(io, fd, buf, n);
}
static inline long io_pread(struct ldx_io *io, int fd, void *buf, size_t n, int64_t off) {
  return io_is_kernels(fd) ? sys_pread(fd, buf, n, off) : ldx_io_pread(io, fd, buf, n, off);
}
static inline long io_fstat(struct ldx_io *io, int fd, struct stat *st) {
  return io_is_kernels(fd) ? sys_fstat(fd, st) : ldx_io_fstat(io, fd, st);
}
static inline long io_stat(struct ldx_io *io, const char *path, struct stat *st) {
  return io_is_plain(io) ? sys_stat(path, st) : ldx_io_stat(io, path, st, 0);
}
static inline long io_access(struct ldx_io *io, const char *path, int mode) {
  return io_is_plain(io) ? sys_access(path, mode) : ldx_io_access(io, path, mode);
}
static inline long io_readlink(struct ldx_io *io, const char *path, char *buf, size_t n) {
  return io_is_plain(io) ? sys_readlink(path, buf, n) : ldx_io_readlink(io, path, buf, n);
}
/* With MAP_ANONYMOUS: zero-filled pages that belong to the file. */
static inline long io_mmap(struct ldx_io *io, void *addr, size_t n, int prot, int flags, int fd, int64_t off) {
  if (!io_is_kernels(fd))
    return ldx_io_mmap(io, addr, n, prot, flags, fd, off);
  return sys_mmap(addr, n, prot, flags, flags & 0x20 /* MAP_ANONYMOUS */ ? -1 : fd, off);
}
static inline long io_munmap(struct ldx_io *io, void *addr, size_t n) {
  bool plain = !io || !__atomic_load_n(&io->mappings, __ATOMIC_RELAXED);
  return __builtin_expect(plain, 1) ? sys_munmap(addr, n) : ldx_io_munmap(io, addr, n);
}

/* The absolute path of a file that a provider opened; NULL: it is the kernel's. Valid while it is open. */
const char *ldx_io_path(const struct ldx_io *io, int fd);

/* Whether the program's own call with this path is a provider's: by the last component, as that of a folder ("x/"),
 * or whatever it is. */
enum ldx_io_wanted { LDX_IO_FILE, LDX_IO_FOLDER, LDX_IO_ANY };
bool ldx_io_wants(struct ldx_io *io, const char *path, enum ldx_io_wanted what);

/* A library is looked for; and was mapped, or failed: 0 or the (positive) errno value that all agree on. */
void ldx_io_begin(struct ldx_io *io, const char *name);
int ldx_io_end(struct ldx_io *io, const char *name, int error);

long ldx_io_add(struct ldx_io *io, struct ldx_tool *tool, const struct ldx_io_scope *scope,
                const struct ldx_io_provider *p, void *ctx);
long ldx_io_remove(struct ldx_io *io, struct ldx_tool *tool);
/* In the child: the calls of threads that are not there have ended. */
void ldx_io_after_fork(struct ldx_io *io);

#endif
