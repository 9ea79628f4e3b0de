#include "loader/exe.h"

#include <string.h>

#include "base/sys.h"
#include "loader/context.h"

enum wrapped {
  READLINK,
  READLINKAT,
  READLINK_CHK,
  READLINKAT_CHK,
  REALPATH,
  REALPATH_CHK,
  CANONICALIZE,
  OPEN,
  OPEN64,
  OPENAT,
  OPENAT64,
  FOPEN,
  FOPEN64,
  STAT,
  STAT64,
  FSTATAT,
  FSTATAT64,
  XSTAT, /* of programs built before glibc 2.33 */
  XSTAT64,
  FXSTATAT,
  FXSTATAT64,
  ACCESS,
  EXECVE,
  EXECV,
  POSIX_SPAWN,
};
_Static_assert(POSIX_SPAWN + 1 == LDX_EXE_WRAPPERS, "one wrapper a name");

#define REAL(i, ...) ((long (*)(__VA_ARGS__))ldx_self.exe_real[i])

static bool digits_are_pid(const char *p, size_t n) {
  long pid = 0;
  for (size_t i = 0; i < n; i++) {
    if (p[i] < '0' || p[i] > '9' || pid > 1 << 24)
      return false;
    pid = pid * 10 + (p[i] - '0');
  }
  return n && pid == sys_getpid();
}

static bool is_exe_link(const char *path) {
  if (!path || strncmp(path, "/proc/", 6) || !ldx_self.exe_path)
    return false;
  const char *who = path + 6, *slash = strchr(who, '/');
  if (!slash || strcmp(slash, "/exe"))
    return false;
  size_t n = (size_t)(slash - who);
  return (n == 4 && !memcmp(who, "self", 4)) || (n == 11 && !memcmp(who, "thread-self", 11)) ||
         digits_are_pid(who, n);
}

const char *ldx_follow_exe(const char *path) { return is_exe_link(path) ? ldx_self.exe_path : path; }

static long copy_link(char *buf, size_t size) {
  size_t n = strlen(ldx_self.exe_path);
  n = n < size ? n : size;
  memcpy(buf, ldx_self.exe_path, n);
  return (long)n;
}

static long w_readlink(const char *p, char *buf, size_t n) {
  return is_exe_link(p) && n ? copy_link(buf, n) : REAL(READLINK, const char *, char *, size_t)(p, buf, n);
}
static long w_readlinkat(int fd, const char *p, char *buf, size_t n) {
  return is_exe_link(p) && n ? copy_link(buf, n) : REAL(READLINKAT, int, const char *, char *, size_t)(fd, p, buf, n);
}
static long w_readlink_chk(const char *p, char *buf, size_t n, size_t room) {
  return is_exe_link(p) && n && n <= room ? copy_link(buf, n)
                                          : REAL(READLINK_CHK, const char *, char *, size_t, size_t)(p, buf, n, room);
}
static long w_readlinkat_chk(int fd, const char *p, char *buf, size_t n, size_t room) {
  return is_exe_link(p) && n && n <= room
             ? copy_link(buf, n)
             : REAL(READLINKAT_CHK, int, const char *, char *, size_t, size_t)(fd, p, buf, n, room);
}
static long w_realpath(const char *p, char *buf) {
  return REAL(REALPATH, const char *, char *)(ldx_follow_exe(p), buf);
}
static long w_realpath_chk(const char *p, char *buf, size_t room) {
  return REAL(REALPATH_CHK, const char *, char *, size_t)(ldx_follow_exe(p), buf, room);
}
static long w_canonicalize(const char *p) { return REAL(CANONICALIZE, const char *)(ldx_follow_exe(p)); }
static int w_open(const char *p, int flags, int mode) {
  return (int)REAL(OPEN, const char *, int, int)(ldx_follow_exe(p), flags, mode);
}
static int w_open64(const char *p, int flags, int mode) {
  return (int)REAL(OPEN64, const char *, int, int)(ldx_follow_exe(p), flags, mode);
}
static int w_openat(int fd, const char *p, int flags, int mode) {
  return (int)REAL(OPENAT, int, const char *, int, int)(fd, ldx_follow_exe(p), flags, mode);
}
static int w_openat64(int fd, const char *p, int flags, int mode) {
  return (int)REAL(OPENAT64, int, const char *, int, int)(fd, ldx_follow_exe(p), flags, mode);
}
static long w_fopen(const char *p, const char *mode) {
  return REAL(FOPEN, const char *, const char *)(ldx_follow_exe(p), mode);
}
static long w_fopen64(const char *p, const char *mode) {
  return REAL(FOPEN64, const char *, const char *)(ldx_follow_exe(p), mode);
}
static int w_stat(const char *p, void *st) { return (int)REAL(STAT, const char *, void *)(ldx_follow_exe(p), st); }
static int w_stat64(const char *p, void *st) {
  return (int)REAL(STAT64, const char *, void *)(ldx_follow_exe(p), st);
}
static int w_fstatat(int fd, const char *p, void *st, int flags) {
  return (int)REAL(FSTATAT, int, const char *, void *, int)(fd, flags & 0x100 ? p : ldx_follow_exe(p), st, flags);
}
static int w_fstatat64(int fd, const char *p, void *st, int flags) {
  return (int)REAL(FSTATAT64, int, const char *, void *, int)(fd, flags & 0x100 ? p : ldx_follow_exe(p), st, flags);
}
static int w_xstat(int v, const char *p, void *st) {
  return (int)REAL(XSTAT, int, const char *, void *)(v, ldx_follow_exe(p), st);
}
static int w_xstat64(int v, const char *p, void *st) {
  return (int)REAL(XSTAT64, int, const char *, void *)(v, ldx_follow_exe(p), st);
}
static int w_fxstatat(int v, int fd, const char *p, void *st, int flags) {
  return (int)REAL(FXSTATAT, int, int, const char *, void *, int)(v, fd, flags & 0x100 ? p : ldx_follow_exe(p), st,
                                                                  flags);
}
static int w_fxstatat64(int v, int fd, const char *p, void *st, int flags) {
  return (int)REAL(FXSTATAT64, int, int, const char *, void *, int)(v, fd, flags & 0x100 ? p : ldx_follow_exe(p), st,
                                                                    flags);
}
static int w_access(const char *p, int mode) { return (int)REAL(ACCESS, const char *, int)(ldx_follow_exe(p), mode); }
static int w_execve(const char *p, char *const *argv, char *const *envp) {
  return (int)REAL(EXECVE, const char *, char *const *, char *const *)(ldx_follow_exe(p), argv, envp);
}
static int w_execv(const char *p, char *const *argv) {
  return (int)REAL(EXECV, const char *, char *const *)(ldx_follow_exe(p), argv);
}
static int w_posix_spawn(void *pid, const char *p, const void *fa, const void *attr, char *const *argv,
                         char *const *envp) {
  return (int)REAL(POSIX_SPAWN, void *, const char *, const void *, const void *, char *const *,
                   char *const *)(pid, ldx_follow_exe(p), fa, attr, argv, envp);
}

