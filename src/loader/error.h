/* Error channels of loader/: fatal, dlerror, and the exceptions that glibc's own calls expect (its
 * _dl_signal_error and _dl_catch_exception family, by the same signatures). */
#ifndef LDX_LOADER_ERROR_H
#define LDX_LOADER_ERROR_H

#include "loader/context.h"

/* glibc's struct dl_exception. */
struct ldx_exception {
  const char *objname, *errstring;
  char *message_buffer;
};

struct ldx_catcher {
  struct ldx_jump jump;
  struct ldx_exception *exception;
  struct ldx_catcher *outer;
  int code;
};

/* Keeps the error for the thread's next dlerror; clears the diag. */
void ldx_set_error(struct ldx_diag *d);
/* Every call of the dl family begins without an error. */
void ldx_clear_error(void);
/* The pending error's text, valid until the thread's next one; NULL when there is none. */
char *ldx_take_error(void);

/* Throws to the innermost catcher of the thread; without one the process ends with status 127. */
_Noreturn void ldx_signal_diag(struct ldx_diag *d);

void ldx_exception_create(struct ldx_exception *e, const char *object, const char *text);
void ldx_exception_create_format(struct ldx_exception *e, const char *object, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void ldx_exception_free(struct ldx_exception *e);
void ldx_error_free(void *p);
_Noreturn void ldx_signal_exception(int code, struct ldx_exception *e, const char *occasion);
_Noreturn void ldx_signal_error(int code, const char *object, const char *occasion, const char *text);
int ldx_catch_exception(struct ldx_exception *e, void (*operate)(void *), void *arg);
int ldx_catch_error(const char **object, const char **text, bool *malloced, void (*operate)(void *), void *arg);

#endif
