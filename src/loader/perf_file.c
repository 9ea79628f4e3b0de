#include "loader/perf_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>

#include "base/sys.h"
#include "base/text.h"

enum { ROOM = 64 * 1024, ABOVE_THE_PROGRAMS = 200 /* descriptors */ };

bool ldx_perf_file_fail(struct ldx_perf_file *f, int error, const char *text) {
  struct ldx_diag d = {.heap = &ldx_self.heap};
  if (!f->failed) {
    ldx_fail(&d, LDX_DIAG_NONE, error, f->path ? f->path : "", "%s", text);
    ldx_print_error(&d);
    ldx_diag_clear(&d);
  }
  f->failed = true;
  return false;
}

static int64_t now(int clock) {
  struct timespec t = {0};
  LDX_SYS(SYS_clock_gettime, clock, &t, 0, 0, 0, 0);
  return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

/* Field `n` (from 1) of /proc/self/stat; proc(5). The second one is a name in parentheses, of any characters. */
static uint64_t stat_field(int n) {
  char text[1024];
  long fd = sys_open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
  long size = ldx_sys_failed(fd) ? 0 : sys_read((int)fd, text, sizeof text - 1);
  if (!ldx_sys_failed(fd))
    sys_close((int)fd);
  text[size > 0 ? size : 0] = '\0';
  const char *p = strrchr(text, ')');
  for (int i = 2; p && i < n; i++)
    if ((p = strchr(p, ' ')))
      p++;
  uint64_t value = 0;
  for (; p && *p >= '0' && *p <= '9'; p++)
    value = value * 10 + (uint64_t)(*p - '0');
  return value;
}

/* Time of day in nanoseconds, as well as the kernel tells it: in ticks. */
static int64_t process_began(void) {
  uint64_t ticks = stat_field(22), a_second = ldx_self.args.auxv.clktck ? ldx_self.args.auxv.clktck : 100;
  int64_t booted = now(CLOCK_REALTIME) - now(CLOCK_BOOTTIME);
  return booted + (int64_t)(ticks * (UINT64_C(1000000000) / a_second));
}

/* Of a process that had this number before. The two clocks go by steps of some milliseconds; numbers do not come back
 * that fast. */
static bool is_older(const struct stat *st) {
  const int64_t second = 1000000000;
  return st->st_mtim.tv_sec * second + st->st_mtim.tv_nsec < process_began() - second;
}

/* In a folder that everybody may write to, a name may be somebody's trap: a link, a pipe, a file that he reads. */
static int check_owner(const struct stat *st) {
  bool mine = st->st_uid == (uid_t)LDX_SYS(SYS_geteuid, 0, 0, 0, 0, 0, 0);
  return S_ISREG(st->st_mode) && st->st_nlink == 1 && mine ? 0 : EPERM;
}

static long open_path(const char *path, bool fresh) {
  const int flags = O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
  if (!fresh)
    return sys_open_mode(path, flags | O_WRONLY, 0600);
  LDX_SYS(SYS_unlinkat, AT_FDCWD, path, 0, 0, 0, 0);
  return sys_open_mode(path, flags | O_RDWR | O_EXCL, 0600);
}

static void move_away(struct ldx_perf_file *f) {
  long high = LDX_SYS(SYS_fcntl, f->fd, F_DUPFD_CLOEXEC, ABOVE_THE_PROGRAMS, 0, 0, 0);
  if (ldx_sys_failed(high))
    return;
  sys_close(f->fd);
  f->fd = (int)high;
}

static bool open_file(struct ldx_perf_file *f, bool fresh, bool again) {
  long fd = open_path(f->path, fresh);
  if (ldx_sys_failed(fd))
    return ldx_perf_file_fail(f, (int)-fd, "cannot write names for profilers");
  f->fd = (int)fd;
  struct stat st;
  long r = sys_fstat(f->fd, &st);
  int error = ldx_sys_failed(r) ? (int)-r : check_owner(&st);
  bool older = !error && !fresh && !again && st.st_size && is_older(&st);
  if (error || older)
    sys_close(f->fd);
  if (error)
    return ldx_perf_file_fail(f, error, "cannot write names for profilers");
  if (older)
    return open_file(f, true, false);
  f->dev = st.st_dev;
  f->ino = st.st_ino;
  move_away(f);
  return true;
}

static bool is_open(const struct ldx_perf_file *f) {
  struct stat st;
  return !ldx_sys_failed(sys_fstat(f->fd, &st)) && st.st_dev == f->dev && st.st_ino == f->ino;
}

bool ldx_perf_file_open(struct ldx_perf_file *f, const char *path, bool fresh) {
  if (f->failed)
    return false;
  if (f->path)
    return is_open(f) || open_file(f, false, true);
  f->path = ldx_strdup(&ldx_self.heap, path);
  return f->path && open_file(f, fresh, false);
}

/* All of it or nothing: a reader must not find half a record. */
void ldx_perf_file_flush(struct ldx_perf_file *f) {
  size_t done = 0;
  long r = 0;
  while (!f->failed && done < f->used && ((r = sys_write(f->fd, f->at + done, f->used - done)) > 0 || r == -EINTR))
    done += r > 0 ? (size_t)r : 0;
  struct stat st;
  if (!f->failed && done < f->used) {
    if (done && !ldx_sys_failed(sys_fstat(f->fd, &st)))
      LDX_SYS(SYS_ftruncate, f->fd, st.st_size - (off_t)done, 0, 0, 0, 0);
    ldx_perf_file_fail(f, r ? (int)-r : ENOSPC, "cannot write names for profilers");
  }
  f->used = 0;
}

static bool make_room(struct ldx_perf_file *f, size_t size) {
  size_t room = size > ROOM ? size : ROOM;
  ldx_delete(f->at);
  f->at = ldx_new(room);
  f->room = f->at ? room : 0;
  return f->at;
}

char *ldx_perf_file_record(struct ldx_perf_file *f, size_t size) {
  if (size > f->room - f->used)
    ldx_perf_file_flush(f);
  if (f->failed || (size > f->room && !make_room(f, size)))
    return NULL;
  f->used += size;
  return f->at + f->used - size;
}

void ldx_perf_file_drop(struct ldx_perf_file *f) {
  if (f->path && !f->failed && is_open(f))
    sys_close(f->fd);
  ldx_delete(f->path);
  ldx_delete(f->at);
  *f = (struct ldx_perf_file){0};
}
