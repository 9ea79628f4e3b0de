#include "loader/memory_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/print.h"
#include "base/span.h"
#include "base/sys.h"

enum { HIGH = 700 /* descriptors */, LONGEST_NAME = 249 };

long ldx_may_have_size(uint64_t size) {
  struct rlimit limit;
  long r = LDX_SYS(SYS_prlimit64, 0, RLIMIT_FSIZE, NULL, &limit, 0, 0);
  return !ldx_sys_failed(r) && limit.rlim_cur != RLIM_INFINITY && size > limit.rlim_cur ? -EFBIG : 0;
}

int ldx_move_descriptor_up(int fd) {
  long high = LDX_SYS(SYS_fcntl, fd, F_DUPFD_CLOEXEC, HIGH, 0, 0, 0);
  if (ldx_sys_failed(high))
    return fd;
  sys_close(fd);
  return (int)high;
}

long ldx_new_memory_file(const char *name, uint64_t size) {
  char text[LONGEST_NAME + 1];
  long r = ldx_may_have_size(size);
  if (r)
    return r;
  ldx_format(text, sizeof text, "%s", name);
  long fd = LDX_SYS(SYS_memfd_create, text, MFD_CLOEXEC, 0, 0, 0, 0);
  if (ldx_sys_failed(fd))
    return fd;
  r = LDX_SYS(SYS_ftruncate, fd, size, 0, 0, 0, 0);
  if (!ldx_sys_failed(r))
    return ldx_move_descriptor_up((int)fd);
  sys_close((int)fd);
  return r;
}

static long seek(int fd, uint64_t offset, int whence) { return LDX_SYS(SYS_lseek, fd, offset, whence, 0, 0, 0); }

static long copy_stretch(int to, int from, uint64_t at, uint64_t end) {
  long r = seek(to, at, SEEK_SET);
  while (!ldx_sys_failed(r) && at < end) {
    r = LDX_SYS(SYS_sendfile, to, from, &at, end - at, 0, 0); /* moves `at` */
    if (r == -EINTR)
      r = 0;
    else if (!r)
      return -EIO;
  }
  return ldx_sys_failed(r) ? r : 0;
}

long ldx_copy_data(int to, int from, uint64_t size) {
  for (uint64_t at = 0; at < size;) {
    long data = seek(from, at, SEEK_DATA);
    if (data == -ENXIO) /* nothing but a hole */
      return 0;
    long end = ldx_sys_failed(data) ? data : seek(from, (uint64_t)data, SEEK_HOLE);
    long r = ldx_sys_failed(end) ? end : copy_stretch(to, from, (uint64_t)data, (uint64_t)end);
    if (r)
      return r;
    at = (uint64_t)end;
  }
  return 0;
}

/* Any of the first 2^bits bytes. Where a tool has taken most of a process's addresses for itself, those that are left
 * lie low. */
long ldx_reserve_anywhere(size_t size) {
  static const uint8_t bits[] = {47, 47, 47, 47, 47, 47, 47, 47, 44, 44, 44, 44, 40, 40, 37, 37, 37, 37};
  for (size_t i = 0; i < LDX_COUNT(bits); i++) {
    uint64_t number, low = 1ull << 32, span = (1ull << bits[i]) - 2 * low;
    if (LDX_SYS(SYS_getrandom, &number, sizeof number, 0, 0, 0, 0) != sizeof number || size >= span)
      return -ENOMEM;
    uintptr_t at = ldx_align_down(low + number % (span - size), LDX_PAGE);
    long r = sys_mmap((void *)at, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE,
                      -1, 0);
    if ((uintptr_t)r == at)
      return r;
    if (!ldx_sys_failed(r)) /* a kernel that takes it for a wish */
      sys_munmap((void *)r, size);
  }
  return -ENOMEM;
}
