/* Raw system calls: the result is the kernel's, -errno on failure. No libc wrapper is used, because those
 * write errno through the thread pointer, which belongs to the program. ldx_syscall is the CPU folder's. */
#ifndef LDX_BASE_SYS_H
#define LDX_BASE_SYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>

long ldx_syscall(long nr, long a, long b, long c, long d, long e, long f);

#define LDX_SYS(nr, a, b, c, d, e, f)                                                                                \
  ldx_syscall(nr, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

static inline bool ldx_sys_failed(long r) { return (unsigned long)r >= (unsigned long)-4095L; }

static inline long sys_open(const char *path, int flags) {
  return LDX_SYS(SYS_openat, -100 /* AT_FDCWD */, path, flags, 0, 0, 0);
}
static inline long sys_open_mode(const char *path, int flags, int mode) {
  return LDX_SYS(SYS_openat, -100, path, flags, mode, 0, 0);
}
static inline long sys_close(int fd) { return LDX_SYS(SYS_close, fd, 0, 0, 0, 0, 0); }
static inline long sys_read(int fd, void *buf, size_t n) { return LDX_SYS(SYS_read, fd, buf, n, 0, 0, 0); }
static inline long sys_pread(int fd, void *buf, size_t n, int64_t off) {
  return LDX_SYS(SYS_pread64, fd, buf, n, off, 0, 0);
}
static inline long sys_write(int fd, const void *buf, size_t n) { return LDX_SYS(SYS_write, fd, buf, n, 0, 0, 0); }
static inline long sys_fstat(int fd, struct stat *st) { return LDX_SYS(SYS_fstat, fd, st, 0, 0, 0, 0); }
static inline long sys_stat(const char *path, struct stat *st) { return LDX_SYS(SYS_stat, path, st, 0, 0, 0, 0); }
static inline long sys_access(const char *path, int mode) { return LDX_SYS(SYS_access, path, mode, 0, 0, 0, 0); }
static inline long sys_readlink(const char *path, char *buf, size_t n) {
  return LDX_SYS(SYS_readlink, path, buf, n, 0, 0, 0);
}
static inline long sys_getcwd(char *buf, size_t n) { return LDX_SYS(SYS_getcwd, buf, n, 0, 0, 0, 0); }
static inline long sys_mmap(void *addr, size_t n, int prot, int flags, int fd, int64_t off) {
  return LDX_SYS(SYS_mmap, addr, n, prot, flags, fd, off);
}
static inline long sys_munmap(void *addr, size_t n) { return LDX_SYS(SYS_munmap, addr, n, 0, 0, 0, 0); }
static inline long sys_mprotect(void *addr, size_t n, int prot) {
  return LDX_SYS(SYS_mprotect, addr, n, prot, 0, 0, 0);
}
static inline long sys_madvise(void *addr, size_t n, int advice) {
  return LDX_SYS(SYS_madvise, addr, n, advice, 0, 0, 0);
}
static inline long sys_getpid(void) { return LDX_SYS(SYS_getpid, 0, 0, 0, 0, 0, 0); }
static inline long sys_prctl(long op, long a, long b, long c, long d) {
  return LDX_SYS(SYS_prctl, op, a, b, c, d, 0);
}
static inline long sys_futex(void *word, int op, uint32_t val) { return LDX_SYS(SYS_futex, word, op, val, 0, 0, 0); }
_Noreturn static inline void sys_exit(int status) {
  for (;;)
    LDX_SYS(SYS_exit_group, status, 0, 0, 0, 0, 0);
}

#endif
