/* The one process of a node that opens files. Every answer is kept, also that there is no such file; folders are read
 * once, and tell what is not there without another call. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ldx/io.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include "protocol.h"

enum { BUCKETS = 4096, MOST_CLIENTS = 1024, LINGER = 2000 /* ms without a client */, MAGIC = 0x31434c58 };

/* An answer, and the question. */
struct entry {
  struct entry *next;
  uint32_t call;
  int32_t mode, error;
  struct stat st;
  int data;          /* descriptor, -1: none */
  char *path, *text; /* text: of readlink */
  struct entries {
    char *at;
    size_t bytes, room;
  } names; /* COLL_LIST: as in `data` */
};

struct broker {
  struct entry *buckets[BUCKETS];
  struct pollfd polled[MOST_CLIENTS + 1];
  int count, came;
  const struct coll_options *o;
  int log;
};

static uint64_t hash(uint32_t call, int32_t mode, const char *path) {
  uint64_t h = 1469598103934665603u ^ call ^ (uint64_t)(uint32_t)mode << 8;
  for (; *path; path++)
    h = (h ^ (unsigned char)*path) * 1099511628211u;
  return h;
}

/* Sessions: ENTRY.answer has the answer, ENTRY.data the bytes. Written under another name first, so that what is
 * there is whole. */
struct kept {
  uint32_t magic, call;
  int32_t mode, error;
  struct stat st;
  uint32_t path_size, text_size, has_data;
};

static bool session_path(const struct broker *b, const struct entry *e, const char *suffix, char *out) {
  return b->o->session && snprintf(out, PATH_MAX, "%s/%016llx.%s", b->o->session,
                                   (unsigned long long)hash(e->call, e->mode, e->path), suffix) < PATH_MAX;
}

static bool read_all(int fd, void *at, size_t n) { return read(fd, at, n) == (ssize_t)n; }

static bool read_answer(int fd, struct entry *e, bool *has_data) {
  struct kept k;
  char path[PATH_MAX];
  if (!read_all(fd, &k, sizeof k) || k.magic != MAGIC || k.call != e->call || k.mode != e->mode ||
      k.path_size >= PATH_MAX || k.text_size >= PATH_MAX || !read_all(fd, path, k.path_size))
    return false;
  path[k.path_size] = '\0';
  if (strcmp(path, e->path) || !(e->text = calloc(1, k.text_size + 1)) || !read_all(fd, e->text, k.text_size))
    return false;
  e->error = k.error;
  e->st = k.st;
  *has_data = k.has_data;
  return true;
}

static bool recall(const struct broker *b, struct entry *e) {
  char name[PATH_MAX];
  bool has_data = false;
  int fd = session_path(b, e, "answer", name) ? open(name, O_RDONLY | O_CLOEXEC) : -1;
  bool ok = fd >= 0 && read_answer(fd, e, &has_data);
  if (fd >= 0)
    close(fd);
  if (ok && has_data && session_path(b, e, "data", name))
    ok = (e->data = open(name, O_RDONLY | O_CLOEXEC)) >= 0;
  if (!ok) {
    free(e->text);
    e->text = NULL;
  }
  return ok;
}

static void remember(const struct broker *b, const struct entry *e) {
  char name[PATH_MAX], temporary[PATH_MAX];
  if (!session_path(b, e, "answer", name) || !session_path(b, e, "answer.new", temporary))
    return;
  size_t text = e->text ? strlen(e->text) : 0;
  const struct kept k = {MAGIC,          e->call,     e->mode, e->error, e->st, (uint32_t)strlen(e->path),
                         (uint32_t)text, e->data >= 0};
  int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  bool ok = fd >= 0 && write(fd, &k, sizeof k) == sizeof k && write(fd, e->path, k.path_size) == k.path_size &&
            write(fd, e->text ? e->text : "", text) == (ssize_t)text;
  if (fd >= 0)
    close(fd);
  if (!ok || rename(temporary, name))
    unlink(temporary);
}

/* Where bytes are put: memory, or the session's folder. */
static int new_data(const struct broker *b, const struct entry *e, char *name) {
  if (session_path(b, e, "data.new", name))
    return open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  const char *slash = strrchr(e->path, '/');
  snprintf(name, 200, "%.199s", slash ? slash + 1 : e->path);
  return memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
}

static int finish_data(const struct broker *b, const struct entry *e, int fd, const char *name, bool ok) {
  char final[PATH_MAX];
  if (ok && session_path(b, e, "data", final)) {
    ok = rename(name, final) == 0;
    close(fd);
    return ok ? open(final, O_RDONLY | O_CLOEXEC) : -1;
  }
  if (ok)
    ok = fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) == 0;
  if (!ok)
    close(fd);
  return ok ? fd : -1;
}

