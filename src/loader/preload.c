#include "loader/preload.h"

#include <fcntl.h>
#include <string.h>

#include "base/print.h"
#include "base/sys.h"
#include "base/text.h"

#define PRELOAD_FILE "/etc/ld.so.preload"

static void complain(const char *name, const char *where, struct ldx_diag *d) {
  ldx_print(2, "ERROR: ld.so: object '%s' from %s cannot be preloaded (%s): ignored.\n", name, where,
            d->text ? d->text : "");
  ldx_diag_clear(d);
}

/* Under AT_SECURE only names without a slash, found in trusted folders as set-user-ID files, would be allowed. */
static bool allowed(const char *name) { return !ldx_self.args.auxv.secure || !strchr(name, '/'); }

static bool load_one(struct ldx_load *l, const char *name, const char *where, struct ldx_object_list *out) {
  if (!allowed(name))
    return true;
  struct ldx_object *o = ldx_load_object(l, name, l->root, 0);
  if (!o) {
    complain(name, where, l->diag);
    return true;
  }
  return o == l->root || ldx_list_has(out, o) || ldx_list_add(&ldx_self.heap, out, o);
}

/* Big buffers stay out of frames that every start passes. */
static __attribute__((noinline)) bool load_list(struct ldx_load *l, const char *list, const char *separators,
                                                const char *where, struct ldx_object_list *out) {
  char name[4096];
  while (list && *list) {
    list += ldx_skip(list, separators);
    size_t n = ldx_until(list, separators);
    if (n && n < sizeof name) {
      memcpy(name, list, n);
      name[n] = '\0';
      if (!load_one(l, name, where, out))
        return false;
    }
    list += n;
  }
  return true;
}

/* Comments run from # to the end of the line. */
static void blank_comments(char *p) {
  bool in = false;
  for (; *p; p++) {
    in = *p == '#' || (in && *p != '\n');
    if (in)
      *p = ' ';
  }
}

static __attribute__((noinline)) bool read_file(struct ldx_load *l, struct ldx_object_list *out) {
  long fd = sys_open(PRELOAD_FILE, O_RDONLY | O_CLOEXEC);
  if (ldx_sys_failed(fd))
    return true;
  char text[8192];
  long n = sys_read((int)fd, text, sizeof text - 1);
  sys_close((int)fd);
  text[n > 0 ? n : 0] = '\0';
  blank_comments(text);
  return load_list(l, text, ": \t\n", PRELOAD_FILE, out);
}

bool ldx_load_preloads(struct ldx_load *l, struct ldx_object_list *out) {
  const struct ldx_options *o = &ldx_self.options;
  return (!o->preload_env || load_list(l, o->preload_env, " :", "LD_PRELOAD", out)) &&
         (!o->preload_option || load_list(l, o->preload_option, " :", "--preload", out)) &&
         (sys_access(PRELOAD_FILE, 4 /* R_OK */) || read_file(l, out));
}
