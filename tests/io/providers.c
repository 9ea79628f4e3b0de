/* Providers of all kinds around dlopen: `providers CASE FOLDER`, where FOLDER has the libraries. */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <ldx/collfs.h>
#include <ldx/io.h>
#include <ldx/spindle.h>
#include <link.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static const char *folder;

static const char *in_folder(const char *name) {
  static char path[8][4096];
  static unsigned turn;
  char *p = path[turn++ % 8];
  snprintf(p, sizeof path[0], "%s/%s", folder, name);
  return p;
}

static int use(void *handle) {
  CHECK(handle);
  int (*value)(void) = (int (*)(void))dlsym(handle, "io_value");
  CHECK(value && value() == 42);
  return dlclose(handle);
}
static int load(const char *name) { return use(dlopen(in_folder(name), RTLD_NOW)); }

/* Everything counted, and passed on. */
struct counts {
  const char *name;
  unsigned open, close, read, pread, fstat, stat, mmap, munmap, access, readlink, zero, begin, end;
};
static int c_open(void *ctx, const char *path, int flags, uint32_t mode) {
  ((struct counts *)ctx)->open++;
  return ldx_io_next()->open(NULL, path, flags, mode);
}
static int c_close(void *ctx, int fd) {
  ((struct counts *)ctx)->close++;
  return ldx_io_next()->close(NULL, fd);
}
static int64_t c_read(void *ctx, int fd, void *buffer, size_t n) {
  ((struct counts *)ctx)->read++;
  return ldx_io_next()->read(NULL, fd, buffer, n);
}
static int64_t c_pread(void *ctx, int fd, void *buffer, size_t n, int64_t offset) {
  ((struct counts *)ctx)->pread++;
  return ldx_io_next()->pread(NULL, fd, buffer, n, offset);
}
static int c_fstat(void *ctx, int fd, struct stat *st) {
  ((struct counts *)ctx)->fstat++;
  return ldx_io_next()->fstat(NULL, fd, st);
}
static int c_stat(void *ctx, const char *path, struct stat *st, int flags) {
  ((struct counts *)ctx)->stat++;
  return ldx_io_next()->stat(NULL, path, st, flags);
}
static int64_t c_mmap(void *ctx, void *addr, size_t n, int protection, int flags, int fd, int64_t offset) {
  *(flags & MAP_ANONYMOUS ? &((struct counts *)ctx)->zero : &((struct counts *)ctx)->mmap) += 1;
  if (flags & MAP_ANONYMOUS) {
    CHECK(fd == -1);
    void *p = mmap(addr, n, protection, flags, -1, offset);
    return p == MAP_FAILED ? -errno : (int64_t)p;
  }
  return ldx_io_next()->mmap(NULL, addr, n, protection, flags, fd, offset);
}
static int c_munmap(void *ctx, void *addr, size_t n) {
  ((struct counts *)ctx)->munmap++;
  return ldx_io_next()->munmap(NULL, addr, n);
}
static int c_access(void *ctx, const char *path, int mode) {
  ((struct counts *)ctx)->access++;
  return ldx_io_next()->access(NULL, path, mode);
}
static int64_t c_readlink(void *ctx, const char *path, char *buffer, size_t n) {
  ((struct counts *)ctx)->readlink++;
  return ldx_io_next()->readlink(NULL, path, buffer, n);
}
static void c_begin(void *ctx, const char *name) {
  ((struct counts *)ctx)->begin++;
  (void)name;
}
static int c_end(void *ctx, const char *name, int error) {
  ((struct counts *)ctx)->end++;
  return strstr(name, "refused") ? -EIO : error;
}
static const struct ldx_io_provider counting = {
    sizeof counting, LDX_IO_ZERO_FILL, c_open,   c_close,  c_read,     c_pread, NULL,    c_fstat,
    c_stat,          c_mmap,           c_munmap, c_access, c_readlink, NULL,    c_begin, c_end};

static void print_counts(const struct counts *c) {
  printf("open %u\nclose %u\nread %u\npread %u\nfstat %u\nstat %u\nmmap %u\nzero %u\nmunmap %u\n", c->open, c->close,
         c->read, c->pread, c->fstat, c->stat, c->mmap, c->zero, c->munmap);
}