static bool copy(int from, int to) {
  ssize_t n;
  while ((n = sendfile(to, from, NULL, 1 << 30)) > 0)
    ;
  return n == 0;
}

static struct entry *answer(struct broker *b, uint32_t call, int32_t mode, const char *path, const char **from);

/* All entries of the folder in one stretch. */
static bool append_entry(struct entries *all, const struct dirent *i) {
  size_t n = strlen(i->d_name), bytes = (offsetof(struct ldx_io_entry, name) + n + 8) & ~(size_t)7;
  if (all->bytes + bytes > all->room) {
    char *more = realloc(all->at, all->room = 2 * all->room + 4096);
    if (!more)
      return false;
    all->at = more;
  }
  struct ldx_io_entry *out = memset(all->at + all->bytes, 0, bytes);
  out->bytes = (uint16_t)bytes;
  out->ino = i->d_ino;
  out->type = i->d_type;
  memcpy((char *)out + offsetof(struct ldx_io_entry, name), i->d_name, n);
  all->bytes += bytes;
  return true;
}

static void do_list(struct broker *b, struct entry *e) {
  char name[PATH_MAX];
  DIR *d = opendir(e->path);
  e->error = d ? 0 : errno;
  if (!d)
    return;
  int fd = new_data(b, e, name);
  bool ok = fd >= 0;
  for (struct dirent *i; ok && (i = readdir(d));)
    ok = append_entry(&e->names, i);
  closedir(d);
  ok = ok && write(fd, e->names.at, e->names.bytes) == (ssize_t)e->names.bytes;
  e->data = fd < 0 ? -1 : finish_data(b, e, fd, name, ok);
  e->error = e->data < 0 ? COLL_YOURSELF : 0;
}

/* A session's list is read back. */
static bool have_names(struct entry *e) {
  struct stat st;
  if (e->names.at || e->data < 0 || fstat(e->data, &st))
    return e->names.at;
  e->names.at = malloc((size_t)st.st_size + 1);
  if (e->names.at && pread(e->data, e->names.at, (size_t)st.st_size, 0) == st.st_size)
    e->names.bytes = (size_t)st.st_size;
  return e->names.at;
}

static bool is_listed(struct entry *list, const char *name) {
  bool found = !have_names(list);
  for (size_t at = 0; !found && at < list->names.bytes; at += ((struct ldx_io_entry *)(list->names.at + at))->bytes)
    found = !strcmp(list->names.at + at + offsetof(struct ldx_io_entry, name), name);
  return found;
}

/* What the folder says of a path: 0: it may be there. */
static int missing(struct broker *b, const char *path) {
  char folder[PATH_MAX];
  const char *slash = strrchr(path, '/');
  if (!slash || slash == path || !slash[1])
    return 0;
  snprintf(folder, sizeof folder, "%.*s", (int)(slash - path), path);
  struct entry *list = answer(b, COLL_LIST, 0, folder, NULL);
  if (list->error == ENOENT || list->error == ENOTDIR)
    return list->error;
  return list->error || is_listed(list, slash + 1) ? 0 : ENOENT;
}

