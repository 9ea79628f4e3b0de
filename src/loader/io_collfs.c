/* The two interfaces of include/ldx/collfs.h, as providers. Their functions follow libc's conventions. */
#include <errno.h>
#include <ldx/collfs.h>
#include <ldx/io.h>
#include <sys/mman.h>

#include "loader/io.h"
#include "loader/load.h"

#undef stat64 /* another name of stat to this libc */
enum { STAT_VERSION = 1 };
#define API ((const struct libc_collfs_api *)ctx)

static long guest_errno(void) {
  const struct ldx_object *libc = ldx_self.base.libc ? ldx_self.base.libc : ldx_self.musl.libc;
  uintptr_t f = libc ? ldx_address_of(libc, "__errno_location") : 0;
  int e = f ? *((int *(*)(void))f)() : 0;
  return e > 0 ? -e : -EIO;
}
static long result(long r) { return r == -1 ? guest_errno() : r; }

/* An empty slot is what comes next. */
static int c_open(void *ctx, const char *path, int flags, uint32_t mode) {
  return API->open ? (int)result(API->open(path, flags, mode)) : ldx_io_next()->open(NULL, path, flags, mode);
}
static int c_close(void *ctx, int fd) {
  return API->close ? (int)result(API->close(fd)) : ldx_io_next()->close(NULL, fd);
}
static int64_t c_read(void *ctx, int fd, void *buffer, size_t n) {
  return API->read ? result(API->read(fd, buffer, n)) : ldx_io_next()->read(NULL, fd, buffer, n);
}
static int64_t c_lseek(void *ctx, int fd, int64_t offset, int whence) {
  return API->lseek ? result(API->lseek(fd, offset, whence)) : ldx_io_next()->lseek(NULL, fd, offset, whence);
}
static int c_fstat(void *ctx, int fd, struct stat *st) {
  return API->fxstat64 ? (int)result(API->fxstat64(STAT_VERSION, fd, (struct stat64 *)st))
                       : ldx_io_next()->fstat(NULL, fd, st);
}
static int c_stat(void *ctx, const char *path, struct stat *st, int flags) {
  return API->xstat64 && !flags ? (int)result(API->xstat64(STAT_VERSION, path, (struct stat64 *)st))
                                : ldx_io_next()->stat(NULL, path, st, flags);
}
static int64_t c_mmap(void *ctx, void *addr, size_t n, int protection, int flags, int fd, int64_t offset) {
  return API->mmap ? result((long)API->mmap(addr, n, protection, flags, fd, offset))
                   : ldx_io_next()->mmap(NULL, addr, n, protection, flags, fd, offset);
}
static int c_munmap(void *ctx, void *addr, size_t n) {
  return API->munmap ? (int)result(API->munmap(addr, n)) : ldx_io_next()->munmap(NULL, addr, n);
}

static const struct ldx_io_provider provider = {
    .size = sizeof provider,
    .flags = LDX_IO_ZERO_FILL,
    .open = c_open,
    .close = c_close,
    .read = c_read,
    .lseek = c_lseek,
    .fstat = c_fstat,
    .stat = c_stat,
    .mmap = c_mmap,
    .munmap = c_munmap,
};

/* What their functions build on. */
static int u_fxstat64(int version, int fd, struct stat64 *st) {
  return (int)ldx_as_libc(ldx_io_next()->fstat(NULL, fd, (struct stat *)st));
}
static int u_xstat64(int version, const char *path, struct stat64 *st) {
  return (int)ldx_as_libc(ldx_io_next()->stat(NULL, path, (struct stat *)st, 0));
}
static int u_open(const char *path, int flags, mode_t mode) {
  return (int)ldx_as_libc(ldx_io_next()->open(NULL, path, flags, mode));
}
static int u_close(int fd) { return (int)ldx_as_libc(ldx_io_next()->close(NULL, fd)); }
static ssize_t u_read(int fd, void *buffer, size_t n) {
  return ldx_as_libc(ldx_io_next()->read(NULL, fd, buffer, n));
}
static off_t u_lseek(int fd, off_t offset, int whence) {
  return ldx_as_libc(ldx_io_next()->lseek(NULL, fd, offset, whence));
}
static void *u_mmap(void *addr, size_t n, int protection, int flags, int fd, off_t offset) {
  return (void *)ldx_as_libc(ldx_io_next()->mmap(NULL, addr, n, protection, flags, fd, offset));
}
static int u_munmap(void *addr, size_t n) { return (int)ldx_as_libc(ldx_io_next()->munmap(NULL, addr, n)); }

/* Whose they are: ldx_io_pop takes the latest of the same. */
#define OWNER ((ldx_tool *)&ldx_self.collfs)

int ldx_collfs_initialize(void *debug, const struct libc_collfs_api *api, struct libc_collfs_api *unwrap) {
  struct libc_collfs_api *kept = ldx_new(sizeof *kept); /* stays: files may be open when it is popped */
  long r = kept && api ? 0 : api ? -ENOMEM : -EINVAL;
  if (!r) {
    *kept = *api;
    r = ldx_io_push(OWNER, NULL, &provider, kept);
  }
  if (r)
    ldx_delete(kept);
  else if (unwrap)
    *unwrap = (struct libc_collfs_api){u_fxstat64, u_xstat64, u_open, u_close, u_read, u_lseek, u_mmap, u_munmap};
  return (int)ldx_as_libc(r);
}

int ldx_collfs_finalize(void) { return (int)ldx_as_libc(ldx_io_pop(OWNER)); }

void *ldx_collfs_table(void) {
  _Static_assert(sizeof ldx_self.collfs == sizeof(struct libc_collfs_slots), "eight slots");
  ldx_rlock_enter(&ldx_self.lock);
  if (!ldx_self.collfs_pushed)
    ldx_self.collfs_pushed = !ldx_io_push((ldx_tool *)&ldx_self.collfs_pushed, NULL, &provider, ldx_self.collfs);
  ldx_rlock_leave(&ldx_self.lock);
  return &ldx_self.collfs;
}
