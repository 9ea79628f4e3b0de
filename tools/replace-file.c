#include "replace-file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

static bool fail(const char *path, const char *what) {
  fprintf(stderr, "%s: %s: %s\n", path, what, strerror(errno));
  return false;
}

static bool read_exactly(int fd, char *bytes, size_t size) {
  for (size_t done = 0; done < size;) {
    ssize_t got = read(fd, bytes + done, size - done);
    if (got < 0 && errno == EINTR)
      continue;
    if (got == 0)
      errno = EIO; /* the file shrank */
    if (got <= 0)
      return false;
    done += (size_t)got;
  }
  return true;
}

static bool read_descriptor(int fd, char **bytes, size_t *size) {
  struct stat status;
  if (fstat(fd, &status) != 0)
    return false;
  if (!S_ISREG(status.st_mode)) {
    errno = S_ISDIR(status.st_mode) ? EISDIR : EINVAL;
    return false;
  }
  *size = (size_t)status.st_size;
  *bytes = malloc(*size + 1);
  return *bytes && read_exactly(fd, *bytes, *size);
}

bool read_whole_file(const char *path, char **bytes, size_t *size) {
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not make us wait */
  *bytes = NULL;
  if (fd < 0)
    return fail(path, "cannot be opened");
  bool ok = read_descriptor(fd, bytes, size) || fail(path, "cannot be read");
  close(fd);
  if (!ok)
    free(*bytes);
  return ok;
}

static bool write_all(int fd, const char *bytes, size_t size) {
  for (size_t done = 0; done < size;) {
    ssize_t put = write(fd, bytes + done, size - done);
    if (put < 0 && errno == EINTR)
      continue;
    if (put < 0)
      return false;
    done += (size_t)put;
  }
  return true;
}

static bool copy_attribute(int to, const char *like, const char *name) {
  ssize_t size = getxattr(like, name, NULL, 0);
  char *value = size < 0 ? NULL : malloc((size_t)size + 1);
  bool ok = value && (size = getxattr(like, name, value, (size_t)size)) >= 0 &&
            fsetxattr(to, name, value, (size_t)size, 0) == 0;
  free(value);
  return ok;
}

/* File capabilities among them. */
static bool copy_attributes(int to, const char *like) {
  ssize_t size = listxattr(like, NULL, 0);
  if (size <= 0)
    return size == 0 || errno == ENOTSUP;
  char *names = malloc((size_t)size);
  bool ok = names && (size = listxattr(like, names, (size_t)size)) >= 0;
  for (char *name = names; ok && name < names + size; name += strlen(name) + 1)
    ok = copy_attribute(to, like, name);
  free(names);
  return ok;
}

/* The owner first: changing it clears the set-user-ID bits and the capabilities. */
static bool make_alike(int fd, const char *like) {
  struct stat want, have;
  if (stat(like, &want) != 0 || fstat(fd, &have) != 0)
    return false;
  if ((want.st_uid != have.st_uid || want.st_gid != have.st_gid) && fchown(fd, want.st_uid, want.st_gid) != 0)
    return false;
  return copy_attributes(fd, like) && fchmod(fd, want.st_mode & 07777) == 0;
}

static bool write_beside(const char *target, const char *like, const char *bytes, size_t size) {
  char *temporary;
  if (asprintf(&temporary, "%s.XXXXXX", target) < 0)
    return fail(target, "cannot be written");
  int fd = mkostemp(temporary, O_CLOEXEC);
  if (fd < 0) {
    fail(temporary, "cannot be created");
    free(temporary);
    return false;
  }
  bool ok = write_all(fd, bytes, size) || fail(temporary, "cannot be written");
  ok = ok && (make_alike(fd, like) || fail(target, "mode, owner or attributes cannot be kept"));
  ok = ok && (fsync(fd) == 0 || fail(temporary, "cannot be written"));
  close(fd);
  ok = ok && (rename(temporary, target) == 0 || fail(target, "cannot be replaced"));
  if (!ok)
    unlink(temporary);
  free(temporary);
  return ok;
}

bool replace_file(const char *path, const char *like, const char *bytes, size_t size) {
  char *target = realpath(path, NULL);
  if (!target && errno == ENOENT)
    target = strdup(path);
  if (!target)
    return fail(path, "cannot be resolved");
  bool ok = write_beside(target, like, bytes, size);
  free(target);
  return ok;
}
