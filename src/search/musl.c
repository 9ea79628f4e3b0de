#include "search/musl.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/print.h"
#include "base/io.h"
#include "search/dst.h"
#include "search/guide.h"
#include "search/state.h"

#define DEFAULT_FOLDERS "/lib:/usr/local/lib:/usr/lib"
#define DEFAULT_INTERP "/lib/ld-musl-x86_64.so.1" /* of a program that has another */
#define PATH_FILE "/etc/ld-musl-x86_64.path"

/* The path file stands where the interpreter's folder would, two levels up: /lib/ld-musl-... has /etc/ld-musl-... */
static size_t prefix_length(const char *interp) {
  const char *last = strrchr(interp, '/');
  size_t n = *interp == '/' ? (size_t)(last - interp) : 0;
  while (n && interp[n - 1] != '/')
    n--;
  return n ? n - 1 : 0;
}

static char *read_text(struct ldx_library_search *s, int fd) {
  struct stat st;
  size_t size = ldx_sys_failed(io_fstat(s->io, fd, &st)) ? 0 : (size_t)st.st_size, done = 0;
  char *text = ldx_heap_alloc(s->heap, size + 1);
  while (text && done < size) {
    long n = io_read(s->io, fd, text + done, size - done);
    if (ldx_sys_failed(n) || n == 0)
      break;
    done += (size_t)n;
  }
  return text;
}

/* The file's contents; without one the usual folders; with one that cannot be read, none. */
static const char *system_folders(struct ldx_library_search *s) {
  size_t n = prefix_length(s->musl_interp ? s->musl_interp : DEFAULT_INTERP), room = n + sizeof PATH_FILE;
  char *path = ldx_heap_alloc(s->heap, room);
  if (!path)
    return NULL;
  ldx_format(path, room, "%.*s" PATH_FILE, (int)n, s->musl_interp ? s->musl_interp : DEFAULT_INTERP);
  long fd = io_open(s->io, path, O_RDONLY | O_CLOEXEC);
  if (ldx_search_cache(s))
    ldx_search_cache(s)->depends(path, 0);
  ldx_heap_free(s->heap, path);
  if (ldx_sys_failed(fd))
    return fd == -ENOENT ? DEFAULT_FOLDERS : "";
  char *text = read_text(s, (int)fd);
  io_close(s->io, (int)fd);
  return text;
}

static const char *runpath(const struct ldx_object *o, const char **source) {
  const char *text = elf_dynamic_string(&o->dyn, DT_RUNPATH);
  *source = text ? "RUNPATH" : "RPATH";
  return text ? text : elf_dynamic_string(&o->dyn, DT_RPATH);
}

/* *more becomes false when the walk is over. */
static bool tell_runpath(struct ldx_library_search *s, struct ldx_object *o, ldx_musl_each_list *each, void *arg,
                         bool *more) {
  const char *source, *text = runpath(o, &source);
  if (!text)
    return true;
  char *folders = ldx_expand_dst(s, o, text);
  if (folders)
    *more = each(arg, source, o, folders);
  ldx_heap_free(s->heap, folders);
  return folders;
}

bool ldx_musl_lists(struct ldx_library_search *s, const struct ldx_find_request *r, ldx_musl_each_list *each,
                    void *arg) {
  bool more = !s->library_path || s->secure || each(arg, s->library_path_source, NULL, s->library_path),
       did_program = false;
  for (struct ldx_object *o = r->loader; more && o; o = o->loader) {
    did_program |= o == r->program;
    if (!tell_runpath(s, o, each, arg, &more))
      return false;
  }
  if (more && !did_program && r->program && !tell_runpath(s, r->program, each, arg, &more))
    return false;
  if (more && !s->state->musl_folders)
    s->state->musl_folders = system_folders(s);
  if (more && s->state->musl_folders)
    each(arg, "system search path", NULL, s->state->musl_folders);
  return s->state->musl_folders || !more;
}
