/* The program's own calls of open, stat, fopen and the like, answered by a provider: the program gets a real
 * descriptor whose bytes are the file's. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/print.h"
#include "base/text.h"
#include "loader/io.h"
#include "loader/load.h"

/* > 0: all calls of this thread; < 0: none. */
static int32_t wish(void) {
  const struct ldx_thread *th = ldx_thread_self();
  return th ? th->io_wish : 0;
}

static bool wants(const char *path, bool folder) {
  int32_t w = wish();
  return w >= 0 && ldx_io_wants(&ldx_self.io, path, folder ? LDX_IO_FOLDER : w > 0 ? LDX_IO_ANY : LDX_IO_FILE);
}
bool ldx_program_wants(const char *path) { return wants(path, false); }
bool ldx_program_wants_folder(const char *path) { return wants(path, true); }

bool ldx_program_wants_open(const char *path, int flags) {
  enum { NOT_READING = O_ACCMODE | O_CREAT | O_TRUNC | O_APPEND | O_DIRECTORY | O_TMPFILE | O_PATH };
  return !(flags & NOT_READING) && wants(path, false);
}

long ldx_fail_libc(long negative_errno) {
  const struct ldx_object *libc = ldx_self.base.libc ? ldx_self.base.libc : ldx_self.musl.libc;
  uintptr_t f = libc ? ldx_address_of(libc, "__errno_location") : 0;
  if (f)
    *((int *(*)(void))f)() = (int)-negative_errno;
  return -1;
}

static long copy_bytes(int from, int to) {
  enum { PIECE = 64 * 1024 };
  char *buf = ldx_new(PIECE);
  long n = buf ? 1 : -ENOMEM;
  while (n > 0 && (n = io_read(&ldx_self.io, from, buf, PIECE)) > 0)
    for (long done = 0, w; done < n; done += w)
      if ((w = sys_write(to, buf + done, (size_t)(n - done))) <= 0) {
        ldx_delete(buf);
        return w ? w : -EIO;
      }
  ldx_delete(buf);
  return n;
}

/* What can be said of the file by a copy of it: kind, permissions, times. */
static void dress(int fd, const struct stat *st) {
  const struct timespec times[2] = {st->st_atim, st->st_mtim};
  LDX_SYS(SYS_fchmod, fd, st->st_mode & 07777, 0, 0, 0, 0);
  LDX_SYS(SYS_utimensat, fd, NULL, times, 0, 0, 0);
}

static long copy_of(int file, const char *path, bool cloexec) {
  char name[200];
  ldx_format(name, sizeof name, "%s", ldx_last_part(path));
  struct stat st;
  long r = io_fstat(&ldx_self.io, file, &st);
  if (!ldx_sys_failed(r) && !S_ISREG(st.st_mode))
    r = S_ISDIR(st.st_mode) ? -EISDIR : -ENOTSUP;
  if (ldx_sys_failed(r))
    return r;
  long fd = LDX_SYS(SYS_memfd_create, name, cloexec ? 1 /* MFD_CLOEXEC */ : 0, 0, 0, 0, 0);
  if (ldx_sys_failed(fd))
    return fd;
  r = copy_bytes(file, (int)fd);
  if (!ldx_sys_failed(r))
    r = LDX_SYS(SYS_lseek, fd, 0, SEEK_SET, 0, 0, 0);
  if (ldx_sys_failed(r)) {
    sys_close((int)fd);
    return r;
  }
  dress((int)fd, &st);
  return fd;
}

long ldx_program_open(const char *path, int flags) {
  long file = io_open(&ldx_self.io, path, flags);
  if (ldx_sys_failed(file) || file < LDX_IO_FIRST)
    return file;
  long fd = copy_of((int)file, path, flags & O_CLOEXEC);
  io_close(&ldx_self.io, (int)file);
  return fd;
}

const char *ldx_program_image(const char *path, char buf[32], long *error) {
  long fd = ldx_program_open(path, O_RDONLY);
  *error = fd;
  if (ldx_sys_failed(fd))
    return NULL;
  ldx_format(buf, 32, "/proc/self/fd/%ld", fd);
  return buf;
}

/* "re" of fopen is close-on-exec. */
void *ldx_program_fopen(const char *path, const char *mode) {
  typedef void *open_stream(int fd, const char *mode);
  const struct ldx_object *libc = ldx_self.base.libc ? ldx_self.base.libc : ldx_self.musl.libc;
  uintptr_t fdopen = libc ? ldx_address_of(libc, "fdopen") : 0;
  long fd = fdopen ? ldx_program_open(path, strchr(mode, 'e') ? O_RDONLY | O_CLOEXEC : O_RDONLY) : -ENOSYS;
  if (ldx_sys_failed(fd)) {
    ldx_fail_libc(fd);
    return NULL;
  }
  void *stream = ((open_stream *)fdopen)((int)fd, mode);
  if (!stream)
    sys_close((int)fd);
  return stream;
}