static void do_open(struct broker *b, struct entry *e) {
  char name[PATH_MAX];
  int fd = open(e->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  e->error = fd < 0 ? errno : 0;
  if (fd < 0)
    return;
  if (fstat(fd, &e->st))
    e->error = errno;
  else if (!S_ISREG(e->st.st_mode))
    e->error = COLL_YOURSELF;
  int to = e->error ? -1 : new_data(b, e, name);
  if (to >= 0)
    e->data = finish_data(b, e, to, name, copy(fd, to));
  if (!e->error && e->data < 0)
    e->error = COLL_YOURSELF;
  close(fd);
}

static void do_readlink(struct entry *e) {
  char text[PATH_MAX];
  ssize_t n = readlink(e->path, text, sizeof text - 1);
  e->error = n < 0 ? errno : 0;
  if (n >= 0)
    e->text = strndup(text, (size_t)n);
}

/* Where the answer comes from. */
static const char *find_out(struct broker *b, struct entry *e) {
  e->error = e->call == COLL_LIST ? 0 : missing(b, e->path);
  if (e->error)
    return "its folder";
  switch (e->call) {
  case COLL_OPEN:
    do_open(b, e);
    break;
  case COLL_STAT:
    e->error = stat(e->path, &e->st) ? errno : 0;
    break;
  case COLL_LSTAT:
    e->error = lstat(e->path, &e->st) ? errno : 0;
    break;
  case COLL_ACCESS:
    e->error = access(e->path, e->mode) ? errno : 0;
    break;
  case COLL_READLINK:
    do_readlink(e);
    break;
  case COLL_LIST:
    do_list(b, e);
    break;
  default:
    e->error = EINVAL;
  }
  return "file system";
}

static struct entry *answer(struct broker *b, uint32_t call, int32_t mode, const char *path, const char **from) {
  static struct entry no_memory = {.error = ENOMEM, .data = -1};
  struct entry **bucket = &b->buckets[hash(call, mode, path) % BUCKETS], *e = *bucket;
  while (e && (e->call != call || e->mode != mode || strcmp(e->path, path)))
    e = e->next;
  if (from)
    *from = "memory";
  if (e)
    return e;
  if (!(e = calloc(1, sizeof *e)) || !(e->path = strdup(path))) {
    free(e);
    return &no_memory;
  }
  e->call = call;
  e->mode = mode;
  e->data = -1;
  const char *source = recall(b, e) ? "session" : NULL;
  if (!source) {
    source = find_out(b, e);
    remember(b, e);
  }
  if (from)
    *from = source;
  e->next = *bucket;
  *bucket = e;
  return e;
}

static void send_reply(int to, const struct entry *e) {
  struct coll_reply r = {.error = e->error, .st = e->st};
  if (e->text)
    memcpy(r.text, e->text, r.length = (uint32_t)strlen(e->text));
  struct iovec part = {&r, offsetof(struct coll_reply, text) + r.length};
  union {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int))];
  } control = {0};
  struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};
  int fd = e->error ? -1 : e->data;
  if (fd >= 0) {
    m.msg_control = control.bytes;
    m.msg_controllen = sizeof control.bytes;
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
  }
  while (sendmsg(to, &m, MSG_NOSIGNAL) < 0 && errno == EINTR)
    ;
}

static void write_log(const struct broker *b, const struct coll_request *q, const struct entry *e, const char *from) {
  static const char *const calls[] = {"", "open", "stat", "lstat", "access", "readlink", "list"};
  if (b->log < 0)
    return;
  long long bytes = q->call == COLL_OPEN && !e->error ? (long long)e->st.st_size : 0;
  dprintf(b->log, "rank %d %s %s %lld bytes, error %d, from %s\n", q->rank, calls[q->call <= COLL_LIST ? q->call : 0],
          q->path, bytes, e->error, from);
}

/* False when the client is gone. */
static bool serve_one(struct broker *b, int client) {
  struct coll_request q;
  ssize_t n = recv(client, &q, sizeof q, 0);
  const char *from;
  if (n < 0 && errno == EINTR)
    return true;
  if (n <= (ssize_t)offsetof(struct coll_request, path))
    return false;
  ((char *)&q)[(size_t)n < sizeof q ? (size_t)n : sizeof q - 1] = '\0';
  const struct entry *e = answer(b, q.call, q.mode, q.path, &from);
  write_log(b, &q, e, from);
  send_reply(client, e);
  return true;
}

static void take_client(struct broker *b) {
  struct ucred who;
  socklen_t size = sizeof who;
  int fd = accept4(b->polled[0].fd, NULL, NULL, SOCK_CLOEXEC);
  bool ours = fd >= 0 && !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) && who.uid == geteuid();
  b->came += ours;
  if (ours && b->count <= MOST_CLIENTS)
    b->polled[b->count++] = (struct pollfd){fd, POLLIN, 0};
  else if (fd >= 0)
    close(fd);
}

/* With nobody connected: how long somebody may still come. */
static int patience(const struct broker *b) {
  if (b->count > 1)
    return -1;
  return !b->o->ranks ? LINGER : b->came < b->o->ranks ? 10 * LINGER : 0;
}

void coll_serve(int listening, const struct coll_options *o) {
  static struct broker b;
  b.o = o;
  b.log = o->log ? open(o->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644) : -1;
  b.polled[0] = (struct pollfd){listening, POLLIN, 0};
  b.count = 1;
  while (poll(b.polled, (nfds_t)b.count, patience(&b)) != 0) {
    for (int i = b.count; --i > 0;)
      if (b.polled[i].revents && !serve_one(&b, b.polled[i].fd)) {
        close(b.polled[i].fd);
        b.polled[i] = b.polled[--b.count];
      }
    if (b.polled[0].revents)
      take_client(&b);
  }
}
