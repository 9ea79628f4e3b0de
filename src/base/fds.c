#include "base/fds.h"

#include "base/sys.h"

enum { SYS_CLOSE_RANGE = 436 };

static void close_run(const int *fd, int n) {
  if (n > 1 && !ldx_sys_failed(LDX_SYS(SYS_CLOSE_RANGE, fd[0], fd[n - 1], 0, 0, 0, 0)))
    return;
  for (int i = 0; i < n; i++)
    sys_close(fd[i]);
}

void ldx_close_later(struct ldx_fd_batch *b, int fd) {
  if (!b) {
    sys_close(fd);
    return;
  }
  if (b->count == LDX_FD_BATCH)
    ldx_close_flush(b);
  b->fd[b->count++] = fd;
}

/* Descriptors come in rising order as long as nothing below is freed. */
void ldx_close_flush(struct ldx_fd_batch *b) {
  int count = b->count;
  b->count = 0; /* first: a child of fork must not close the numbers again */
  for (int i = 0, n; i < count; i += n) {
    for (n = 1; i + n < count && b->fd[i + n] == b->fd[i] + n; n++)
      ;
    close_run(b->fd + i, n);
  }
}