/* What a provider sees of a load is what the kernel sees: the driver counts the latter between the marks. */
static void counts(void) {
  struct counts c = {.name = "counter"};
  CHECK(!ldx_io_push(NULL, NULL, &counting, &c));
  CHECK(write(-7, "mark", 4) == -1);
  void *a = dlopen(in_folder("libio-a.so"), RTLD_NOW), *b = dlopen(in_folder("libio-b.so"), RTLD_NOW);
  void *missing = dlopen(in_folder("libio-missing.so"), RTLD_NOW);
  void *named = dlopen("libio-nowhere.so.9", RTLD_NOW);
  int closed = dlclose(a) | dlclose(b);
  CHECK(write(-7, "mark", 4) == -1);
  CHECK(a && b && !missing && !named && !closed);
  CHECK(!ldx_io_pop(NULL));
  print_counts(&c);
  CHECK(c.begin == 4 && c.end == 4);
}

/* Set and cleared, nested, per path. */
static int refuse(void *ctx, const char *path, int flags, uint32_t mode) {
  (void)path, (void)flags, (void)mode;
  ++*(int *)ctx;
  return -EACCES;
}
static bool fails_with(const char *name, const char *text) {
  void *h = dlopen(in_folder(name), RTLD_NOW);
  const char *error = h ? "no error" : dlerror();
  if (!strstr(error, text))
    fprintf(stderr, "%s: %s\n", name, error);
  return strstr(error, text);
}
static void nested(void) {
  struct counts outer = {.name = "outer"}, inner = {.name = "inner"};
  int refused = 0;
  const struct ldx_io_provider refusing = {.size = sizeof refusing, .open = refuse};
  const struct ldx_io_scope scope = {.size = sizeof scope, .paths = in_folder("libio-a*")};
  CHECK(ldx_io_pop(NULL) == -ENOENT);
  CHECK(!ldx_io_push(NULL, NULL, &counting, &inner));
  CHECK(!ldx_io_push(NULL, &scope, &refusing, &refused));
  CHECK(!ldx_io_push(NULL, NULL, &counting, &outer));
  CHECK(fails_with("libio-a.so", "libio-a.so: cannot open shared object file: Permission denied"));
  CHECK(refused == 1 && outer.open == 1 && inner.open == 0);
  CHECK(!load("libio-b.so"));
  CHECK(refused == 1 && outer.open == 2 && inner.open == 1 && outer.mmap == inner.mmap && outer.mmap);
  CHECK(!ldx_io_pop(NULL));
  CHECK(fails_with("libio-a.so", "Permission denied") && refused == 2);
  CHECK(!ldx_io_pop(NULL));
  CHECK(!load("libio-a.so") && refused == 2 && outer.open == 2 && inner.open == 2);
  CHECK(!ldx_io_pop(NULL));
  CHECK(!load("libio-a.so") && inner.open == 2);
  CHECK(ldx_io_pop(NULL) == -ENOENT);
  /* who has opened a file has it to the end */
  CHECK(!ldx_io_push(NULL, NULL, &counting, &inner));
  void *h = dlopen(in_folder("libio-a.so"), RTLD_NOW);
  unsigned before = inner.munmap;
  CHECK(!ldx_io_pop(NULL));
  CHECK(!use(h) && inner.munmap == before + 1);
  const struct ldx_io_provider empty = {.size = sizeof empty};
  CHECK(!ldx_io_push(NULL, NULL, &empty, NULL) && !load("libio-a.so") && !ldx_io_pop(NULL));
  CHECK(ldx_io_push(NULL, NULL, NULL, NULL) == -EINVAL);
  CHECK(ldx_io_push(NULL, NULL, &(struct ldx_io_provider){.size = 4}, NULL) == -EINVAL);
  CHECK(!ldx_io_push(NULL, NULL, &counting, &inner));
  CHECK(fails_with("libio-refused.so", "Input/output error") && !ldx_io_pop(NULL));
}

