/* Files that are done with are closed together: one close_range for a run of descriptors. */
#ifndef LDX_BASE_FDS_H
#define LDX_BASE_FDS_H

enum { LDX_FD_BATCH = 48 };

struct ldx_fd_batch {
  int fd[LDX_FD_BATCH];
  int count;
};

/* Closes `fd` by the next flush at the latest; at once when there is no batch (NULL). */
void ldx_close_later(struct ldx_fd_batch *b, int fd);
void ldx_close_flush(struct ldx_fd_batch *b);

#endif
