/* The stack of providers. A call goes to the first layer whose paths match, and on from there where the layer has no
 * function for it; inside a provider's function it begins below that provider. */
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "base/diag.h"
#include "base/span.h"
#include "base/text.h"

enum { PATH_ROOM = 4096 };

static void lock(struct ldx_io *io) { ldx_rlock_enter(&io->lock); }
static void unlock(struct ldx_io *io) { ldx_rlock_leave(&io->lock); }

/* Under the lock. */
static void drop_layer(struct ldx_io *io, struct ldx_io_layer *l) {
  while (l && --l->refs == 0) {
    struct ldx_io_layer *below = l->popped ? l->next : NULL;
    ldx_heap_free(io->heap, l->paths);
    ldx_heap_free(io->heap, l->files);
    ldx_heap_free(io->heap, l);
    l = below;
  }
}

/* A path with what "./" and double slashes say of it left out; false: too long, or there is no working folder. */
static bool make_absolute(const char *path, char *out) {
  size_t n = 0;
  if (*path != '/') {
    long cwd = sys_getcwd(out, PATH_ROOM);
    if (ldx_sys_failed(cwd) || cwd < 2 || *out != '/')
      return false;
    n = (size_t)cwd - 1;
    n -= out[n - 1] == '/';
  }
  while (*path) {
    size_t skip = ldx_skip(path, "/"), part = ldx_until(path + skip, "/");
    const char *name = path + skip;
    path = name + part;
    if (!part || (part == 1 && *name == '.'))
      continue;
    if (n + part + 2 > PATH_ROOM)
      return false;
    out[n++] = '/';
    memcpy(out + n, name, part);
    n += part;
  }
  if (!n)
    out[n++] = '/';
  out[n] = '\0';
  return true;
}

/* A file or folder, or what is below it. */
static bool is_below(const char *pattern, size_t n, const char *path) {
  while (n > 1 && pattern[n - 1] == '/')
    n--;
  return !strncmp(pattern, path, n) && (!path[n] || path[n] == '/' || (n == 1 && *pattern == '/'));
}

static bool has_wildcard(const char *pattern, size_t n) { return memchr(pattern, '*', n) || memchr(pattern, '?', n); }

static bool matches(const char *patterns, const char *text) {
  bool yes = *patterns == '!'; /* only exceptions: from all */
  for (const char *p = patterns; *p; p += *p == ':') {
    size_t n = ldx_until(p, ":"), not = *p == '!';
    const char *one = p + not ;
    bool hit = has_wildcard(p, n) ? ldx_glob(one, n - not, text) : n > not &&is_below(one, n - not, text);
    if (hit)
      yes = !not ;
    p += n;
  }
  return yes;
}

static bool covers(const struct ldx_io_layer *l, const char *path) {
  char absolute[PATH_ROOM];
  return !l->paths || (make_absolute(path, absolute) && matches(l->paths, absolute));
}

/* Under the lock: where a call of this thread begins. */
static struct ldx_io_layer *first_layer(const struct ldx_io *io) {
  uintptr_t self = ldx_thread_pointer();
  for (const struct ldx_io_call *c = io->calls; c; c = c->next)
    if (c->thread == self)
      return c->layer->next;
  return io->top;
}

/* The layer gets a reference; NULL: the kernel. `below` NULL: from where a call of this thread begins. */
static struct ldx_io_layer *find_layer(struct ldx_io *io, struct ldx_io_layer *below, const char *path) {
  lock(io);
  struct ldx_io_layer *l = below ? below->next : first_layer(io);
  while (l && (l->popped || !covers(l, path)))
    l = l->next;
  if (l)
    l->refs++;
  unlock(io);
  return l;
}

static void put_layer(struct ldx_io *io, struct ldx_io_layer *l) {
  if (!l)
    return;
  lock(io);
  drop_layer(io, l);
  unlock(io);
}

static void begin_call(struct ldx_io *io, struct ldx_io_call *c, struct ldx_io_layer *l) {
  lock(io);
  l->refs++;
  *c = (struct ldx_io_call){io->calls, l, ldx_thread_pointer()};
  io->calls = c;
  unlock(io);
}

