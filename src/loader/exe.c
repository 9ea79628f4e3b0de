#include "loader/exe.h"

#include <fcntl.h>
#include <string.h>

#include "base/sys.h"
#include "loader/context.h"
#include "loader/io.h"

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
  LSTAT, /* from here on for providers only */
  LSTAT64,
  LXSTAT,
  LXSTAT64,
  OPENDIR,
  READDIR,
  READDIR64,
  REWINDDIR,
  CLOSEDIR,
  EXECVP,
  VFORK,
};
_Static_assert(VFORK + 1 == LDX_EXE_WRAPPERS, "one wrapper a name");

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

/* A path relative to a folder's descriptor is not for providers. */
static bool at_wants(int fd, const char *p) { return (fd == AT_FDCWD || (p && *p == '/')) && ldx_program_wants(p); }
static bool stream_wants(const char *p, const char *mode) {
  return mode && mode[0] == 'r' && !strchr(mode, '+') && ldx_program_wants(p);
}
static int provided_stat(const char *p, void *st, int flags) {
  return (int)ldx_as_libc(ldx_io_stat(&ldx_self.io, p, st, flags));
}
static int provided_open(const char *p, int flags) { return (int)ldx_as_libc(ldx_program_open(p, flags)); }
static long provided_link(const char *p, char *buf, size_t n) {
  return ldx_as_libc(io_readlink(&ldx_self.io, p, buf, n));
}

const char *ldx_follow_exe(const char *path) { return is_exe_link(path) ? ldx_self.exe_path : path; }

static long copy_link(char *buf, size_t size) {
  size_t n = strlen(ldx_self.exe_path);
  n = n < size ? n : size;
  memcpy(buf, ldx_self.exe_path, n);
  return (long)n;
}

