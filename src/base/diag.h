/* Errors as a value. Whoever finds a fault states it here; whoever owns the diag decides what follows:
 * start-up prints it and exits 127, dlopen keeps it for dlerror, tests collect it. The first one stays.
 *
 * Ownership: the texts are one block of the diag's heap, at `object`; ldx_diag_clear frees them. */
#ifndef LDX_BASE_DIAG_H
#define LDX_BASE_DIAG_H

#include <stdarg.h>
#include <stdbool.h>

#include "base/heap.h"

enum ldx_diag_kind {
  LDX_DIAG_NONE,
  LDX_DIAG_LOAD,   /* a library cannot be had: "error while loading shared libraries" */
  LDX_DIAG_SYMBOL, /* "symbol lookup error" */
  LDX_DIAG_RELOC,  /* "relocation error" */
};

struct ldx_diag {
  struct ldx_heap *heap;
  enum ldx_diag_kind kind;
  int error;          /* errno value or 0 */
  char *object;       /* the file concerned; "" when none */
  char *text;         /* what is wrong */
  bool out_of_memory; /* the texts could not be kept */
};

/* States a fault; always returns false, for `return ldx_fail(...)`. */
bool ldx_fail(struct ldx_diag *d, enum ldx_diag_kind kind, int error, const char *object, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
bool ldx_vfail(struct ldx_diag *d, enum ldx_diag_kind kind, int error, const char *object, const char *fmt,
               va_list ap);
static inline bool ldx_failed(const struct ldx_diag *d) { return d->kind != LDX_DIAG_NONE; }
void ldx_diag_clear(struct ldx_diag *d);

/* The usual English text of an errno value, as in strerror(3) of the C locale. */
const char *ldx_errno_text(int error);

char *ldx_strdup(struct ldx_heap *h, const char *s);
char *ldx_strndup(struct ldx_heap *h, const char *s, size_t n);

#endif
