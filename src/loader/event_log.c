#include "loader/event_log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>

#include "base/sys.h"
#include "base/text.h"
#include "loader/dump.h"
#include "loader/tell.h"

enum { LINE = 4096, ABOVE_THE_PROGRAMS = 200 /* descriptors */ };

struct event_log {
  uint64_t types;
  int fd;
  struct stat file; /* without a type: the descriptor is the user's */
};

/* A line is one write where it fits: those of several threads do not mix. */
struct line {
  int fd;
  size_t n;
  char text[LINE];
};

/* A pipe that nobody reads from any more would end the program (SIGPIPE) if it were written to. */
static bool has_reader(int fd) {
  struct pollfd p = {fd, POLLOUT, 0};
  return ldx_sys_failed(LDX_SYS(SYS_poll, &p, 1, 0, 0, 0, 0)) || !(p.revents & (POLLERR | POLLNVAL));
}

/* Neither that nor a full disk must stop the program. */
static void write_all(int fd, const char *text, size_t n) {
  for (size_t done = 0; done < n && has_reader(fd);) {
    long w = sys_write(fd, text + done, n - done);
    if (w <= 0 && w != -EINTR)
      return;
    done += w > 0 ? (size_t)w : 0;
  }
}

static void flush(struct line *l) {
  write_all(l->fd, l->text, l->n);
  l->n = 0;
}

static void put(void *arg, const char *text, size_t n) {
  struct line *l = arg;
  if (l->n + n > sizeof l->text)
    flush(l);
  if (n > sizeof l->text) {
    write_all(l->fd, text, n);
    return;
  }
  memcpy(l->text + l->n, text, n);
  l->n += n;
}

/* A program that closes all descriptors may have a file of its own there by now. */
static bool is_open(const struct event_log *log) {
  struct stat now;
  return !log->file.st_mode || (!ldx_sys_failed(sys_fstat(log->fd, &now)) && now.st_dev == log->file.st_dev &&
                                now.st_ino == log->file.st_ino);
}

static void write_event(void *ctx, const struct ldx_event *e) {
  const struct event_log *log = ctx;
  struct line l;
  if (!is_open(log))
    return;
  l.fd = log->fd;
  l.n = 0;
  ldx_dump_event(e, put, &l);
  flush(&l);
}

static bool add_types(struct event_log *log, const char *pattern, size_t n, const char *where, struct ldx_diag *d) {
  uint64_t types = ldx_hooks_types(pattern, n);
  log->types |= types;
  return types || ldx_fail(d, LDX_DIAG_LOAD, 0, where, "no event is called '%.*s'", (int)n, pattern);
}

/* --trace mapped,dl* */
static bool read_option(struct event_log *log, const char *list, struct ldx_diag *d) {
  for (const char *p = list; *p; p += *p == ',') {
    size_t n = ldx_until(p, ",");
    if (n && !add_types(log, p, n, "--trace", d))
      return false;
    p += n;
  }
  return true;
}

static bool open_file(struct event_log *log, const char *path, struct ldx_diag *d) {
  long fd = sys_open_mode(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644), high;
  if (ldx_sys_failed(fd))
    return ldx_fail(d, LDX_DIAG_LOAD, (int)-fd, path, "cannot write events");
  high = LDX_SYS(SYS_fcntl, fd, F_DUPFD_CLOEXEC, ABOVE_THE_PROGRAMS, 0, 0, 0);
  if (!ldx_sys_failed(high))
    sys_close((int)fd);
  log->fd = ldx_sys_failed(high) ? (int)fd : (int)high;
  sys_fstat(log->fd, &log->file);
  return true;
}

static bool read_policy(struct event_log *log, const struct ldx_policy *p, struct ldx_diag *d) {
  const ldx_policy_texts *types = &p->events.types;
  for (uint32_t i = 0; i < types->count; i++)
    if (!add_types(log, types->at[i].text, strlen(types->at[i].text), types->at[i].where, d))
      return false;
  if (!types->count)
    log->types = LDX_EV_ALL & ~LDX_EV_FREQUENT;
  if (p->events.log.is == LDX_LOG_FD)
    log->fd = p->events.log.number;
  return p->events.log.is != LDX_LOG_FILE || open_file(log, p->events.log.text, d);
}

bool ldx_start_event_log(struct ldx_diag *d) {
  const struct ldx_policy *p = ldx_self.policy;
  const char *option = ldx_self.options.trace_events;
  if (!option && !(p && p->events.log.is))
    return true;
  struct event_log *log = ldx_new(sizeof *log);
  struct ldx_tool *t = ldx_hooks_new_tool(&ldx_self.hooks, "log", "", NULL);
  if (!log || !t)
    return ldx_fail(d, LDX_DIAG_LOAD, ENOMEM, "", "cannot write events");
  log->fd = 2;
  if ((option && !read_option(log, option, d)) || (p && p->events.log.is && !read_policy(log, p, d)))
    return false;
  if (!ldx_hooks_add_tool(&ldx_self.hooks, t, d))
    return false;
  int error = ldx_subscribe(t, log->types, write_event, log, 0);
  return !error || ldx_fail(d, LDX_DIAG_LOAD, -error, "", "cannot write events");
}