/* Descriptors that the kernel does not know. */
enum { FIRST = 10000, FILES = 8 };
struct made_up {
  char *bytes[FILES];
  struct stat st[FILES];
  int64_t at[FILES];
  int count, open;
};
static int m_open(void *ctx, const char *path, int flags, uint32_t mode) {
  struct made_up *m = ctx;
  (void)flags, (void)mode;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return -errno;
  int i = m->count++ % FILES;
  CHECK(!fstat(fd, &m->st[i]) && (m->bytes[i] = malloc((size_t)m->st[i].st_size + 1)));
  CHECK(read(fd, m->bytes[i], (size_t)m->st[i].st_size) == m->st[i].st_size);
  close(fd);
  m->at[i] = 0;
  m->open++;
  return FIRST + i;
}
static int m_close(void *ctx, int fd) {
  struct made_up *m = ctx;
  CHECK(fd >= FIRST && fd < FIRST + FILES && m->bytes[fd - FIRST]);
  free(m->bytes[fd - FIRST]);
  m->bytes[fd - FIRST] = NULL;
  m->open--;
  return 0;
}
static int64_t m_pread(void *ctx, int fd, void *buffer, size_t n, int64_t offset) {
  struct made_up *m = ctx;
  int64_t left = m->st[fd - FIRST].st_size - offset;
  left = left < 0 ? 0 : left < (int64_t)n ? left : (int64_t)n;
  memcpy(buffer, m->bytes[fd - FIRST] + (left ? offset : 0), (size_t)left);
  return left;
}
static int64_t m_read(void *ctx, int fd, void *buffer, size_t n) {
  struct made_up *m = ctx;
  int64_t r = m_pread(ctx, fd, buffer, n, m->at[fd - FIRST]);
  m->at[fd - FIRST] += r;
  return r;
}
static int64_t m_lseek(void *ctx, int fd, int64_t offset, int whence) {
  struct made_up *m = ctx;
  CHECK(whence == SEEK_SET || whence == SEEK_CUR);
  return m->at[fd - FIRST] = offset + (whence == SEEK_CUR ? m->at[fd - FIRST] : 0);
}
static int m_fstat(void *ctx, int fd, struct stat *st) {
  *st = ((struct made_up *)ctx)->st[fd - FIRST];
  return 0;
}
static bool is_mapped(const char *name) {
  char line[8192];
  bool found = false;
  FILE *f = fopen("/proc/self/maps", "r");
  while (fgets(line, sizeof line, f))
    found = found || strstr(line, name);
  fclose(f);
  return found;
}
static void descriptors(const struct ldx_io_provider *p) {
  struct made_up m = {0};
  CHECK(!ldx_io_push(NULL, NULL, p, &m));
  void *h = dlopen(in_folder("libio-a.so"), RTLD_NOW);
  CHECK(h && m.count == 1 && m.open == 0 && !is_mapped("libio-a.so"));
  struct link_map *map = h;
  char origin[4096];
  Dl_info info;
  CHECK(!strcmp(map->l_name, in_folder("libio-a.so")));
  CHECK(!dlinfo(h, RTLD_DI_ORIGIN, origin) && !strcmp(origin, folder));
  CHECK(dladdr(dlsym(h, "io_value"), &info) && !strcmp(info.dli_fname, in_folder("libio-a.so")));
  CHECK(dlopen(in_folder("libio-a.so"), RTLD_NOW) == h && !dlclose(h));
  CHECK(!use(h) && !load("libio-b.so") && m.open == 0);
  CHECK(!ldx_io_pop(NULL));
}
static void made_up(void) {
  struct ldx_io_provider p = {.size = sizeof p,
                              .flags = LDX_IO_OWN_DESCRIPTORS,
                              .open = m_open,
                              .close = m_close,
                              .read = m_read,
                              .pread = m_pread,
                              .fstat = m_fstat};
  descriptors(&p);
  p.pread = NULL;
  p.lseek = m_lseek;
  descriptors(&p);
}

/* What is wrong with a file is found behind a provider too, and one file is one object. */
static void strange(void) {
  struct made_up m = {0};
  const struct ldx_io_provider p = {.size = sizeof p,
                                    .flags = LDX_IO_OWN_DESCRIPTORS,
                                    .open = m_open,
                                    .close = m_close,
                                    .read = m_read,
                                    .pread = m_pread,
                                    .fstat = m_fstat};
  CHECK(!ldx_io_push(NULL, NULL, &p, &m));
  CHECK(fails_with("empty.so", "empty.so: file too short"));
  CHECK(fails_with("cut.so", "cut.so: "));
  CHECK(fails_with("missing.so", "cannot open shared object file: No such file or directory"));
  void *h = dlopen(in_folder("libio-a.so"), RTLD_NOW);
  CHECK(h && dlopen(in_folder("alias.so"), RTLD_NOW) == h && dlopen(in_folder("second-name.so"), RTLD_NOW) == h);
  CHECK(!dlclose(h) && !dlclose(h) && !use(h) && m.open == 0);
  CHECK(!ldx_io_pop(NULL));
}

