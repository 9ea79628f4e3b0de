/* libldx-coll.so: the ranks of a parallel program share one process that opens their files.
 *
 *   mpiexec -n 4 ldx --tool libldx-coll.so[,WORD...] PROGRAM
 *
 * Rank 0 of each node starts it; all others ask it over a socket, and get descriptors of files in memory. A file is
 * opened once, whatever the number of ranks; what is missing is missing everywhere. Words:
 *
 *   paths=PATTERNS   which paths (see ldx/io.h), colons written as +; without: all but /proc, /sys, /dev, /run
 *   files=PATTERNS   of the program's own calls those of these names; without: *.py+*.pyc+*.so*
 *   session=FOLDER   keeps what was read for the next run
 *   log=FILE         who got which file
 *   job=NAME, rank=N, ranks=N    of this node, when the launcher does not tell */
#include <errno.h>
#include <fcntl.h>
#include <ldx/io.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "protocol.h"

enum { MOST_FILES = 256, PATIENCE = 30000 /* ms until rank 0 must be there */, HIGH = 512 };

struct open_file {
  int fd;
  int64_t at;
  struct stat st;
};

static struct {
  ldx_tool *tool;
  struct coll_options options;
  const char *paths, *files, *job;
  int rank, socket;
  pid_t process; /* that the socket belongs to */
  int lock;
  bool broken;
  struct sockaddr_un address;
  socklen_t address_size;
  struct open_file open[MOST_FILES];
} self = {.rank = -1, .socket = -1, .files = "*.py:*.pyc:*.so*", .paths = "*:!/proc:!/sys:!/dev:!/run"};

/* No mutex of libc's: after fork in a program with threads it could stay locked. */
static void enter(void) {
  if (self.process != getpid()) {
    self.process = getpid();
    self.socket = -1; /* the parent's; both would read the same answers */
    self.lock = 0;
  }
  while (__atomic_exchange_n(&self.lock, 1, __ATOMIC_ACQUIRE))
    sched_yield();
}
static void leave(void) { __atomic_store_n(&self.lock, 0, __ATOMIC_RELEASE); }

static void sleep_ms(long ms) { nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL); }

/* Out of the way of the program's descriptors. */
static int move_up(int fd) {
  int high = fcntl(fd, F_DUPFD_CLOEXEC, HIGH);
  if (high < 0)
    return fd;
  close(fd);
  return high;
}

static bool is_ours(int fd) {
  struct ucred who;
  socklen_t size = sizeof who;
  return !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) && who.uid == geteuid();
}

static int connect_once(void) {
  int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  if (fd >= 0 && !connect(fd, (struct sockaddr *)&self.address, self.address_size) && is_ours(fd))
    return move_up(fd);
  if (fd >= 0)
    close(fd);
  return -1;
}

/* A process of its own, nobody's child: the program must not see it end, nor keep its output open. */
static void run_broker(int listening) {
  pid_t child = fork();
  if (child > 0) {
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
      ;
    return;
  }
  if (child < 0 || fork() != 0)
    _exit(0);
  setsid();
  int null = open("/dev/null", O_RDWR);
  listening = dup2(listening, 3);
  for (int i = 0; i < 3; i++)
    dup2(null, i);
  close_range(4, ~0u, 0);
  coll_serve(listening, &self.options);
  _exit(0);
}

static bool start_broker(void) {
  int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  bool mine = fd >= 0 && !bind(fd, (struct sockaddr *)&self.address, self.address_size) && !listen(fd, 1024);
  if (mine)
    run_broker(fd);
  if (fd >= 0)
    close(fd);
  return mine;
}

static bool begin(void) {
  if (self.rank <= 0)
    start_broker(); /* fails where one is there already: ranks unknown, or another run of the session */
  for (long waited = 0; waited < PATIENCE; waited += 2, sleep_ms(2))
    if ((self.socket = connect_once()) >= 0)
      return true;
  return false;
}

static void give_up(void) {
  if (!self.broken)
    ldx_tool_log(self.tool, "the process that opens files is gone: every rank opens its own from here on");
  self.broken = true;
}

