#include "base/diag.h"

#include <errno.h>
#include <string.h>

#include "base/print.h"
#include "base/span.h"

char *ldx_strndup(struct ldx_heap *h, const char *s, size_t n) {
  char *p = ldx_heap_alloc(h, n + 1);
  return p ? memcpy(p, s, n) : NULL;
}

char *ldx_strdup(struct ldx_heap *h, const char *s) { return ldx_strndup(h, s, strlen(s)); }

bool ldx_vfail(struct ldx_diag *d, enum ldx_diag_kind kind, int error, const char *object, const char *fmt,
               va_list ap) {
  if (d->kind != LDX_DIAG_NONE)
    return false;
  enum { GUESS = 112 };
  size_t room = GUESS, name = object ? strlen(object) + 1 : 1;
  d->kind = kind;
  d->error = error;
  while ((d->object = ldx_heap_alloc(d->heap, name + room))) {
    d->text = d->object + name;
    size_t n = ldx_vformat(d->text, room, fmt, ap);
    if (n < room)
      break;
    ldx_heap_free(d->heap, d->object);
    room = n + 1;
  }
  if (d->object && object)
    memcpy(d->object, object, name);
  d->out_of_memory = !d->object;
  if (d->out_of_memory)
    d->text = NULL;
  return false;
}

bool ldx_fail(struct ldx_diag *d, enum ldx_diag_kind kind, int error, const char *object, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  ldx_vfail(d, kind, error, object, fmt, ap);
  va_end(ap);
  return false;
}

void ldx_diag_clear(struct ldx_diag *d) {
  ldx_heap_free(d->heap, d->object);
  *d = (struct ldx_diag){.heap = d->heap};
}

static const struct {
  int error;
  char text[40]; /* no pointer: nothing to relocate at start */
} texts[] = {
    {EPERM, "Operation not permitted"},
    {ENOENT, "No such file or directory"},
    {EINTR, "Interrupted system call"},
    {EIO, "Input/output error"},
    {ENXIO, "No such device or address"},
    {E2BIG, "Argument list too long"},
    {ENOEXEC, "Exec format error"},
    {EBADF, "Bad file descriptor"},
    {EAGAIN, "Resource temporarily unavailable"},
    {ENOMEM, "Cannot allocate memory"},
    {EACCES, "Permission denied"},
    {EFAULT, "Bad address"},
    {EBUSY, "Device or resource busy"},
    {EEXIST, "File exists"},
    {ENODEV, "No such device"},
    {ENOTDIR, "Not a directory"},
    {EISDIR, "Is a directory"},
    {EINVAL, "Invalid argument"},
    {ENFILE, "Too many open files in system"},
    {EMFILE, "Too many open files"},
    {ETXTBSY, "Text file busy"},
    {EFBIG, "File too large"},
    {ENOSPC, "No space left on device"},
    {EROFS, "Read-only file system"},
    {ERANGE, "Numerical result out of range"},
    {ENAMETOOLONG, "File name too long"},
    {ENOSYS, "Function not implemented"},
    {ELOOP, "Too many levels of symbolic links"},
    {EOVERFLOW, "Value too large for defined data type"},
    {ELIBBAD, "Accessing a corrupted shared library"},
    {ESTALE, "Stale file handle"},
    {EDQUOT, "Disk quota exceeded"},
    {ETIMEDOUT, "Connection timed out"},
};

const char *ldx_errno_text(int error) {
  for (size_t i = 0; i < LDX_COUNT(texts); i++)
    if (texts[i].error == error)
      return texts[i].text;
  return "Unknown error";
}
