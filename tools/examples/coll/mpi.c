/* libldx-coll-mpi.so: files by MPI_Bcast, across nodes, for what all ranks load together while the program runs.
 *
 *   LDX_COLL_PATHS=/shared/app mpiexec -n 4 ldx --preload libldx-coll-mpi.so PROGRAM
 *
 * Stands in front of MPI_Init and MPI_Finalize; in between, rank 0 reads what lies below LDX_COLL_PATHS (patterns of
 * ldx/io.h), and the others get the bytes. All ranks must load the same in the same order, as they make other
 * collective calls: that is why the paths must be named. LDX_COLL_FILES are patterns of the program's own calls.
 * Built once for each MPI. */
#include <errno.h>
#include <fcntl.h>
#include <ldx/io.h>
#include <mpi.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FIRST = 10000, MOST_FILES = 256, PIECE = 1 << 30 };

struct file {
  char *bytes;
  struct stat st;
  int64_t at;
};

/* One message before the bytes. */
struct head {
  int32_t error;
  int64_t value;
  struct stat st;
};

static struct {
  MPI_Comm comm;
  int rank, pushed;
  struct file *files[MOST_FILES];
} self;

static void share(void *at, int64_t n) {
  for (int64_t done = 0; done < n; done += PIECE)
    PMPI_Bcast((char *)at + done, (int)(n - done < PIECE ? n - done : PIECE), MPI_BYTE, 0, self.comm);
}

static int32_t read_whole(const char *path, struct head *h, char **bytes) {
  const struct ldx_io_provider *io = ldx_io_next();
  int fd = io->open(NULL, path, O_RDONLY | O_CLOEXEC, 0);
  int64_t r = fd < 0 ? fd : io->fstat(NULL, fd, &h->st), done = 0;
  if (r >= 0 && !S_ISREG(h->st.st_mode))
    r = -EACCES;
  if (r >= 0 && !(*bytes = malloc((size_t)h->st.st_size + 1)))
    r = -ENOMEM;
  while (r >= 0 && done < h->st.st_size &&
         (r = io->read(NULL, fd, *bytes + done, (size_t)(h->st.st_size - done))) > 0)
    done += r;
  if (fd >= 0)
    io->close(NULL, fd);
  h->st.st_size = done;
  return r < 0 ? (int32_t)r : 0;
}

static int free_slot(void) {
  int i = 0;
  while (i < MOST_FILES && self.files[i])
    i++;
  return i < MOST_FILES ? i : -1;
}

/* A rank without memory or descriptors has all fail: then none opens it. */
static int c_open(void *ctx, const char *path, int flags, uint32_t mode) {
  (void)ctx, (void)flags, (void)mode;
  struct head h = {0};
  char *bytes = NULL;
  if (self.rank == 0)
    h.error = read_whole(path, &h, &bytes);
  share(&h, sizeof h);
  if (self.rank != 0 && !h.error)
    bytes = malloc((size_t)h.st.st_size + 1);
  int have = bytes != NULL, all, slot = free_slot();
  struct file *f = slot < 0 ? NULL : malloc(sizeof *f);
  have = have && f;
  if (!h.error) {
    PMPI_Allreduce(&have, &all, 1, MPI_INT, MPI_MIN, self.comm);
    h.error = all ? 0 : -ENOMEM;
  }
  if (!h.error)
    share(bytes, h.st.st_size);
  if (h.error || !f) {
    free(bytes);
    free(f);
    return h.error ? h.error : -ENOMEM;
  }
  *f = (struct file){bytes, h.st, 0};
  self.files[slot] = f;
  return FIRST + slot;
}

static int c_close(void *ctx, int fd) {
  (void)ctx;
  struct file *f = self.files[fd - FIRST];
  self.files[fd - FIRST] = NULL;
  free(f->bytes);
  free(f);
  return 0;
}

static int64_t c_pread(void *ctx, int fd, void *buffer, size_t n, int64_t offset) {
  (void)ctx;
  const struct file *f = self.files[fd - FIRST];
  if (offset < 0)
    return -EINVAL;
  int64_t left = f->st.st_size - offset;
  left = left < 0 ? 0 : left < (int64_t)n ? left : (int64_t)n;
  if (left)
    memcpy(buffer, f->bytes + offset, (size_t)left);
  return left;
}

static int64_t c_read(void *ctx, int fd, void *buffer, size_t n) {
  struct file *f = self.files[fd - FIRST];
  int64_t r = c_pread(ctx, fd, buffer, n, f->at);
  f->at += r > 0 ? r : 0;
  return r;
}

static int c_fstat(void *ctx, int fd, struct stat *st) {
  (void)ctx;
  *st = self.files[fd - FIRST]->st;
  return 0;
}

static int c_stat(void *ctx, const char *path, struct stat *st, int flags) {
  (void)ctx;
  struct head h = {0};
  if (self.rank == 0)
    h.error = ldx_io_next()->stat(NULL, path, &h.st, flags);
  share(&h, sizeof h);
  *st = h.st;
  return h.error;
}

static int c_access(void *ctx, const char *path, int mode) {
  (void)ctx;
  int32_t r = self.rank == 0 ? ldx_io_next()->access(NULL, path, mode) : 0;
  share(&r, sizeof r);
  return r;
}

static int64_t c_readlink(void *ctx, const char *path, char *buffer, size_t n) {
  (void)ctx;
  int64_t r = self.rank == 0 ? ldx_io_next()->readlink(NULL, path, buffer, n) : 0;
  share(&r, sizeof r);
  share(buffer, r > 0 ? r : 0);
  return r;
}

static const struct ldx_io_provider provider = {.size = sizeof provider,
                                                .flags = LDX_IO_OWN_DESCRIPTORS,
                                                .open = c_open,
                                                .close = c_close,
                                                .read = c_read,
                                                .pread = c_pread,
                                                .fstat = c_fstat,
                                                .stat = c_stat,
                                                .access = c_access,
                                                .readlink = c_readlink};

static void begin(void) {
  const struct ldx_io_scope scope = {sizeof scope, getenv("LDX_COLL_PATHS"), getenv("LDX_COLL_FILES")};
  if (!scope.paths || !*scope.paths || PMPI_Comm_dup(MPI_COMM_WORLD, &self.comm) != MPI_SUCCESS)
    return;
  PMPI_Comm_rank(self.comm, &self.rank);
  self.pushed = !ldx_io_push(NULL, &scope, &provider, NULL);
}

int MPI_Init(int *argc, char ***argv) {
  int r = PMPI_Init(argc, argv);
  if (r == MPI_SUCCESS)
    begin();
  return r;
}

int MPI_Init_thread(int *argc, char ***argv, int required, int *provided) {
  int r = PMPI_Init_thread(argc, argv, required, provided);
  if (r == MPI_SUCCESS)
    begin();
  return r;
}

int MPI_Finalize(void) {
  if (self.pushed) {
    ldx_io_pop(NULL);
    PMPI_Comm_free(&self.comm);
    self.pushed = 0;
  }
  return PMPI_Finalize();
}
