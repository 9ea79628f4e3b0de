/* The dl* family by musl's rules: nothing is ever unloaded, errors have musl's texts. */
#include <dlfcn.h>
#include <errno.h>
#include <string.h>

#include "base/print.h"
#include "loader/dl.h"
#include "loader/error.h"
#include "loader/musl.h"
#include "loader/reload.h"
#include "loader/tell_thread.h"
#include "loader/threads.h"

static void complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void complain(const char *fmt, ...) {
  char text[1024];
  struct ldx_diag d = {.heap = &ldx_self.heap};
  va_list ap;
  ldx_watch_forks(); /* a thread that nobody has told of may be here */
  va_start(ap, fmt);
  ldx_vformat(text, sizeof text, fmt, ap);
  va_end(ap);
  ldx_fail(&d, LDX_DIAG_LOAD, 0, "", "%s", text);
  ldx_set_error(&d);
}

static bool is_handle(const void *handle) {
  struct ldx_reader reader = ldx_reader_enter();
  const struct ldx_object *o = ldx_self.base.first;
  while (o && o != handle)
    o = __atomic_load_n(&o->map.l_next, __ATOMIC_ACQUIRE);
  ldx_reader_leave(reader);
  if (!o)
    complain("Invalid library handle %p", handle);
  return o;
}

/* "undefined symbol: NAME", as ldx's search tells it. */
static void complain_of_load(const char *name, struct ldx_diag *d) {
  static const char missing[] = "undefined symbol: ";
  const char *text = d->text ? d->text : "", *object = d->object ? d->object : "";
  if (d->kind == LDX_DIAG_SYMBOL && !strncmp(text, missing, sizeof missing - 1))
    complain("Error relocating %s: %s: symbol not found", object, text + sizeof missing - 1);
  else if (d->error)
    complain("Error loading shared library %s: %s", *object ? object : name, ldx_errno_text(d->error));
  else
    complain("Error loading shared library %s: %s", *object ? object : name, text);
  ldx_diag_clear(d);
}

/* A library's loader is the program, whoever calls. */
static void *musl_dlopen(const char *name, int mode) {
  struct ldx_object *program = ldx_self.base.program;
  struct ldx_diag d = {.heap = &ldx_self.heap};
  mode &= RTLD_LAZY | RTLD_NOW | RTLD_NOLOAD | RTLD_GLOBAL | RTLD_NODELETE | LDX_RTLD_RELOADABLE;
  if (!(mode & RTLD_LAZY))
    mode |= RTLD_NOW;
  ldx_watch_forks();
  if (!name)
    return program;
  if (*name) {
    struct ldx_object *o = ldx_open(name, mode, (void *)program->entry, &d);
    if (o)
      return o;
  } else {
    ldx_fail(&d, LDX_DIAG_LOAD, EINVAL, name, "no name");
  }
  if (ldx_failed(&d) && !(mode & RTLD_NOLOAD))
    complain_of_load(name, &d);
  else
    complain("Library %s is not already loaded", name);
  ldx_diag_clear(&d);
  return NULL;
}

/* Objects made at run time go, as their users expect. */
static int musl_dlclose(void *handle) {
  if (!is_handle(handle))
    return 1;
  return ((const struct ldx_object *)handle)->made ? ldx_dlclose(handle) : 0;
}

static void *musl_dlsym(void *handle, const char *name) {
  struct ldx_diag d = {.heap = &ldx_self.heap};
  if (handle == RTLD_DEFAULT) /* what is global, whoever asks */
    handle = ldx_self.base.program;
  if (handle != RTLD_NEXT && !is_handle(handle))
    return NULL;
  void *p = ldx_dlsym_from(handle, name, __builtin_return_address(0), &d);
  if (ldx_failed(&d))
    complain("Symbol not found: %s", name);
  ldx_diag_clear(&d);
  return p;
}

static int musl_dlinfo(void *handle, int request, void *result) {
  if (!is_handle(handle))
    return -1;
  if (request != RTLD_DI_LINKMAP) {
    complain("Unsupported request %d", request);
    return -1;
  }
  *(void **)result = handle;
  return 0;
}

/* Before there is another thread ldx has to know which process this is. */
static int create_pthread(void *thread, const void *attr, void *(*start)(void *), void *arg) {
  ldx_watch_forks();
  ldx_watch_start(&start, &arg);
  int r = ((int (*)(void *, const void *, void *(*)(void *), void *))ldx_self.musl.create_pthread)(thread, attr,
                                                                                                   start, arg);
  if (r)
    ldx_forget_start(start, arg);
  return r;
}

static int create_c11(void *thread, int (*start)(void *), void *arg) {
  void *(*routine)(void *) = (void *(*)(void *))(uintptr_t)start;
  ldx_watch_forks();
  ldx_watch_start(&routine, &arg);
  int r = ((int (*)(void *, void *, void *))ldx_self.musl.create_c11)(thread, routine, arg);
  if (r)
    ldx_forget_start(routine, arg);
  return r;
}

/* Modules never go, and those of start-up are static. */
static void *get_address(const struct ldx_tls_index *ti) {
  const struct ldx_tls_slots *slots = __atomic_load_n(&ldx_self.tls.slots, __ATOMIC_ACQUIRE);
  int64_t offset = slots->at[ti->module].object->tls.offset;
  return offset > 0 ? (char *)ldx_thread_pointer() - offset + ti->offset : ldx_tls_get_addr_slow(ti);
}

static const struct {
  const char *name;
  const void *function;
  uintptr_t *real; /* where the address goes of what is replaced; NULL: it is never called */
} table[] = {
    {"dlopen", musl_dlopen, NULL},
    {"dlclose", musl_dlclose, NULL},
    {"dlsym", musl_dlsym, NULL},
    {"dlerror", ldx_dlerror, NULL},
    {"dladdr", ldx_dladdr, NULL},
    {"dlinfo", musl_dlinfo, NULL},
    {"dl_iterate_phdr", ldx_dl_iterate_phdr, NULL},
    {"__tls_get_addr", get_address, NULL},
    {"pthread_create", create_pthread, &ldx_self.musl.create_pthread},
    {"thrd_create", create_c11, &ldx_self.musl.create_c11},
};

uintptr_t ldx_musl_override(const char *name, uintptr_t real) {
  for (size_t i = 0; i < LDX_COUNT(table); i++) {
    if (strcmp(table[i].name, name))
      continue;
    if (table[i].real)
      __atomic_store_n(table[i].real, real, __ATOMIC_RELAXED);
    return (uintptr_t)table[i].function;
  }
  return 0;
}
