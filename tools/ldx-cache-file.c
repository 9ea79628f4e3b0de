#include "ldx-cache-file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/lock.h"

/* What base/lock.c asks the CPU's folder. */
uintptr_t ldx_thread_pointer(void) { return (uintptr_t)__builtin_thread_pointer(); }

static void *read_all(struct session *s, const char *path, size_t *size) {
  struct stat st;
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  char *bytes = NULL;
  *size = 0;
  if (fd >= 0 && !fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_size && st.st_size <= LDX_CACHE_MAX_SIZE)
    bytes = ldx_heap_alloc(&s->heap, (size_t)st.st_size);
  for (ssize_t n = 1; bytes && n > 0 && *size<(size_t)st.st_size; *size += n> 0 ? (size_t)n : 0)
    n = pread(fd, bytes + *size, (size_t)st.st_size - *size, (off_t)*size);
  if (fd >= 0)
    close(fd);
  return bytes;
}

void cache_read(struct session *s, const char *path, struct cache *out) {
  size_t size;
  *out = (struct cache){.path = strdup(path), .bytes = read_all(s, path, &size)};
  if (!out->bytes)
    out->fault = access(path, F_OK) && errno == ENOENT ? ""
                 : access(path, R_OK)                  ? "cannot be read"
                                                       : "is no launch cache";
  else
    out->fault = ldx_cache_open((struct ldx_span){out->bytes, size}, size, &out->view);
  if (out->fault)
    out->view = (struct ldx_cache_view){0};
}

void cache_free(struct session *s, struct cache *c) {
  ldx_heap_free(&s->heap, c->bytes);
  free(c->path);
}

static const char *say(const char *path, const char *what) {
  static char text[4400];
  snprintf(text, sizeof text, "%s %s", path, what);
  return text;
}

const char *record_fault(struct session *s, const struct ldx_record_view *r) {
  for (uint32_t i = 0; i < r->head->witnesses; i++) {
    const struct ldx_cache_witness *w = &r->witnesses[i];
    const char *path = ldx_record_text(r, w->path);
    if (w->kind == LDX_WITNESS_CPU || ldx_places_hold(&s->places, path, w))
      continue;
    if (w->kind == LDX_WITNESS_ABSENT)
      return say(path, "was not there");
    if (access(path, F_OK))
      return say(path, "is not there any more");
    return say(path, w->kind == LDX_WITNESS_FOLDER ? "has changed: a library may have come or gone" : "has changed");
  }
  return NULL;
}

static const char *state_fault(const char *path, const struct ldx_file_key *was, const struct ldx_file_key *is) {
  struct ldx_file_state a, b;
  memcpy(&a, was->at, sizeof a);
  memcpy(&b, is->at, sizeof b);
  if (a.ino != b.ino)
    return say(path, "is another file (its inode differs)");
  if (a.size != b.size)
    return say(path, "has changed (its size differs)");
  return say(path, a.mtime != b.mtime || a.mtime_ns != b.mtime_ns ? "has changed (its mtime differs)"
                                                                  : "has changed (its ctime differs)");
}

const char *entry_fault(struct session *s, const struct ldx_record_view *r, const struct ldx_cache_entry *e) {
  const char *path = ldx_record_text(r, e->path);
  struct ldx_file_key key;
  struct stat st;
  if (!path || e->key.kind == LDX_KEYED_BY_TOOL)
    return NULL;
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0)
    return say(path, errno == ENOENT ? "is not there any more" : strerror(errno));
  bool ok = !fstat(fd, &st);
  if (ok)
    ldx_file_key(&s->heap, NULL, fd, &st, e->key.kind, &key);
  close(fd);
  if (ok && ldx_same_key(&key, &e->key))
    return NULL;
  if (ok && key.kind == LDX_KEYED_BY_STATE && e->key.kind == LDX_KEYED_BY_STATE)
    return state_fault(path, &e->key, &key);
  char what[64];
  snprintf(what, sizeof what, "has changed (its %s differs)", ldx_key_kind_name(e->key.kind));
  return say(path, what);
}

const char *record_setting(const struct ldx_record_view *r, const char *name, char *buf, size_t size) {
  size_t n = strlen(name);
  for (const char *p = ldx_record_text(r, r->head->settings); p && *p; p = strchr(p, '\n'), p += p != NULL)
    if (!strncmp(p, name, n) && p[n] == '=') {
      snprintf(buf, size, "%.*s", (int)strcspn(p + n + 1, "\n"), p + n + 1);
      return buf;
    }
  return NULL;
}

const char *key_text(const struct ldx_file_key *k, char buf[2 * LDX_CACHE_KEY_SIZE + 1]) {
  uint32_t n = k->size < LDX_CACHE_KEY_SIZE ? k->size : LDX_CACHE_KEY_SIZE;
  for (uint32_t i = 0; i < n; i++)
    snprintf(buf + 2 * i, 3, "%02x", k->at[i]);
  buf[2 * n] = '\0';
  return buf;
}

static bool write_file(const char *path, const char *bytes, size_t size) {
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
  bool ok = fd >= 0;
  for (size_t done = 0; ok && done < size;) {
    ssize_t n = write(fd, bytes + done, size - done);
    ok = n > 0;
    done += ok ? (size_t)n : 0;
  }
  if (fd >= 0 && close(fd))
    ok = false;
  return ok;
}

/* One after the other: each step makes a file without one record. */
static int drop_locked(struct session *s, const char *path, bool (*drop)(void *, const struct ldx_record_view *),
                       void *arg) {
  struct cache c;
  cache_read(s, path, &c);
  int dropped = 0;
  for (uint32_t i = 0; i < c.view.records;) {
    struct ldx_record_view r;
    size_t size;
    if (!ldx_cache_read(&c.view, i, &r) && !drop(arg, &r)) {
      i++;
      continue;
    }
    const char *program = r.slot ? ldx_record_text(&r, r.head->program) : "";
    const char *settings = r.slot ? ldx_record_text(&r, r.head->settings) : "";
    uint32_t before = c.view.records;
    void *bytes = ldx_cache_write(&s->heap, &c.view, NULL, program, settings, 0, &size);
    ldx_heap_free(&s->heap, c.bytes);
    c.bytes = bytes;
    if (!bytes || ldx_cache_open((struct ldx_span){bytes, size}, size, &c.view) || c.view.records >= before) {
      errno = ENOMEM;
      dropped = -1;
      break;
    }
    dropped += (int)(before - c.view.records);
    i = 0;
  }
  char *other = NULL;
  if (dropped > 0 &&
      (asprintf(&other, "%s.new", path) < 0 || !write_file(other, c.bytes, c.view.file.size) || rename(other, path)))
    dropped = -1;
  free(other);
  cache_free(s, &c);
  return dropped;
}

int cache_drop(struct session *s, const char *path, bool (*drop)(void *arg, const struct ldx_record_view *r),
               void *arg) {
  char *name = NULL;
  if (asprintf(&name, "%s.lock", path) < 0)
    return -1;
  int lock = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  free(name);
  if (lock < 0 || flock(lock, LOCK_EX))
    return -1;
  int dropped = drop_locked(s, path, drop, arg);
  int error = errno;
  close(lock);
  errno = error;
  return dropped;
}