static void end_call(struct ldx_io *io, struct ldx_io_call *c) {
  lock(io);
  struct ldx_io_call **link = &io->calls;
  while (*link != c)
    link = &(*link)->next;
  *link = c->next;
  drop_layer(io, c->layer);
  unlock(io);
}

/* result = l->io.function(l->ctx, ...) */
#define CALL(io_, l, result, function, ...)                                                                          \
  do {                                                                                                               \
    struct ldx_io_call call_;                                                                                        \
    begin_call(io_, &call_, l);                                                                                      \
    (result) = (l)->io.function((l)->ctx, ##__VA_ARGS__);                                                            \
    end_call(io_, &call_);                                                                                           \
  } while (0)

/* The number of an open file, with the reference to its layer; -ENOMEM. */
static long add_file(struct ldx_io *io, struct ldx_io_layer *l, const char *path, int fd) {
  char absolute[PATH_ROOM];
  char *kept = ldx_strdup(io->heap, make_absolute(path, absolute) ? absolute : path);
  size_t i = 0;
  lock(io);
  while (i < io->file_room && io->files[i].layer)
    i++;
  bool ok = kept && (i < io->file_room ||
                     ldx_heap_grow(io->heap, (void **)&io->files, &io->file_room, sizeof *io->files, 16));
  if (ok)
    io->files[i] = (struct ldx_io_file){l, kept, fd};
  unlock(io);
  if (!ok)
    ldx_heap_free(io->heap, kept);
  return ok ? LDX_IO_FIRST + (long)i : -ENOMEM;
}

static bool get_file(struct ldx_io *io, int fd, struct ldx_io_file *out) {
  size_t i = (size_t)(fd - LDX_IO_FIRST);
  lock(io);
  *out = i < io->file_room ? io->files[i] : (struct ldx_io_file){0};
  unlock(io);
  return out->layer;
}

const char *ldx_io_path(const struct ldx_io *io, int fd) {
  size_t i = (size_t)(fd - LDX_IO_FIRST);
  return io && !io_is_kernels(fd) && i < io->file_room ? io->files[i].path : NULL;
}

static long close_in(struct ldx_io *io, struct ldx_io_layer *l, int fd) {
  long r = 0;
  if (l->io.close)
    CALL(io, l, r, close, fd);
  else if (!(l->io.flags & LDX_IO_OWN_DESCRIPTORS))
    r = io_close(io, fd);
  return r;
}

static long open_below(struct ldx_io *io, struct ldx_io_layer *above, const char *path, int flags, uint32_t mode) {
  struct ldx_io_layer *l = find_layer(io, above, path);
  long r, number;
  if (!l)
    return sys_open_mode(path, flags, (int)mode);
  if (l->io.open)
    CALL(io, l, r, open, path, flags, mode);
  else
    r = open_below(io, l, path, flags, mode);
  number = r < 0 ? r : add_file(io, l, path, (int)r);
  if (r >= 0 && number < 0)
    close_in(io, l, (int)r);
  if (number < 0)
    put_layer(io, l);
  return number;
}

long ldx_io_open(struct ldx_io *io, const char *path, int flags, uint32_t mode) {
  return open_below(io, NULL, path, flags, mode);
}

long ldx_io_close(struct ldx_io *io, int fd) {
  struct ldx_io_file f;
  if (io_is_kernels(fd))
    return sys_close(fd);
  if (!get_file(io, fd, &f))
    return -EBADF;
  lock(io);
  io->files[fd - LDX_IO_FIRST] = (struct ldx_io_file){0};
  unlock(io);
  long r = close_in(io, f.layer, f.fd);
  ldx_heap_free(io->heap, f.path);
  put_layer(io, f.layer);
  return r;
}

/* What the layer has no function for: the next one below, unless it makes its descriptors up. */
static bool passes_on(const struct ldx_io_layer *l) { return !(l->io.flags & LDX_IO_OWN_DESCRIPTORS); }

long ldx_io_read(struct ldx_io *io, int fd, void *buf, size_t n) {
  struct ldx_io_file f;
  long r = -ENOSYS;
  if (io_is_kernels(fd))
    return sys_read(fd, buf, n);
  if (!get_file(io, fd, &f))
    return -EBADF;
  if (f.layer->io.read)
    CALL(io, f.layer, r, read, f.fd, buf, n);
  else if (passes_on(f.layer))
    r = ldx_io_read(io, f.fd, buf, n);
  return r;
}

long ldx_io_lseek(struct ldx_io *io, int fd, int64_t off, int whence) {
  struct ldx_io_file f;
  long r = -ENOSYS;
  if (io_is_kernels(fd))
    return LDX_SYS(SYS_lseek, fd, off, whence, 0, 0, 0);
  if (!get_file(io, fd, &f))
    return -EBADF;
  if (f.layer->io.lseek)
    CALL(io, f.layer, r, lseek, f.fd, off, whence);
  else if (passes_on(f.layer))
    r = ldx_io_lseek(io, f.fd, off, whence);
  return r;
}

/* For a provider that knows no pread. */
static long seek_and_read(struct ldx_io *io, int fd, void *buf, size_t n, int64_t off) {
  long was = ldx_io_lseek(io, fd, 0, 1 /* SEEK_CUR */), r = was;
  if (!ldx_sys_failed(r))
    r = ldx_io_lseek(io, fd, off, 0 /* SEEK_SET */);
  if (!ldx_sys_failed(r))
    r = ldx_io_read(io, fd, buf, n);
  if (!ldx_sys_failed(was))
    ldx_io_lseek(io, fd, was, 0);
  return r;
}

long ldx_io_pread(struct ldx_io *io, int fd, void *buf, size_t n, int64_t off) {
  struct ldx_io_file f;
  long r = -ENOSYS;
  if (io_is_kernels(fd))
    return sys_pread(fd, buf, n, off);
  if (!get_file(io, fd, &f))
    return -EBADF;
  if (f.layer->io.pread)
    CALL(io, f.layer, r, pread, f.fd, buf, n, off);
  else if (f.layer->io.read && f.layer->io.lseek)
    r = seek_and_read(io, fd, buf, n, off);
  else if (passes_on(f.layer))
    r = ldx_io_pread(io, f.fd, buf, n, off);
  return r;
}

long ldx_io_fstat(struct ldx_io *io, int fd, struct stat *st) {
  struct ldx_io_file f;
  long r = -ENOSYS;
  if (io_is_kernels(fd))
    return sys_fstat(fd, st);
  if (!get_file(io, fd, &f))
    return -EBADF;
  if (f.layer->io.fstat)
    CALL(io, f.layer, r, fstat, f.fd, st);
  else if (passes_on(f.layer))
    r = ldx_io_fstat(io, f.fd, st);
  return r;
}

static void record_mapping(struct ldx_io *io, struct ldx_io_layer *l, uintptr_t start, size_t n) {
  lock(io);
  struct ldx_io_mapping *m = io->mappings;
  while (m && !(start >= m->start && start + n <= m->end && m->layer == l))
    m = m->next;
  if (!m && (m = ldx_heap_alloc(io->heap, sizeof *m))) {
    l->refs++;
    *m = (struct ldx_io_mapping){io->mappings, l, start, start + n};
    io->mappings = m;
  }
  unlock(io);
}

/* The contents in memory that belongs to nobody; read before it may be executed. */
static long map_copy(struct ldx_io *io, void *addr, size_t n, int prot, int flags, int fd, int64_t off) {
  int kept = flags & (MAP_FIXED | MAP_FIXED_NOREPLACE);
  long at = sys_mmap(addr, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | kept, -1, 0), r = at;
  size_t done = 0;
  if (ldx_sys_failed(at))
    return at;
  while (done < n && (r = ldx_io_pread(io, fd, (char *)at + done, n - done, off + (int64_t)done)) > 0)
    done += (size_t)r;
  if (!ldx_sys_failed(r) && prot != (PROT_READ | PROT_WRITE))
    r = sys_mprotect((void *)at, n, prot);
  if (ldx_sys_failed(r))
    sys_munmap((void *)at, n);
  return ldx_sys_failed(r) ? r : at;
}

long ldx_io_mmap(struct ldx_io *io, void *addr, size_t n, int prot, int flags, int fd, int64_t off) {
  bool zero = flags & MAP_ANONYMOUS;
  struct ldx_io_file f;
  long r;
  if (io_is_kernels(fd))
    return sys_mmap(addr, n, prot, flags, zero ? -1 : fd, off);
  if (!get_file(io, fd, &f))
    return -EBADF;
  const struct ldx_io_provider *p = &f.layer->io;
  if (p->mmap && (!zero || (p->flags & LDX_IO_ZERO_FILL))) {
    CALL(io, f.layer, r, mmap, addr, n, prot, flags, zero ? -1 : f.fd, off);
    if (!ldx_sys_failed(r) && p->munmap)
      record_mapping(io, f.layer, (uintptr_t)r, n);
    return r;
  }
  if (passes_on(f.layer))
    return ldx_io_mmap(io, addr, n, prot, flags, f.fd, off);
  return zero ? sys_mmap(addr, n, prot, flags, -1, 0) : map_copy(io, addr, n, prot, flags, fd, off);
}

/* Who mapped that, taken from the list; what is cut off at one end stays known. */
static struct ldx_io_layer *forget_mapping(struct ldx_io *io, uintptr_t start, uintptr_t end) {
  lock(io);
  struct ldx_io_mapping **link = &io->mappings, *m;
  while ((m = *link) && !(start >= m->start && start < m->end))
    link = &m->next;
  struct ldx_io_layer *l = m ? m->layer : NULL;
  if (m && start == m->start && end < m->end)
    m->start = end, l->refs++;
  else if (m && start > m->start)
    m->end = start, l->refs++;
  else if (m) { /* its reference is the caller's now */
    *link = m->next;
    ldx_heap_free(io->heap, m);
  }
  unlock(io);
  return l;
}

long ldx_io_munmap(struct ldx_io *io, void *addr, size_t n) {
  uintptr_t start = (uintptr_t)addr, end = start + ((n + LDX_PAGE - 1) & ~(size_t)(LDX_PAGE - 1));
  struct ldx_io_layer *l = forget_mapping(io, start, end);
  long r;
  if (!l)
    return sys_munmap(addr, n);
  CALL(io, l, r, munmap, addr, n);
  put_layer(io, l);
  return r;
}

/* A call by path: the first layer that covers it and has a function for it. */
static struct ldx_io_layer *find_with(struct ldx_io *io, const char *path, size_t function) {
  struct ldx_io_layer *l = find_layer(io, NULL, path);
  while (l && !*(void **)((char *)&l->io + function)) {
    struct ldx_io_layer *above = l;
    l = find_layer(io, above, path);
    put_layer(io, above);
  }
  return l;
}
#define FIND(io, path, function) find_with(io, path, offsetof(struct ldx_io_provider, function))

long ldx_io_stat(struct ldx_io *io, const char *path, struct stat *st, int flags) {
  struct ldx_io_layer *l = FIND(io, path, stat);
  long r;
  if (!l)
    return LDX_SYS(SYS_newfstatat, AT_FDCWD, path, st, flags, 0, 0);
  CALL(io, l, r, stat, path, st, flags);
  put_layer(io, l);
  return r;
}

long ldx_io_access(struct ldx_io *io, const char *path, int mode) {
  struct ldx_io_layer *l = FIND(io, path, access);
  long r;
  if (!l)
    return sys_access(path, mode);
  CALL(io, l, r, access, path, mode);
  put_layer(io, l);
  return r;
}

long ldx_io_readlink(struct ldx_io *io, const char *path, char *buf, size_t n) {
  struct ldx_io_layer *l = FIND(io, path, readlink);
  long r;
  if (!l)
    return sys_readlink(path, buf, n);
  CALL(io, l, r, readlink, path, buf, n);
  put_layer(io, l);
  return r;
}

long ldx_io_list(struct ldx_io *io, const char *path, uint64_t from, void *buf, size_t n) {
  struct ldx_io_layer *l = FIND(io, path, list);
  long r;
  if (!l)
    return -ENOSYS;
  CALL(io, l, r, list, path, from, buf, n);
  put_layer(io, l);
  return r;
}

static bool wants(const struct ldx_io_layer *l, const char *path, const char *last, enum ldx_io_wanted what) {
  return !l->popped && (what == LDX_IO_ANY || (l->files && matches(l->files, last))) &&
         (!l->paths || matches(l->paths, path));
}

bool ldx_io_wants(struct ldx_io *io, const char *path, enum ldx_io_wanted what) {
  char absolute[PATH_ROOM], last[PATH_ROOM];
  if (io_is_plain(io) || !path || !make_absolute(path, absolute))
    return false;
  size_t n = strlen(strcpy(last, strrchr(absolute, '/') + 1));
  if (what == LDX_IO_FOLDER)
    strcpy(last + n, "/");
  bool wanted = false;
  lock(io);
  for (const struct ldx_io_layer *l = first_layer(io); l && !wanted; l = l->next)
    wanted = wants(l, absolute, last, what);
  unlock(io);
  return wanted;
}

/* All of the stack, top first; those that come or go meanwhile are left out. */
static struct ldx_io_layer *next_layer(struct ldx_io *io, struct ldx_io_layer *l) {
  lock(io);
  struct ldx_io_layer *next = l ? l->next : first_layer(io);
  while (next && next->popped)
    next = next->next;
  if (next)
    next->refs++;
  if (l)
    drop_layer(io, l);
  unlock(io);
  return next;
}

void ldx_io_begin(struct ldx_io *io, const char *name) {
  struct ldx_io_layer *l = io_is_plain(io) ? NULL : next_layer(io, NULL);
  for (; l; l = next_layer(io, l))
    if (l->io.begin) {
      struct ldx_io_call c;
      begin_call(io, &c, l);
      l->io.begin(l->ctx, name);
      end_call(io, &c);
    }
}

int ldx_io_end(struct ldx_io *io, const char *name, int error) {
  struct ldx_io_layer *l = io_is_plain(io) ? NULL : next_layer(io, NULL);
  for (; l; l = next_layer(io, l))
    if (l->io.end) {
      int r;
      CALL(io, l, r, end, name, -error);
      error = -r;
    }
  return error;
}

static char *copy(struct ldx_heap *h, const char *s, bool *ok) {
  char *c = s ? ldx_strdup(h, s) : NULL;
  *ok = *ok && (c || !s);
  return c;
}

long ldx_io_add(struct ldx_io *io, struct ldx_tool *tool, const struct ldx_io_scope *scope,
                const struct ldx_io_provider *p, void *ctx) {
  const struct ldx_io_scope all = {sizeof all, NULL, NULL};
  if (!p || p->size < offsetof(struct ldx_io_provider, open) || (scope && scope->size < sizeof all))
    return -EINVAL;
  struct ldx_io_layer *l = ldx_heap_alloc(io->heap, sizeof *l);
  bool ok = l;
  if (!l)
    return -ENOMEM;
  scope = scope ? scope : &all;
  memcpy(&l->io, p, p->size < sizeof *p ? p->size : sizeof *p);
  l->tool = tool;
  l->ctx = ctx;
  l->refs = 1;
  l->paths = copy(io->heap, scope->paths, &ok);
  l->files = copy(io->heap, scope->files, &ok);
  lock(io);
  l->next = io->top;
  if (ok) {
    __atomic_store_n(&io->top, l, __ATOMIC_RELEASE);
    io->program_layers += l->files != NULL;
  } else
    drop_layer(io, l);
  unlock(io);
  return ok ? 0 : -ENOMEM;
}

long ldx_io_remove(struct ldx_io *io, struct ldx_tool *tool) {
  lock(io);
  struct ldx_io_layer **link = &io->top, *l;
  while ((l = *link) && l->tool != tool)
    link = &l->next;
  if (l) {
    __atomic_store_n(link, l->next, __ATOMIC_RELEASE);
    l->popped = true;
    io->program_layers -= l->files != NULL;
    if (l->next)
      l->next->refs++; /* whose call is under way finds its way down */
    drop_layer(io, l);
  }
  unlock(io);
  return l ? 0 : -ENOENT;
}

void ldx_io_after_fork(struct ldx_io *io) {
  uintptr_t self = ldx_thread_pointer();
  struct ldx_io_call **link = &io->calls;
  while (*link)
    if ((*link)->thread == self)
      link = &(*link)->next;
    else
      *link = (*link)->next;
}