static long w_readlink(const char *p, char *buf, size_t n) {
  if (ldx_program_wants(p))
    return provided_link(p, buf, n);
  return is_exe_link(p) && n ? copy_link(buf, n) : REAL(READLINK, const char *, char *, size_t)(p, buf, n);
}
static long w_readlinkat(int fd, const char *p, char *buf, size_t n) {
  if (at_wants(fd, p))
    return provided_link(p, buf, n);
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
  if (ldx_program_wants_open(p, flags))
    return provided_open(p, flags);
  return (int)REAL(OPEN, const char *, int, int)(ldx_follow_exe(p), flags, mode);
}
static int w_open64(const char *p, int flags, int mode) {
  if (ldx_program_wants_open(p, flags))
    return provided_open(p, flags);
  return (int)REAL(OPEN64, const char *, int, int)(ldx_follow_exe(p), flags, mode);
}
static int w_openat(int fd, const char *p, int flags, int mode) {
  if (at_wants(fd, p) && ldx_program_wants_open(p, flags))
    return provided_open(p, flags);
  return (int)REAL(OPENAT, int, const char *, int, int)(fd, ldx_follow_exe(p), flags, mode);
}
static int w_openat64(int fd, const char *p, int flags, int mode) {
  if (at_wants(fd, p) && ldx_program_wants_open(p, flags))
    return provided_open(p, flags);
  return (int)REAL(OPENAT64, int, const char *, int, int)(fd, ldx_follow_exe(p), flags, mode);
}
static long w_fopen(const char *p, const char *mode) {
  if (stream_wants(p, mode))
    return (long)ldx_program_fopen(p, mode);
  return REAL(FOPEN, const char *, const char *)(ldx_follow_exe(p), mode);
}
static long w_fopen64(const char *p, const char *mode) {
  if (stream_wants(p, mode))
    return (long)ldx_program_fopen(p, mode);
  return REAL(FOPEN64, const char *, const char *)(ldx_follow_exe(p), mode);
}
static int w_stat(const char *p, void *st) {
  if (ldx_program_wants(p))
    return provided_stat(p, st, 0);
  return (int)REAL(STAT, const char *, void *)(ldx_follow_exe(p), st);
}
static int w_stat64(const char *p, void *st) {
  if (ldx_program_wants(p))
    return provided_stat(p, st, 0);
  return (int)REAL(STAT64, const char *, void *)(ldx_follow_exe(p), st);
}
static int w_fstatat(int fd, const char *p, void *st, int flags) {
  if (at_wants(fd, p))
    return provided_stat(p, st, flags & AT_SYMLINK_NOFOLLOW);
  return (int)REAL(FSTATAT, int, const char *, void *, int)(fd, flags & 0x100 ? p : ldx_follow_exe(p), st, flags);
}
static int w_fstatat64(int fd, const char *p, void *st, int flags) {
  if (at_wants(fd, p))
    return provided_stat(p, st, flags & AT_SYMLINK_NOFOLLOW);
  return (int)REAL(FSTATAT64, int, const char *, void *, int)(fd, flags & 0x100 ? p : ldx_follow_exe(p), st, flags);
}
static int w_xstat(int v, const char *p, void *st) {
  if (ldx_program_wants(p))
    return provided_stat(p, st, 0);
  return (int)REAL(XSTAT, int, const char *, void *)(v, ldx_follow_exe(p), st);
}
static int w_xstat64(int v, const char *p, void *st) {
  if (ldx_program_wants(p))
    return provided_stat(p, st, 0);
  return (int)REAL(XSTAT64, int, const char *, void *)(v, ldx_follow_exe(p), st);
}
static int w_fxstatat(int v, int fd, const char *p, void *st, int flags) {
  if (at_wants(fd, p))
    return provided_stat(p, st, flags & AT_SYMLINK_NOFOLLOW);
  return (int)REAL(FXSTATAT, int, int, const char *, void *, int)(v, fd, flags & 0x100 ? p : ldx_follow_exe(p), st,
                                                                  flags);
}
static int w_fxstatat64(int v, int fd, const char *p, void *st, int flags) {
  if (at_wants(fd, p))
    return provided_stat(p, st, flags & AT_SYMLINK_NOFOLLOW);
  return (int)REAL(FXSTATAT64, int, int, const char *, void *, int)(v, fd, flags & 0x100 ? p : ldx_follow_exe(p), st,
                                                                    flags);
}
static int w_access(const char *p, int mode) {
  if (ldx_program_wants(p))
    return (int)ldx_as_libc(io_access(&ldx_self.io, p, mode));
  return (int)REAL(ACCESS, const char *, int)(ldx_follow_exe(p), mode);
}
/* Where the program to be run lies: a copy in memory, when a provider has it. */
static const char *image_of(const char *p, char buf[32], long *error) {
  *error = 0;
  return ldx_program_wants(p) ? ldx_program_image(p, buf, error) : ldx_follow_exe(p);
}
static int w_execve(const char *p, char *const *argv, char *const *envp) {
  char buf[32];
  long error;
  const char *image = image_of(p, buf, &error);
  return image ? (int)REAL(EXECVE, const char *, char *const *, char *const *)(image, argv, envp)
               : (int)ldx_fail_libc(error);
}
static int w_execv(const char *p, char *const *argv) {
  char buf[32];
  long error;
  const char *image = image_of(p, buf, &error);
  return image ? (int)REAL(EXECV, const char *, char *const *)(image, argv) : (int)ldx_fail_libc(error);
}
/* PATH is searched by libc. */
static int w_execvp(const char *p, char *const *argv) {
  char buf[32];
  long error = -14; /* EFAULT: no path at all */
  const char *image = p && strchr(p, '/') ? image_of(p, buf, &error) : p;
  return image ? (int)REAL(EXECVP, const char *, char *const *)(image, argv) : (int)ldx_fail_libc(error);
}
static int w_posix_spawn(void *pid, const char *p, const void *fa, const void *attr, char *const *argv,
                         char *const *envp) {
  return (int)REAL(POSIX_SPAWN, void *, const char *, const void *, const void *, char *const *,
                   char *const *)(pid, ldx_follow_exe(p), fa, attr, argv, envp);
}

