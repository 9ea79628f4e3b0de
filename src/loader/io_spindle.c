/* Spindle's names for what a program may want of providers (include/ldx/spindle.h). */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "loader/io.h"
#include "loader/load.h"

static bool only_reads(int flags) { return !(flags & (O_ACCMODE | O_CREAT | O_TRUNC | O_PATH | O_DIRECTORY)); }

int ldx_spindle_open(const char *path, int flags, int mode) {
  return (int)ldx_as_libc(only_reads(flags) ? ldx_program_open(path, flags) : sys_open_mode(path, flags, mode));
}

static int ask(const char *path, struct stat *st, int flags) {
  return (int)ldx_as_libc(ldx_io_stat(&ldx_self.io, path, st, flags));
}
int ldx_spindle_stat(const char *path, struct stat *st) { return ask(path, st, 0); }
int ldx_spindle_lstat(const char *path, struct stat *st) { return ask(path, st, AT_SYMLINK_NOFOLLOW); }

void *ldx_spindle_fopen(const char *path, const char *mode) {
  typedef void *open_stream(const char *path, const char *mode);
  const struct ldx_object *libc = ldx_self.base.libc ? ldx_self.base.libc : ldx_self.musl.libc;
  if (mode[0] == 'r' && !strchr(mode, '+'))
    return ldx_program_fopen(path, mode);
  uintptr_t f = libc ? ldx_address_of(libc, "fopen") : 0;
  return f ? ((open_stream *)f)(path, mode) : NULL;
}

static void wish(int32_t by) {
  struct ldx_thread *th = ldx_thread_self();
  if (th)
    th->io_wish += by;
}
void ldx_spindle_enable(void) { wish(1); }
void ldx_spindle_disable(void) { wish(-1); }

int ldx_spindle_is_enabled(void) {
  const struct ldx_thread *th = ldx_thread_self();
  return ldx_spindle_is_present() && th && (th->io_wish > 0 || (th->io_wish == 0 && ldx_io_wraps_program()));
}
int ldx_spindle_is_present(void) { return !io_is_plain(&ldx_self.io); }