static unsigned lines_of_maps(void) {
  unsigned n = 0;
  FILE *f = fopen("/proc/self/maps", "r");
  for (int c; (c = getc(f)) != EOF;)
    n += c == '\n';
  fclose(f);
  return n;
}
static void cycles(void) {
  struct counts c = {.name = "cycles"};
  CHECK(!ldx_io_push(NULL, NULL, &counting, &c));
  load("libio-a.so");
  load("libio-b.so");
  unsigned before = lines_of_maps();
  for (int i = 0; i < 1000; i++)
    CHECK(!load(i % 2 ? "libio-a.so" : "libio-b.so"));
  CHECK(lines_of_maps() == before);
  CHECK(c.open == 1002 && c.close == 1002 && c.munmap == 1002);
  CHECK(!ldx_io_pop(NULL));
}

/* The functions of a program written for a patched libc: -1 and errno. */
static struct libc_collfs_api unwrapped[2];
static unsigned collfs_calls[2], level;
static int f_open(const char *path, int flags, mode_t mode) {
  collfs_calls[0]++;
  return unwrapped[0].open(path, flags, mode);
}
static int g_open(const char *path, int flags, mode_t mode) {
  collfs_calls[1]++;
  if (strstr(path, "libio-a")) {
    errno = EPERM;
    return -1;
  }
  return unwrapped[1].open(path, flags, mode);
}
static void *f_mmap(void *addr, size_t n, int protection, int flags, int fd, off_t offset) {
  level += fd == -1;
  return unwrapped[0].mmap(addr, n, protection, flags, fd, offset);
}
static void collfs(void) {
  const struct libc_collfs_api first = {.open = f_open, .mmap = f_mmap}, second = {.open = g_open};
  CHECK(!libc_collfs_initialize(NULL, &first, &unwrapped[0]));
  CHECK(!load("libio-a.so") && collfs_calls[0] == 1 && level == 1);
  CHECK(!libc_collfs_initialize(NULL, &second, &unwrapped[1]));
  CHECK(fails_with("libio-a.so", "Operation not permitted"));
  CHECK(!load("libio-b.so") && collfs_calls[0] == 2 && collfs_calls[1] == 2);
  CHECK(!libc_collfs_finalize());
  CHECK(!load("libio-a.so") && collfs_calls[0] == 3 && collfs_calls[1] == 2);
  CHECK(!libc_collfs_finalize() && !load("libio-a.so") && collfs_calls[0] == 3);
  errno = 0;
  CHECK(libc_collfs_finalize() == -1 && errno == ENOENT);
  CHECK(libc_collfs_initialize(NULL, NULL, NULL) == -1 && errno == EINVAL);
  CHECK(unwrapped[0].open("/nowhere", O_RDONLY, 0) == -1 && errno == ENOENT);
}

static unsigned slot_opens, slot_stats;
static int s_open(const char *path, int flags, mode_t mode) {
  slot_opens++;
  return open(path, flags, mode);
}
static int s_xstat(int version, const char *path, struct stat64 *st) {
  slot_stats += version == 1;
  return stat64(path, st);
}
static void slots(void) {
  void *h = dlopen(in_folder("libio-slots.so"), RTLD_NOW);
  CHECK(h);
  struct libc_collfs_slots *table = ((struct libc_collfs_slots * (*)(void)) dlsym(h, "io_slots"))();
  CHECK(table && !table->open && dlsym(RTLD_DEFAULT, "_dl_collfs_api") == table);
  CHECK(!load("libio-a.so") && !slot_opens);
  table->open = (libc_collfs_slot)s_open;
  table->xstat64 = (libc_collfs_slot)s_xstat;
  CHECK(!load("libio-a.so") && slot_opens == 1);
  CHECK(!dlopen("libio-nowhere.so.9", RTLD_NOW) && slot_stats);
  table->open = NULL;
  CHECK(!load("libio-a.so"));
}