static bool exchange(const struct coll_request *q, struct coll_reply *r, int *fd) {
  struct iovec part = {r, sizeof *r};
  union {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int))];
  } control;
  struct msghdr m = {
      .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control};
  ssize_t n;
  size_t size = offsetof(struct coll_request, path) + strlen(q->path) + 1;
  while ((n = send(self.socket, q, size, MSG_NOSIGNAL)) < 0 && errno == EINTR)
    ;
  if (n < 0)
    return false;
  while ((n = recvmsg(self.socket, &m, MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR)
    ;
  struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;
  if (c && c->cmsg_type == SCM_RIGHTS)
    memcpy(fd, CMSG_DATA(c), sizeof *fd);
  return n >= (ssize_t)offsetof(struct coll_reply, text);
}

/* Relative paths mean this process's folder. */
static bool set_path(struct coll_request *q, const char *path) {
  size_t n = 0, more = strlen(path) + 1;
  if (*path != '/') {
    if (!getcwd(q->path, sizeof q->path) || q->path[0] != '/')
      return false;
    n = strlen(q->path);
    q->path[n++] = '/';
  }
  if (n + more > sizeof q->path)
    return false;
  memcpy(q->path + n, path, more);
  return true;
}

/* False: the caller must look for himself. */
static bool ask(uint32_t call, const char *path, int mode, struct coll_reply *r, int *fd) {
  static struct coll_request q; /* under the lock */
  *fd = -1;
  enter();
  q = (struct coll_request){.call = call, .rank = self.rank, .mode = mode};
  bool ok = !self.broken && set_path(&q, path);
  if (ok && self.socket < 0)
    self.socket = connect_once();
  if (ok && (self.socket < 0 || !exchange(&q, r, fd))) {
    give_up();
    ok = false;
  }
  leave();
  if (ok && r->error == COLL_YOURSELF && *fd >= 0)
    close(*fd);
  return ok && r->error != COLL_YOURSELF;
}

static struct open_file *find_file(int fd) {
  for (int i = 0; i < MOST_FILES; i++)
    if (self.open[i].fd == fd)
      return &self.open[i];
  return NULL;
}

static int c_open(void *ctx, const char *path, int flags, uint32_t mode) {
  (void)ctx;
  struct coll_reply r;
  int fd;
  if ((flags & (O_ACCMODE | O_CREAT | O_DIRECTORY)) || !ask(COLL_OPEN, path, 0, &r, &fd))
    return ldx_io_next()->open(NULL, path, flags, mode);
  if (r.error || fd < 0)
    return r.error ? -r.error : -EIO;
  enter();
  struct open_file *f = find_file(0);
  if (f)
    *f = (struct open_file){fd, 0, r.st};
  leave();
  if (f)
    return fd;
  close(fd);
  return -EMFILE;
}

static int c_close(void *ctx, int fd) {
  (void)ctx;
  enter();
  struct open_file *f = find_file(fd);
  if (f)
    f->fd = 0;
  leave();
  return f ? (close(fd) ? -errno : 0) : ldx_io_next()->close(NULL, fd);
}

static int64_t c_read(void *ctx, int fd, void *buffer, size_t n) {
  (void)ctx;
  enter();
  struct open_file *f = find_file(fd);
  int64_t r = f ? pread(fd, buffer, n, f->at) : -1;
  if (f && r > 0)
    f->at += r;
  leave();
  return !f ? ldx_io_next()->read(NULL, fd, buffer, n) : r < 0 ? -errno : r;
}

static int c_fstat(void *ctx, int fd, struct stat *st) {
  (void)ctx;
  enter();
  const struct open_file *f = find_file(fd);
  if (f)
    *st = f->st;
  leave();
  return f ? 0 : ldx_io_next()->fstat(NULL, fd, st);
}

static int c_stat(void *ctx, const char *path, struct stat *st, int flags) {
  (void)ctx;
  struct coll_reply r;
  int fd;
  if (!ask(flags & AT_SYMLINK_NOFOLLOW ? COLL_LSTAT : COLL_STAT, path, 0, &r, &fd))
    return ldx_io_next()->stat(NULL, path, st, flags);
  *st = r.st;
  return -r.error;
}

static int c_access(void *ctx, const char *path, int mode) {
  (void)ctx;
  struct coll_reply r;
  int fd;
  return ask(COLL_ACCESS, path, mode, &r, &fd) ? -r.error : ldx_io_next()->access(NULL, path, mode);
}

static int64_t c_readlink(void *ctx, const char *path, char *buffer, size_t n) {
  (void)ctx;
  struct coll_reply r;
  int fd;
  if (!ask(COLL_READLINK, path, 0, &r, &fd))
    return ldx_io_next()->readlink(NULL, path, buffer, n);
  size_t length = r.length < n ? r.length : n;
  memcpy(buffer, r.text, r.error ? 0 : length);
  return r.error ? -r.error : (int64_t)length;
}

static int64_t c_list(void *ctx, const char *path, uint64_t from, void *buffer, size_t n) {
  (void)ctx;
  struct coll_reply r;
  int fd;
  if (!ask(COLL_LIST, path, 0, &r, &fd))
    return ldx_io_next()->list(NULL, path, from, buffer, n);
  if (r.error || fd < 0)
    return r.error ? -r.error : -EIO;
  struct ldx_io_entry head;
  int64_t at = 0, bytes = 0, got = 0;
  for (; from && pread(fd, &head, sizeof head, at) >= 8; from--)
    at += head.bytes;
  got = pread(fd, buffer, n, at);
  while (bytes + 12 <= got) {
    uint16_t size = ((struct ldx_io_entry *)((char *)buffer + bytes))->bytes;
    if (!size || bytes + size > got)
      break;
    bytes += size;
  }
  close(fd);
  return bytes;
}

static const struct ldx_io_provider provider = {.size = sizeof provider,
                                                .open = c_open,
                                                .close = c_close,
                                                .read = c_read,
                                                .fstat = c_fstat,
                                                .stat = c_stat,
                                                .access = c_access,
                                                .readlink = c_readlink,
                                                .list = c_list};

/* The launcher's word for this rank among those of the node. */
static int find_number(const char *const *names, int otherwise) {
  for (; *names; names++)
    if (getenv(*names))
      return atoi(getenv(*names));
  return otherwise;
}
static const char *const rank_names[] = {
    "OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "SLURM_LOCALID", "PMI_RANK", "PMIX_RANK", NULL};
static const char *const size_names[] = {"OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS", NULL};

/* What all ranks of a job, and no others, have in common. The socket that a process manager gives to each rank leads
 * to one and the same process. */
static void find_job(char *out, size_t size) {
  static const char *const names[] = {"PMIX_NAMESPACE", "PMI_JOBID", "SLURM_JOB_ID"};
  struct ucred who = {.pid = getppid()};
  socklen_t n = sizeof who;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (getenv(names[i])) {
      snprintf(out, size, "%s", getenv(names[i]));
      return;
    }
  if (getenv("PMI_FD"))
    getsockopt(atoi(getenv("PMI_FD")), SOL_SOCKET, SO_PEERCRED, &who, &n);
  snprintf(out, size, "%ld", (long)who.pid);
}

static char *with_colons(const char *text) {
  char *copy = strdup(text);
  for (char *p = copy; p && *p; p++)
    *p = *p == '+' ? ':' : *p;
  return copy;
}

static bool read_word(const char *word) {
  const char *value = strchr(word, '=');
  size_t n = value ? (size_t)(value++ - word) : 0;
  if (n == 5 && !memcmp(word, "paths", n))
    self.paths = with_colons(value);
  else if (n == 5 && !memcmp(word, "files", n))
    self.files = with_colons(value);
  else if (n == 7 && !memcmp(word, "session", n))
    self.options.session = strdup(value);
  else if (n == 3 && !memcmp(word, "log", n))
    self.options.log = strdup(value);
  else if (n == 3 && !memcmp(word, "job", n))
    self.job = strdup(value);
  else if (n == 4 && !memcmp(word, "rank", n))
    self.rank = atoi(value);
  else if (n == 5 && !memcmp(word, "ranks", n))
    self.options.ranks = atoi(value);
  else
    return false;
  return true;
}

static void set_address(void) {
  char job[64];
  find_job(job, sizeof job);
  self.address.sun_family = AF_UNIX; /* a leading zero: no file */
  int n = snprintf(self.address.sun_path + 1, sizeof self.address.sun_path - 1, "ldx-coll-%u-%s", (unsigned)geteuid(),
                   self.job ? self.job : job);
  self.address_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
}

static bool session_is_safe(void) {
  struct stat st;
  const char *folder = self.options.session;
  return !folder || ((!mkdir(folder, 0700) || errno == EEXIST) && !stat(folder, &st) && S_ISDIR(st.st_mode) &&
                     st.st_uid == geteuid() && !(st.st_mode & 022));
}

int ldx_tool_main(ldx_tool *tool, const struct ldx_tool_args *args, struct ldx_tool_desc *out) {
  out->name = "coll";
  out->version = "1";
  self.tool = tool;
  self.process = getpid();
  self.rank = find_number(rank_names, -1);
  self.options.ranks = find_number(size_names, 0);
  for (int i = 0; i < args->argc; i++)
    if (!read_word(args->argv[i])) {
      ldx_tool_log(tool, "words are paths=, files=, session=, log=, job=, rank=, ranks=");
      return EINVAL;
    }
  if (!session_is_safe()) {
    ldx_tool_log(tool, "the session's folder must be the user's own, and writable by nobody else");
    return EACCES;
  }
  set_address();
  if (!begin()) {
    ldx_tool_log(tool, "no process that opens files came up");
    return ETIMEDOUT;
  }
  const struct ldx_io_scope scope = {sizeof scope, self.paths, self.files};
  return ldx_io_push(tool, &scope, &provider, NULL);
}
