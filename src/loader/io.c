/* Providers of file-system calls: what tools call (include/ldx/io.h). */
#include "loader/io.h"

#include <ldx/io.h>

#include <string.h>

#include "base/print.h"
#include "hooks/policy.h"
#include "loader/load.h"

/* The texts of all rules for the provider in one list, with colons; NULL: none of them says. */
static char *texts_of(const struct ldx_tool *tool, bool files, bool *any) {
  const struct ldx_policy *p = ldx_self.policy;
  char *all = NULL;
  for (uint32_t i = 0; p && i < p->io.count; i++) {
    const struct ldx_policy_io *rule = &p->io.at[i];
    if (strcmp(rule->provider, tool->name) && (!tool->desc.name || strcmp(rule->provider, tool->desc.name)))
      continue;
    const ldx_policy_texts *t = files ? &rule->files : &rule->paths;
    *any = true;
    for (uint32_t j = 0; j < t->count; j++) {
      size_t room = (all ? strlen(all) : 0) + strlen(t->at[j].text) + 2;
      char *more = ldx_new(room);
      if (more)
        ldx_format(more, room, "%s%s%s", all ? all : "", all ? ":" : "", t->at[j].text);
      ldx_delete(all);
      all = more;
    }
  }
  return all;
}

/* What the user's policy says of the tool comes before what the tool says. Providers come and go between loads, never
 * inside one of another thread. */
int ldx_io_push(ldx_tool *tool, const struct ldx_io_scope *scope, const struct ldx_io_provider *io, void *ctx) {
  struct ldx_io_scope told = {.size = sizeof told};
  char *paths = NULL, *files = NULL;
  bool any = false;
  if (ldx_self.policy && tool && tool != (ldx_tool *)&ldx_self.collfs &&
      tool != (ldx_tool *)&ldx_self.collfs_pushed) {
    told.paths = paths = texts_of(tool, false, &any);
    told.files = files = texts_of(tool, true, &any);
  }
  ldx_rlock_enter(&ldx_self.lock);
  long r = ldx_io_add(&ldx_self.io, tool, any ? &told : scope, io, ctx);
  ldx_rlock_leave(&ldx_self.lock);
  ldx_delete(paths);
  ldx_delete(files);
  return (int)r;
}

int ldx_io_pop(ldx_tool *tool) {
  ldx_rlock_enter(&ldx_self.lock);
  long r = ldx_io_remove(&ldx_self.io, tool);
  ldx_rlock_leave(&ldx_self.lock);
  return (int)r;
}

#define IO (&ldx_self.io)
static int next_open(void *ctx, const char *path, int flags, uint32_t mode) {
  return (int)ldx_io_open(IO, path, flags, mode);
}
static int next_close(void *ctx, int fd) { return (int)ldx_io_close(IO, fd); }
static int64_t next_read(void *ctx, int fd, void *buffer, size_t n) { return ldx_io_read(IO, fd, buffer, n); }
static int64_t next_pread(void *ctx, int fd, void *buffer, size_t n, int64_t offset) {
  return ldx_io_pread(IO, fd, buffer, n, offset);
}
static int64_t next_lseek(void *ctx, int fd, int64_t offset, int whence) {
  return ldx_io_lseek(IO, fd, offset, whence);
}
static int next_fstat(void *ctx, int fd, struct stat *st) { return (int)ldx_io_fstat(IO, fd, st); }
static int next_stat(void *ctx, const char *path, struct stat *st, int flags) {
  return (int)ldx_io_stat(IO, path, st, flags);
}
static int64_t next_mmap(void *ctx, void *addr, size_t n, int protection, int flags, int fd, int64_t offset) {
  return ldx_io_mmap(IO, addr, n, protection, flags, fd, offset);
}
static int next_munmap(void *ctx, void *addr, size_t n) { return (int)ldx_io_munmap(IO, addr, n); }
static int next_access(void *ctx, const char *path, int mode) { return (int)ldx_io_access(IO, path, mode); }
static int64_t next_readlink(void *ctx, const char *path, char *buffer, size_t n) {
  return ldx_io_readlink(IO, path, buffer, n);
}
static int64_t next_list(void *ctx, const char *path, uint64_t from, void *buffer, size_t n) {
  return ldx_io_list(IO, path, from, buffer, n);
}
#undef IO

const struct ldx_io_provider *ldx_io_next(void) {
  static const struct ldx_io_provider next = {
      .size = sizeof next,
      .open = next_open,
      .close = next_close,
      .read = next_read,
      .pread = next_pread,
      .lseek = next_lseek,
      .fstat = next_fstat,
      .stat = next_stat,
      .mmap = next_mmap,
      .munmap = next_munmap,
      .access = next_access,
      .readlink = next_readlink,
      .list = next_list,
  };
  return &next;
}

/* Names and functions stand apart: the names need no work at start. */
#define OWN(X)                                                                                                       \
  X("ldx_io_push", ldx_io_push)                                                                                      \
  X("ldx_io_pop", ldx_io_pop)                                                                                        \
  X("ldx_io_next", ldx_io_next)                                                                                      \
  X("libc_collfs_initialize", ldx_collfs_initialize)                                                                 \
  X("libc_collfs_finalize", ldx_collfs_finalize)                                                                     \
  X("spindle_open", ldx_spindle_open)                                                                                \
  X("spindle_stat", ldx_spindle_stat)                                                                                \
  X("spindle_lstat", ldx_spindle_lstat)                                                                              \
  X("spindle_fopen", ldx_spindle_fopen)                                                                              \
  X("spindle_enable", ldx_spindle_enable)                                                                            \
  X("spindle_disable", ldx_spindle_disable)                                                                          \
  X("spindle_is_enabled", ldx_spindle_is_enabled)                                                                    \
  X("spindle_is_present", ldx_spindle_is_present)
#define NAME(name, function) name,
#define FUNCTION(name, function) function,

uintptr_t ldx_io_function(const char *name) {
  static const char names[][24] = {OWN(NAME)};
  static const void *const functions[] = {OWN(FUNCTION)};
  for (size_t i = 0; i < LDX_COUNT(names); i++)
    if (!strcmp(names[i], name))
      return (uintptr_t)functions[i];
  return strcmp(name, "_dl_collfs_api") ? 0 : (uintptr_t)ldx_collfs_table();
}
