/* Writing of launch caches: a new file beside the old one, renamed over it. Who writes holds a lock, and takes over
 * what others have written since. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/print.h"
#include "loader/launch_cache.h"
#include "search/search_context.h"

enum { PATIENCE = 5000 /* milliseconds that another one may take to write; he may have been stopped */ };

struct saving {
  struct ldx_launch_cache *c;
  struct ldx_cache_level *level;
  char lock[4096], new[4096];
  int error; /* errno value */
};

static int64_t now(void) {
  int64_t t[2] = {0, 0};
  LDX_SYS(SYS_clock_gettime, 0 /* CLOCK_REALTIME */, t, 0, 0, 0, 0);
  return t[0];
}

/* The lock's descriptor; -1: see s->error. */
static int take_lock(struct saving *s) {
  long fd = sys_open_mode(s->lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600), r = fd;
  for (int waited = 0; !ldx_sys_failed(fd); waited++) {
    const int64_t pause[2] = {0, 1000 * 1000};
    r = LDX_SYS(SYS_flock, fd, 2 | 4 /* LOCK_EX | LOCK_NB */, 0, 0, 0, 0);
    if (!ldx_sys_failed(r))
      return (int)fd;
    if ((r != -EAGAIN && r != -EINTR) || waited == PATIENCE) {
      sys_close((int)fd);
      break;
    }
    LDX_SYS(SYS_nanosleep, pause, 0, 0, 0, 0, 0);
  }
  s->error = (int)-r;
  return -1;
}

