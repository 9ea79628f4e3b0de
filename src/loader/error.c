/* Errors: how they are printed at start-up, kept for dlerror, and thrown through code of the guest's libc. */
#include "loader/error.h"

#include <string.h>

#include "base/print.h"
#include "base/sys.h"

static const char *prefix(const struct ldx_diag *d) {
  switch (d->kind) {
  case LDX_DIAG_SYMBOL:
    return "symbol lookup error: ";
  case LDX_DIAG_RELOC:
    return "relocation error: ";
  default:
    return "";
  }
}

/* The error as one line, without prefix; allocated on the heap. */
static char *diag_line(const struct ldx_diag *d) {
  const char *object = d->object ? d->object : "", *text = d->text ? d->text : "out of memory";
  const char *error = d->error ? ldx_errno_text(d->error) : "";
  size_t n = strlen(object) + strlen(text) + strlen(error) + 8;
  char *line = ldx_new(n);
  if (line)
    ldx_format(line, n, "%s%s%s%s%s", object, *object ? ": " : "", text, *error ? ": " : "", error);
  return line;
}

/* One line: names out of damaged files may hold anything. */
static void print_line(const char *fmt, ...) {
  char raw[2048], line[2048];
  size_t n = 0;
  va_list ap;
  va_start(ap, fmt);
  ldx_vformat(raw, sizeof raw, fmt, ap);
  va_end(ap);
  for (const unsigned char *p = (const unsigned char *)raw; *p && n + 6 < sizeof line; p++) {
    bool plain = *p >= ' ' && *p != 0x7f;
    n += plain ? (size_t)((line[n] = (char)*p) != 0) : ldx_format(line + n, 5, "\\x%02x", *p);
  }
  line[n++] = '\n';
  sys_write(2, line, n);
}

void ldx_print_error(const struct ldx_diag *d) {
  const char *object = d->object ? d->object : "", *text = d->text ? d->text : "out of memory";
  const char *name = ldx_self.program_name ? ldx_self.program_name : "";
  if (d->kind == LDX_DIAG_LOAD && !strcmp(object, name))
    object = "";
  print_line("ldx: %s%s%s%s%s%s%s%s", name, *name ? ": " : "", prefix(d), object, *object ? ": " : "", text,
             d->error ? ": " : "", d->error ? ldx_errno_text(d->error) : "");
}

_Noreturn void ldx_die(const struct ldx_diag *d) {
  ldx_print_error(d);
  sys_exit(127);
}

_Noreturn void ldx_die_text(const char *fmt, ...) {
  char text[1024];
  va_list ap;
  va_start(ap, fmt);
  ldx_vformat(text, sizeof text, fmt, ap);
  va_end(ap);
  print_line("ldx: %s", text);
  sys_exit(127);
}

const char *ldx_display_name(const struct ldx_object *o) {
  if (o->map.l_name && *o->map.l_name)
    return o->map.l_name;
  return o->kind == LDX_PROGRAM && ldx_self.program_name ? ldx_self.program_name : "<main program>";
}

static struct ldx_error_state *error_state(void) {
  struct ldx_thread *th = ldx_thread_self();
  if (!th && ldx_self.tls.adopts)
    th = ldx_tls_adopt_thread(&ldx_self.tls);
  return th ? &th->error : &ldx_self.startup_error;
}

/* What was there is taken out first, once: a signal handler's error may come in between. */
void ldx_set_error(struct ldx_diag *d) {
  struct ldx_error_state *e = error_state();
  ldx_delete(__atomic_exchange_n(&e->diag.object, NULL, __ATOMIC_RELAXED));
  ldx_delete(__atomic_exchange_n(&e->line, NULL, __ATOMIC_RELAXED));
  *e = (struct ldx_error_state){*d, NULL, true};
  *d = (struct ldx_diag){.heap = d->heap};
}

void ldx_clear_error(void) { error_state()->pending = false; }

