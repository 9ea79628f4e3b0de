/* Folders of a provider, for the program's opendir: all entries are fetched when it is opened. */
#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "loader/io.h"
#include "loader/load.h"

struct ldx_folder {
  struct ldx_folder *next;
  size_t bytes, room, at; /* of `entries` */
  char *entries;
  struct dirent now;
};

static long fetch(struct ldx_folder *f, const char *path) {
  uint64_t count = 0;
  long n;
  do {
    if (f->room - f->bytes < 4096) {
      char *more = ldx_new(f->room + 32768);
      if (!more)
        return -ENOMEM;
      if (f->entries)
        memcpy(more, f->entries, f->bytes);
      ldx_delete(f->entries);
      f->entries = more;
      f->room += 32768;
    }
    n = ldx_io_list(&ldx_self.io, path, count, f->entries + f->bytes, f->room - f->bytes);
    for (long at = 0; at < n; at += ((struct ldx_io_entry *)(f->entries + f->bytes + at))->bytes)
      count++;
    f->bytes += n > 0 ? (size_t)n : 0;
  } while (n > 0);
  return n;
}

struct ldx_folder *ldx_folder_open(const char *path, long *error) {
  struct ldx_folder *f = ldx_new(sizeof *f);
  *error = f ? fetch(f, path) : -ENOMEM;
  if (*error < 0) {
    if (f)
      ldx_delete(f->entries);
    ldx_delete(f);
    return NULL;
  }
  ldx_rlock_enter(&ldx_self.io.lock);
  f->next = ldx_self.folders;
  __atomic_store_n(&ldx_self.folders, f, __ATOMIC_RELEASE);
  ldx_rlock_leave(&ldx_self.io.lock);
  return f;
}

struct ldx_folder *ldx_folder(void *dir) {
  if (!__atomic_load_n(&ldx_self.folders, __ATOMIC_RELAXED))
    return NULL;
  ldx_rlock_enter(&ldx_self.io.lock);
  struct ldx_folder *f = ldx_self.folders;
  while (f && f != dir)
    f = f->next;
  ldx_rlock_leave(&ldx_self.io.lock);
  return f;
}

void *ldx_folder_read(struct ldx_folder *f) {
  if (f->at >= f->bytes)
    return NULL;
  const struct ldx_io_entry *e = (const struct ldx_io_entry *)(f->entries + f->at);
  f->at += e->bytes;
  f->now.d_ino = e->ino;
  f->now.d_off = (off_t)f->at;
  f->now.d_type = e->type;
  const char *name = (const char *)e + offsetof(struct ldx_io_entry, name);
  size_t n = strnlen(name, sizeof f->now.d_name - 1);
  memcpy(f->now.d_name, name, n);
  f->now.d_name[n] = '\0';
  f->now.d_reclen = (unsigned short)((offsetof(struct dirent, d_name) + n + 8) & ~(size_t)7);
  return &f->now;
}

void ldx_folder_rewind(struct ldx_folder *f) { f->at = 0; }

void ldx_folder_close(struct ldx_folder *f) {
  ldx_rlock_enter(&ldx_self.io.lock);
  struct ldx_folder **link = &ldx_self.folders;
  while (*link != f)
    link = &(*link)->next;
  *link = f->next;
  ldx_rlock_leave(&ldx_self.io.lock);
  ldx_delete(f->entries);
  ldx_delete(f);
}