/* The whole file as it is now (heap); an empty view when there is none that is sound. */
static void *read_file(const struct saving *s, struct ldx_cache_view *out) {
  struct stat st;
  *out = (struct ldx_cache_view){0};
  long fd = sys_open(s->level->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (ldx_sys_failed(fd))
    return NULL;
  bool ok = !ldx_sys_failed(sys_fstat((int)fd, &st)) && ldx_cache_trusted(&st);
  uint64_t size = ok ? (uint64_t)st.st_size : 0, done = 0;
  char *bytes = size && size <= LDX_CACHE_MAX_SIZE ? ldx_new(size) : NULL;
  for (long n = 1; bytes && done < size && n > 0; done += n > 0 ? (uint64_t)n : 0)
    n = sys_pread((int)fd, bytes + done, size - done, (int64_t)done);
  sys_close((int)fd);
  if (!bytes || done < size || ldx_cache_open((struct ldx_span){(uint8_t *)bytes, size}, size, out))
    *out = (struct ldx_cache_view){0};
  return bytes;
}

/* What others know is taken over, unless this start has found it to be wrong. */
static void merge(struct saving *s, const struct ldx_cache_view *v) {
  struct ldx_record_view r;
  const struct ldx_cache_level *l = s->level;
  if (!ldx_cache_find(v, s->c->program, s->c->settings, &r) || ldx_draft_conflicts(&s->c->draft, &r))
    return;
  if (l->state == LDX_LEVEL_STALE && l->record.slot->sum == r.slot->sum)
    return;
  ldx_draft_merge(&s->c->draft, &r);
}

static bool write_all(struct saving *s, int fd, const char *bytes, size_t size) {
  for (size_t done = 0; done < size;) {
    long n = sys_write(fd, bytes + done, size - done);
    if (ldx_sys_failed(n) || n == 0) {
      s->error = n ? (int)-n : ENOSPC;
      return false;
    }
    done += (size_t)n;
  }
  return true;
}

/* Past the limit of file sizes a write does not fail: a signal ends the program. */
static bool is_allowed(size_t size) {
  uint64_t limit[2] = {UINT64_MAX, 0};
  LDX_SYS(SYS_prlimit64, 0, 1 /* RLIMIT_FSIZE */, NULL, limit, 0, 0);
  return size <= limit[0];
}

static bool replace(struct saving *s, const char *bytes, size_t size) {
  if (!is_allowed(size)) {
    s->error = EFBIG;
    return false;
  }
  LDX_SYS(SYS_unlink, s->new, 0, 0, 0, 0, 0); /* of one who did not come to the end */
  long fd = sys_open_mode(s->new, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (ldx_sys_failed(fd)) {
    s->error = (int)-fd;
    return false;
  }
  bool ok = write_all(s, (int)fd, bytes, size);
  long closed = sys_close((int)fd);
  long r = !ok ? 0 : ldx_sys_failed(closed) ? closed : LDX_SYS(SYS_rename, s->new, s->level->path, 0, 0, 0, 0);
  if (ldx_sys_failed(r))
    s->error = (int)-r;
  if (s->error)
    LDX_SYS(SYS_unlink, s->new, 0, 0, 0, 0, 0);
  return !s->error;
}

/* Whoever names a device, a pipe or a folder does not get it replaced. */
static bool is_replaceable(const char *path) {
  struct stat st;
  return ldx_sys_failed(sys_stat(path, &st)) || S_ISREG(st.st_mode);
}

static bool write_locked(struct saving *s) {
  struct ldx_cache_view old;
  size_t size = 0;
  void *bytes = read_file(s, &old);
  merge(s, &old);
  void *made = ldx_cache_write(&ldx_self.heap, &old, &s->c->draft, s->c->program, s->c->settings, now(), &size);
  ldx_delete(bytes);
  if (!made)
    s->error = ENOMEM;
  bool ok = made && replace(s, made, size);
  ldx_delete(made);
  return ok;
}

/* The user's folder, and the one above. */
static void make_folders(const char *path) {
  char folder[4096];
  size_t n = strlen(path);
  memcpy(folder, path, n + 1);
  char *last = strrchr(folder, '/');
  *last = '\0';
  char *above = strrchr(folder, '/');
  if (above && above != folder) {
    *above = '\0';
    LDX_SYS(SYS_mkdir, folder, 0700, 0, 0, 0, 0);
    *above = '/';
  }
  LDX_SYS(SYS_mkdir, folder, 0700, 0, 0, 0, 0);
}

static bool ends_with(const char *text, const char *end) {
  size_t n = strlen(text), m = strlen(end);
  return n >= m && !strcmp(text + n - m, end);
}

static bool write_level(struct saving *s) {
  const char *path = s->level->path;
  s->error = is_replaceable(path) ? 0 : EACCES;
  if (s->error)
    return false;
  if (ldx_format(s->lock, sizeof s->lock, "%s.lock", path) >= sizeof s->lock ||
      ldx_format(s->new, sizeof s->new, "%s.new", path) >= sizeof s->new) {
    s->error = ENAMETOOLONG;
    return false;
  }
  int lock = take_lock(s);
  if (lock < 0 && s->error == ENOENT && ends_with(path, "/" LDX_CACHE_NAME)) {
    make_folders(path);
    s->error = 0;
    lock = take_lock(s);
  }
  if (lock < 0)
    return false;
  bool ok = write_locked(s);
  sys_close(lock);
  return ok;
}

/* Where one may not write there is nothing to tell. */
static bool is_news(int error) {
  return error != EACCES && error != EPERM && error != EROFS && error != EAGAIN && error != ENOMEM && error != EFBIG;
}

static bool try_level(struct saving *s) {
  struct ldx_cache_level *l = s->level;
  ldx_level_read(s->c, l);
  if (l->refused || (!l->create && sys_access(l->path, 0)))
    return false;
  if (write_level(s))
    return true;
  l->refused = s->error != EAGAIN;
  if (is_news(s->error))
    ldx_print(2, "ldx: cannot write launch cache %s: %s\n", l->path, ldx_errno_text(s->error));
  return false;
}

void ldx_launch_cache_save(struct ldx_launch_cache *c) {
  struct saving s = {.c = c};
  char cpu[128];
  if (!c->changed || c->readonly || c->draft.failed || c->places.unfit)
    return;
  c->changed = false;
  if (ldx_search_cpu(&ldx_self.search, false, cpu, sizeof cpu)) {
    const struct ldx_cache_witness w = {.kind = LDX_WITNESS_CPU};
    ldx_draft_witness(&c->draft, cpu, &w);
  }
  ldx_places_witness(&c->places, &c->draft);
  for (uint32_t i = 0; i < c->level_count; i++) {
    s.level = &c->levels[i];
    if (try_level(&s))
      return;
  }
  c->readonly = true;
}
