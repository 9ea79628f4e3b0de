#include "loader/preload.h"

#include <fcntl.h>
#include <string.h>

#include "base/print.h"
#include "base/sys.h"
#include "base/text.h"
#include "loader/tools.h"

#define PRELOAD_FILE "/etc/ld.so.preload"

static void complain(const char *name, const char *where, struct ldx_diag *d) {
  ldx_print(2, "ERROR: ld.so: object '%s' from %s cannot be preloaded (%s): ignored.\n", name, where,
            d->text ? d->text : "");
  ldx_diag_clear(d);
}

static bool load_one(struct ldx_load *l, const char *name, const char *where, struct ldx_object_list *out) {
  struct ldx_object *o = ldx_load_object(l, name, l->root, 0);
  if (!o) {
    complain(name, where, l->diag);
    return true;
  }
  return o == l->root || ldx_list_has(out, o) || ldx_list_add(&ldx_self.heap, out, o);
}

/* Where one list of names comes from. A privileged process takes no path from its user. */
struct source {
  const char *where, *separators;
  bool trusted;
};
static const struct source from_environment = {"LD_PRELOAD", " :", false}, from_option = {"--preload", " :", false},
                           from_file = {PRELOAD_FILE, ": \t\n", true};

static bool allowed(const struct source *s, const char *name) {
  return s->trusted || !ldx_self.args.auxv.secure || !strchr(name, '/');
}

/* Big buffers stay out of frames that every start passes. */
static __attribute__((noinline)) bool load_list(struct ldx_load *l, const char *list, const struct source *s,
                                                struct ldx_object_list *out) {
  char name[4096];
  while (list && *list) {
    list += ldx_skip(list, s->separators);
    size_t n = ldx_until(list, s->separators);
    if (n && n < sizeof name) {
      memcpy(name, list, n);
      name[n] = '\0';
      if (allowed(s, name) && !load_one(l, name, s->where, out))
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

static bool read_all(int fd, char *text, size_t size) {
  size_t done = 0;
  while (done < size) {
    long n = io_read(&ldx_self.io, fd, text + done, size - done);
    if (ldx_sys_failed(n) || n == 0)
      break;
    done += (size_t)n;
  }
  return done;
}

static bool read_file(struct ldx_load *l, struct ldx_object_list *out) {
  struct stat st;
  long fd = io_open(&ldx_self.io, PRELOAD_FILE, O_RDONLY | O_CLOEXEC);
  if (ldx_sys_failed(fd))
    return true;
  bool ok = true;
  char *text = ldx_sys_failed(io_fstat(&ldx_self.io, (int)fd, &st)) ? NULL : ldx_new((size_t)st.st_size + 1);
  if (text && read_all((int)fd, text, (size_t)st.st_size)) {
    blank_comments(text);
    ok = load_list(l, text, &from_file, out);
  }
  io_close(&ldx_self.io, (int)fd);
  ldx_delete(text);
  return ok;
}

static bool load_policys(struct ldx_load *l, struct ldx_object_list *out) {
  const ldx_policy_texts *t = ldx_self.policy ? &ldx_self.policy->preload : NULL;
  bool ok = true;
  for (uint32_t i = 0; ok && t && i < t->count; i++)
    ok = load_one(l, t->at[i].text, t->at[i].where, out);
  return ok;
}

/* Tools of the program's namespace: they stand in front of all. */
static bool load_tools(struct ldx_load *l, struct ldx_object_list *out) {
  for (struct ldx_tool_wish *w = ldx_self.in_app; w; w = w->next) {
    l->of_tool = true;
    w->object = ldx_load_object(l, w->path, NULL, 0);
    l->of_tool = false;
    if (!w->object)
      return false;
    w->object->of_tool = true;
    if (w->object != l->root && !ldx_list_has(out, w->object) && !ldx_list_add(&ldx_self.heap, out, w->object))
      return ldx_fail(l->diag, LDX_DIAG_LOAD, 12 /* ENOMEM */, w->path, "cannot load tool");
  }
  return true;
}

/* Names without a slash are searched for under AT_SECURE in trusted folders only, and must be marked for it. */
bool ldx_load_preloads(struct ldx_load *l, struct ldx_object_list *out) {
  const struct ldx_options *o = &ldx_self.options;
  l->find_mode = LDX_FIND_PRELOAD;
  bool ok = load_tools(l, out) && (!o->preload_env || load_list(l, o->preload_env, &from_environment, out)) &&
            (!o->preload_option || load_list(l, o->preload_option, &from_option, out)) && load_policys(l, out) &&
            (ldx_self.musl.active || io_access(&ldx_self.io, PRELOAD_FILE, 4 /* R_OK */) || read_file(l, out));
  l->find_mode = LDX_FIND_PLAIN;
  return ok;
}