/* A provider that has a file no file system has. */
static const char hidden[] = "print('hidden')\n";
static bool is_hidden(const char *path) { return strstr(path, "/hidden") != NULL; }
static int h_open(void *ctx, const char *path, int flags, uint32_t mode) {
  (void)ctx, (void)flags, (void)mode;
  return is_hidden(path) ? 77777 : -ENOENT;
}
static int64_t h_read(void *ctx, int fd, void *buffer, size_t n) {
  int64_t *at = ctx, left = (int64_t)sizeof hidden - 1 - *at;
  CHECK(fd == 77777);
  left = left < (int64_t)n ? left : (int64_t)n;
  memcpy(buffer, hidden + *at, (size_t)left);
  *at += left;
  return left;
}
static int h_close(void *ctx, int fd) {
  *(int64_t *)ctx = 0;
  return fd == 77777 ? 0 : -EBADF;
}
static int h_stat(void *ctx, const char *path, struct stat *st, int flags) {
  (void)ctx;
  if (!is_hidden(path))
    return -ENOENT;
  *st = (struct stat){
      .st_mode = flags ? S_IFLNK | 0777 : S_IFREG | 0640, .st_size = sizeof hidden - 1, .st_mtime = 1234};
  return 0;
}
static int h_fstat(void *ctx, int fd, struct stat *st) {
  CHECK(fd == 77777);
  return h_stat(ctx, "/hidden", st, 0);
}
static int h_access(void *ctx, const char *path, int mode) {
  (void)ctx;
  return !is_hidden(path) ? -ENOENT : mode & W_OK ? -EROFS : 0;
}
static int64_t h_readlink(void *ctx, const char *path, char *buffer, size_t n) {
  (void)ctx;
  size_t len = n < 6 ? n : 6;
  memcpy(buffer, "target", len);
  return is_hidden(path) ? (int64_t)len : -ENOENT;
}
static int64_t h_list(void *ctx, const char *path, uint64_t from, void *buffer, size_t n) {
  (void)ctx, (void)path;
  const struct ldx_io_entry e = {.ino = 5 + from, .bytes = 16, .type = DT_REG, .name = {(char)('a' + from), 0}};
  CHECK(n >= 16);
  memcpy(buffer, &e, 16);
  return from < 3 ? 16 : 0;
}
static int64_t position;
static const struct ldx_io_provider hiding = {.size = sizeof hiding,
                                              .flags = LDX_IO_OWN_DESCRIPTORS,
                                              .open = h_open,
                                              .close = h_close,
                                              .read = h_read,
                                              .fstat = h_fstat,
                                              .stat = h_stat,
                                              .access = h_access,
                                              .readlink = h_readlink,
                                              .list = h_list};
static bool has_text(int fd) {
  char text[64] = "";
  struct stat st;
  CHECK(fd >= 0 && read(fd, text, sizeof text) == sizeof hidden - 1 && !strcmp(text, hidden));
  CHECK(!fstat(fd, &st) && st.st_size == sizeof hidden - 1 && st.st_mtime == 1234 && (st.st_mode & 0777) == 0640);
  CHECK(lseek(fd, 0, SEEK_SET) == 0 && !close(fd));
  return true;
}
static bool stream_has_text(FILE *f) {
  char text[64] = "";
  CHECK(f && fgets(text, sizeof text, f) && !strcmp(text, hidden) && !fclose(f));
  return true;
}

static void spindle(void) {
  const char *path = in_folder("hidden.dat");
  struct stat st;
  CHECK(!spindle_is_present() && !spindle_is_enabled());
  errno = 0;
  CHECK(spindle_open(path, O_RDONLY) == -1 && errno == ENOENT);
  const struct ldx_io_scope scope = {sizeof scope, folder, "*.py"};
  CHECK(!ldx_io_push(NULL, &scope, &hiding, &position));
  CHECK(spindle_is_present() && spindle_is_enabled());
  CHECK(has_text(spindle_open(path, O_RDONLY)) && stream_has_text(spindle_fopen(path, "r")));
  CHECK(!spindle_stat(path, &st) && S_ISREG(st.st_mode) && !spindle_lstat(path, &st) && S_ISLNK(st.st_mode));
  errno = 0;
  CHECK(spindle_stat(in_folder("none"), &st) == -1 && errno == ENOENT && !spindle_fopen(in_folder("none"), "r"));
  spindle_disable();
  spindle_disable();
  CHECK(!spindle_is_enabled());
  spindle_enable();
  CHECK(!spindle_is_enabled());
  spindle_enable();
  CHECK(spindle_is_enabled());
  CHECK(!ldx_io_pop(NULL) && !spindle_is_present());
}