static int w_lstat(const char *p, void *st) {
  return ldx_program_wants(p) ? provided_stat(p, st, AT_SYMLINK_NOFOLLOW)
                              : (int)REAL(LSTAT, const char *, void *)(p, st);
}
static int w_lstat64(const char *p, void *st) {
  return ldx_program_wants(p) ? provided_stat(p, st, AT_SYMLINK_NOFOLLOW)
                              : (int)REAL(LSTAT64, const char *, void *)(p, st);
}
static int w_lxstat(int v, const char *p, void *st) {
  return ldx_program_wants(p) ? provided_stat(p, st, AT_SYMLINK_NOFOLLOW)
                              : (int)REAL(LXSTAT, int, const char *, void *)(v, p, st);
}
static int w_lxstat64(int v, const char *p, void *st) {
  return ldx_program_wants(p) ? provided_stat(p, st, AT_SYMLINK_NOFOLLOW)
                              : (int)REAL(LXSTAT64, int, const char *, void *)(v, p, st);
}
static void *w_opendir(const char *p) {
  long error = -38 /* ENOSYS: the kernel's */;
  void *f = ldx_program_wants_folder(p) ? ldx_folder_open(p, &error) : NULL;
  if (f || error == -38)
    return f ? f : (void *)REAL(OPENDIR, const char *)(p);
  ldx_fail_libc(error);
  return NULL;
}
static void *w_readdir(void *d) {
  struct ldx_folder *f = ldx_folder(d);
  return f ? ldx_folder_read(f) : (void *)REAL(READDIR, void *)(d);
}
static void *w_readdir64(void *d) {
  struct ldx_folder *f = ldx_folder(d);
  return f ? ldx_folder_read(f) : (void *)REAL(READDIR64, void *)(d);
}
static void w_rewinddir(void *d) {
  struct ldx_folder *f = ldx_folder(d);
  f ? ldx_folder_rewind(f) : (void)REAL(REWINDDIR, void *)(d);
}
static int w_closedir(void *d) {
  struct ldx_folder *f = ldx_folder(d);
  if (!f)
    return (int)REAL(CLOSEDIR, void *)(d);
  ldx_folder_close(f);
  return 0;
}
/* A wrapper returns once: the child gets a process of its own, in which exec may be answered by a provider. */
static int w_vfork(void) {
  uintptr_t fork = ldx_self.base.libc ? ldx_address_of(ldx_self.base.libc, "fork") : 0;
  return fork ? ((int (*)(void))fork)() : (int)ldx_fail_libc(-38);
}