char *ldx_take_error(void) {
  struct ldx_error_state *e = error_state();
  if (!e->pending)
    return NULL;
  e->pending = false;
  e->line = diag_line(&e->diag);
  return e->line ? e->line : (char *)"out of memory";
}

static void **catcher_slot(void) {
  struct ldx_thread *th = ldx_thread_self();
  return th ? &th->catcher : (void **)&ldx_self.startup_catcher;
}

/* An exception's texts are one block of the loader's heap: object name, then message. */
static void make_exception(struct ldx_exception *e, const char *object, const char *text) {
  size_t a = strlen(object) + 1, b = strlen(text) + 1;
  char *p = ldx_new(a + b);
  if (p) {
    e->objname = memcpy(p + b, object, a);
    e->errstring = memcpy(p, text, b);
  } else {
    e->objname = "";
    e->errstring = "out of memory";
  }
  e->message_buffer = p;
}

void ldx_exception_create(struct ldx_exception *e, const char *object, const char *text) {
  make_exception(e, object ? object : "", text ? text : "");
}

void ldx_exception_create_format(struct ldx_exception *e, const char *object, const char *fmt, ...) {
  char text[1024];
  va_list ap;
  va_start(ap, fmt);
  ldx_vformat(text, sizeof text, fmt, ap);
  va_end(ap);
  make_exception(e, object ? object : "", text);
}

void ldx_exception_free(struct ldx_exception *e) {
  ldx_delete(e->message_buffer);
  *e = (struct ldx_exception){0};
}

void ldx_error_free(void *p) { ldx_delete(p); }

_Noreturn static void raise_exception(int code, const struct ldx_exception *e, const char *occasion) {
  struct ldx_catcher *c = *catcher_slot();
  if (c) {
    *c->exception = *e;
    c->code = code;
    ldx_catch_throw(&c->jump);
  }
  const char *name = ldx_self.program_name ? ldx_self.program_name : "";
  print_line("ldx: %s: %s%s%s%s%s%s%s", name, occasion ? occasion : "", occasion ? ": " : "", e->objname,
             *e->objname ? ": " : "", e->errstring, code ? ": " : "", code ? ldx_errno_text(code) : "");
  sys_exit(127);
}

void ldx_signal_exception(int code, struct ldx_exception *e, const char *occasion) {
  raise_exception(code, e, occasion);
}

void ldx_signal_error(int code, const char *object, const char *occasion, const char *text) {
  struct ldx_exception e;
  make_exception(&e, object ? object : "", text ? text : "DYNAMIC LINKER BUG!!!");
  raise_exception(code, &e, occasion);
}

_Noreturn void ldx_signal_diag(struct ldx_diag *d) {
  if (!*catcher_slot())
    ldx_die(d);
  struct ldx_exception e;
  int code = d->error;
  make_exception(&e, d->object ? d->object : "", d->text ? d->text : "out of memory");
  ldx_diag_clear(d);
  raise_exception(code, &e, NULL);
}

int ldx_catch_exception(struct ldx_exception *e, void (*operate)(void *), void *arg) {
  struct ldx_catcher c = {.exception = e, .outer = *catcher_slot()};
  if (!e) { /* no catching: errors inside are fatal */
    *catcher_slot() = NULL;
    operate(arg);
    *catcher_slot() = c.outer;
    return 0;
  }
  if (ldx_catch_enter(&c.jump) == 0) {
    *catcher_slot() = &c;
    operate(arg);
    *catcher_slot() = c.outer;
    *e = (struct ldx_exception){0};
    return 0;
  }
  *catcher_slot() = c.outer;
  return c.code;
}

int ldx_catch_error(const char **object, const char **text, bool *malloced, void (*operate)(void *), void *arg) {
  struct ldx_exception e;
  int code = ldx_catch_exception(&e, operate, arg);
  *object = e.objname;
  *text = e.errstring;
  *malloced = e.message_buffer == e.errstring && e.errstring;
  return code;
}