/* References bound while the provider is there: dlsym makes them so. */
#define CALL(name) ((__typeof__(name) *)dlsym(RTLD_DEFAULT, #name))
static void calls(void) {
  const struct ldx_io_scope scope = {sizeof scope, folder, "*.py:*/"};
  const char *path = in_folder("hidden.py"), *other = in_folder("hidden.txt"), *missing = in_folder("none.py");
  struct stat st;
  char text[16] = "";
  CHECK(!ldx_io_push(NULL, &scope, &hiding, &position));
  CHECK(has_text(CALL(open)(path, O_RDONLY)) && has_text(CALL(open64)(path, O_RDONLY | O_CLOEXEC)));
  CHECK(has_text(CALL(openat)(AT_FDCWD, path, O_RDONLY)) && has_text(CALL(openat64)(5, path, O_RDONLY)));
  CHECK(stream_has_text(CALL(fopen)(path, "r")) && stream_has_text(CALL(fopen64)(path, "rb")));
  CHECK(!CALL(stat)(path, &st) && st.st_mtime == 1234 && !CALL(lstat)(path, &st) && S_ISLNK(st.st_mode));
  CHECK(!CALL(fstatat)(AT_FDCWD, path, &st, 0) && S_ISREG(st.st_mode));
  CHECK(!CALL(fstatat)(AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW) && S_ISLNK(st.st_mode));
  static const char *const old[] = {"__xstat", "__xstat64", "__lxstat", "__lxstat64"};
  for (int i = 0; i < 4; i++) {
    int (*f)(int, const char *, struct stat *) =
        (int (*)(int, const char *, struct stat *))dlsym(RTLD_DEFAULT, old[i]);
    CHECK(f && !f(1, path, &st) && (i < 2 ? S_ISREG(st.st_mode) : S_ISLNK(st.st_mode)));
  }
  CHECK(!CALL(access)(path, R_OK));
  errno = 0;
  CHECK(CALL(access)(path, W_OK) == -1 && errno == EROFS);
  CHECK(CALL(readlink)(path, text, sizeof text) == 6 && !strcmp(text, "target"));
  CHECK(CALL(readlinkat)(AT_FDCWD, path, text, 3) == 3);
  errno = 0;
  CHECK(CALL(open)(missing, O_RDONLY) == -1 && errno == ENOENT && !CALL(fopen)(missing, "r"));
  CHECK(CALL(stat)(missing, &st) == -1 && errno == ENOENT);
  CHECK(CALL(open)(other, O_RDONLY) == -1 && CALL(stat)(other, &st) == -1); /* not of `files` */
  spindle_enable();
  CHECK(has_text(CALL(open)(other, O_RDONLY)));
  spindle_disable();
  spindle_disable();
  CHECK(CALL(open)(path, O_RDONLY) == -1);
  spindle_enable();
  int fd = CALL(open)(in_folder("written.py"), O_RDWR | O_CREAT, 0600); /* writing is the program's own affair */
  CHECK(fd >= 0 && !close(fd) && !unlink(in_folder("written.py")));
  DIR *d = CALL(opendir)(in_folder("folder"));
  for (int i = 0; i < 3; i++) {
    struct dirent64 *e = CALL(readdir64)(d);
    CHECK(e && e->d_name[0] == 'a' + i && e->d_ino == 5 + (ino_t)i && e->d_type == DT_REG);
  }
  CHECK(!CALL(readdir)(d));
  CALL(rewinddir)(d);
  CHECK(CALL(readdir)(d) && !CALL(closedir)(d));
  pid_t child = CALL(vfork)();
  if (!child) { /* no program: the kernel says so of the copy */
    char *words[] = {"hidden.py", NULL};
    CALL(execv)(path, words);
    CALL(execve)(path, words, words);
    CALL(execvp)(path, words);
    _exit(errno == ENOEXEC || errno == EACCES ? 9 : 1);
  }
  int status;
  CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status));
  CHECK(!ldx_io_pop(NULL));
}

static const struct {
  const char *name;
  void (*run)(void);
} cases[] = {{"counts", counts}, {"nested", nested}, {"made_up", made_up}, {"strange", strange}, {"cycles", cycles},
             {"collfs", collfs}, {"slots", slots},   {"spindle", spindle}, {"calls", calls}};

int main(int argc, char **argv) {
  folder = argc > 2 ? argv[2] : ".";
  for (size_t i = 0; argc > 1 && i < sizeof cases / sizeof *cases; i++)
    if (!strcmp(argv[1], cases[i].name)) {
      cases[i].run();
      puts("done");
      return 0;
    }
  return 2;
}