/* Names and functions stand apart: the names need no work at start. */
#define WRAPPERS(X)                                                                                                  \
  X(READLINK, "readlink", w_readlink)                                                                                \
  X(READLINKAT, "readlinkat", w_readlinkat)                                                                          \
  X(READLINK_CHK, "__readlink_chk", w_readlink_chk)                                                                  \
  X(READLINKAT_CHK, "__readlinkat_chk", w_readlinkat_chk)                                                            \
  X(REALPATH, "realpath", w_realpath)                                                                                \
  X(REALPATH_CHK, "__realpath_chk", w_realpath_chk)                                                                  \
  X(CANONICALIZE, "canonicalize_file_name", w_canonicalize)                                                          \
  X(OPEN, "open", w_open)                                                                                            \
  X(OPEN64, "open64", w_open64)                                                                                      \
  X(OPENAT, "openat", w_openat)                                                                                      \
  X(OPENAT64, "openat64", w_openat64)                                                                                \
  X(FOPEN, "fopen", w_fopen)                                                                                         \
  X(FOPEN64, "fopen64", w_fopen64)                                                                                   \
  X(STAT, "stat", w_stat)                                                                                            \
  X(STAT64, "stat64", w_stat64)                                                                                      \
  X(FSTATAT, "fstatat", w_fstatat)                                                                                   \
  X(FSTATAT64, "fstatat64", w_fstatat64)                                                                             \
  X(XSTAT, "__xstat", w_xstat)                                                                                       \
  X(XSTAT64, "__xstat64", w_xstat64)                                                                                 \
  X(FXSTATAT, "__fxstatat", w_fxstatat)                                                                              \
  X(FXSTATAT64, "__fxstatat64", w_fxstatat64)                                                                        \
  X(ACCESS, "access", w_access)                                                                                      \
  X(EXECVE, "execve", w_execve)                                                                                      \
  X(EXECV, "execv", w_execv)                                                                                         \
  X(POSIX_SPAWN, "posix_spawn", w_posix_spawn)                                                                       \
  X(LSTAT, "lstat", w_lstat)                                                                                         \
  X(LSTAT64, "lstat64", w_lstat64)                                                                                   \
  X(LXSTAT, "__lxstat", w_lxstat)                                                                                    \
  X(LXSTAT64, "__lxstat64", w_lxstat64)                                                                              \
  X(OPENDIR, "opendir", w_opendir)                                                                                   \
  X(READDIR, "readdir", w_readdir)                                                                                   \
  X(READDIR64, "readdir64", w_readdir64)                                                                             \
  X(REWINDDIR, "rewinddir", w_rewinddir)                                                                             \
  X(CLOSEDIR, "closedir", w_closedir)                                                                                \
  X(EXECVP, "execvp", w_execvp)                                                                                      \
  X(VFORK, "vfork", w_vfork)
#define NAME(i, name, function) [i] = name,
#define FUNCTION(i, name, function) [i] = function,
static const char wrapped_names[LDX_EXE_WRAPPERS][24] = {WRAPPERS(NAME)};
static const void *const wrappers[LDX_EXE_WRAPPERS] = {WRAPPERS(FUNCTION)};

#define LETTERS(a, b, c) (1ull << (((a)*25u + (b)*5u + (c)) % 64))
/* The first three letters of the names in the table, behind underscores: few others of libc's begin like these. */
static bool may_be_wrapped(const char *name) {
  static const uint64_t plain = LETTERS('r', 'e', 'a') | LETTERS('c', 'a', 'n') | LETTERS('o', 'p', 'e') |
                                LETTERS('f', 'o', 'p') | LETTERS('s', 't', 'a') | LETTERS('f', 's', 't') |
                                LETTERS('a', 'c', 'c') | LETTERS('e', 'x', 'e') | LETTERS('p', 'o', 's') |
                                LETTERS('l', 's', 't') | LETTERS('r', 'e', 'w') | LETTERS('c', 'l', 'o') |
                                LETTERS('v', 'f', 'o');
  static const uint64_t reserved =
      LETTERS('r', 'e', 'a') | LETTERS('x', 's', 't') | LETTERS('f', 'x', 's') | LETTERS('l', 'x', 's');
  const unsigned char *p = (const unsigned char *)name;
  bool is_reserved = p[0] == '_' && p[1] == '_';
  p += is_reserved ? 2 : 0;
  return p[0] && p[1] && ((is_reserved ? reserved : plain) & LETTERS(p[0], p[1], p[2]));
}

uintptr_t ldx_exe_wrapper(const char *name, uintptr_t real) {
  if (!may_be_wrapped(name))
    return 0;
  for (unsigned i = 0; i < (ldx_io_wraps_program() ? LDX_EXE_WRAPPERS : LSTAT); i++)
    if (!strcmp(wrapped_names[i], name)) {
      __atomic_store_n(&ldx_self.exe_real[i], real, __ATOMIC_RELEASE);
      return (uintptr_t)wrappers[i];
    }
  return 0;
}