static const struct {
  const char *name;
  const void *function;
} wrappers[LDX_EXE_WRAPPERS] = {
    [READLINK] = {"readlink", w_readlink},
    [READLINKAT] = {"readlinkat", w_readlinkat},
    [READLINK_CHK] = {"__readlink_chk", w_readlink_chk},
    [READLINKAT_CHK] = {"__readlinkat_chk", w_readlinkat_chk},
    [REALPATH] = {"realpath", w_realpath},
    [REALPATH_CHK] = {"__realpath_chk", w_realpath_chk},
    [CANONICALIZE] = {"canonicalize_file_name", w_canonicalize},
    [OPEN] = {"open", w_open},
    [OPEN64] = {"open64", w_open64},
    [OPENAT] = {"openat", w_openat},
    [OPENAT64] = {"openat64", w_openat64},
    [FOPEN] = {"fopen", w_fopen},
    [FOPEN64] = {"fopen64", w_fopen64},
    [STAT] = {"stat", w_stat},
    [STAT64] = {"stat64", w_stat64},
    [FSTATAT] = {"fstatat", w_fstatat},
    [FSTATAT64] = {"fstatat64", w_fstatat64},
    [XSTAT] = {"__xstat", w_xstat},
    [XSTAT64] = {"__xstat64", w_xstat64},
    [FXSTATAT] = {"__fxstatat", w_fxstatat},
    [FXSTATAT64] = {"__fxstatat64", w_fxstatat64},
    [ACCESS] = {"access", w_access},
    [EXECVE] = {"execve", w_execve},
    [EXECV] = {"execv", w_execv},
    [POSIX_SPAWN] = {"posix_spawn", w_posix_spawn},
};

#define LETTERS(a, b) (1ull << (((a)*7 + (b)) % 64))
/* The first two letters of all names in the table: few others of libc's begin like these. */
static bool may_be_wrapped(const char *name) {
  static const uint64_t known = LETTERS('r', 'e') | LETTERS('_', '_') | LETTERS('c', 'a') | LETTERS('o', 'p') |
                                LETTERS('f', 'o') | LETTERS('s', 't') | LETTERS('f', 's') | LETTERS('a', 'c') |
                                LETTERS('e', 'x') | LETTERS('p', 'o');
  return name[0] && (known & LETTERS((unsigned char)name[0], (unsigned char)name[1]));
}

uintptr_t ldx_exe_wrapper(const char *name, uintptr_t real) {
  if (!may_be_wrapped(name))
    return 0;
  for (unsigned i = 0; i < LDX_EXE_WRAPPERS; i++)
    if (!strcmp(wrappers[i].name, name)) {
      __atomic_store_n(&ldx_self.exe_real[i], real, __ATOMIC_RELEASE);
      return (uintptr_t)wrappers[i].function;
    }
  return 0;
}
