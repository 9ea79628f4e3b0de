/* Policies from files: who may be read, what they include. */
#include "hooks/policy.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/diag.h"
#include "base/print.h"
#include "base/sys.h"
#include "hooks/policy_read.h"

/* The files being read, innermost first. */
struct source {
  const struct source *outer;
  const char *name;
  uint64_t dev, ino;
  uint32_t depth;
};

struct contents {
  char *text;
  size_t size;
  uint64_t dev, ino;
};

static bool add_path(struct ldx_policy *p, const struct ldx_policy_reader *r, const char *path,
                     const struct source *outer, const char *where);

bool ldx_policy_may_read(const struct stat *st, bool secure) {
  return !secure || (st->st_uid == 0 && !(st->st_mode & (S_IWGRP | S_IWOTH)));
}

/* Under AT_SECURE: a file right in the system's folder, which nobody but root can have put there. */
static bool is_systems_own(const char *path) {
  struct stat st;
  size_t n = strlen(LDX_POLICY_FOLDER);
  return !strncmp(path, LDX_POLICY_FOLDER "/", n + 1) && !strchr(path + n + 1, '/') &&
         !ldx_sys_failed(sys_stat(LDX_POLICY_FOLDER, &st)) && ldx_policy_may_read(&st, true);
}

static const char *read_open(int fd, const struct ldx_policy_reader *r, struct contents *out) {
  struct stat st;
  long n = sys_fstat(fd, &st);
  if (ldx_sys_failed(n))
    return ldx_errno_text((int)-n);
  if (!S_ISREG(st.st_mode))
    return "not a regular file";
  if (!ldx_policy_may_read(&st, r->secure))
    return "not root's own: not read for a privileged program";
  if (st.st_size > LDX_POLICY_MAX_SIZE)
    return "larger than 1 MiB";
  out->dev = st.st_dev;
  out->ino = st.st_ino;
  out->text = ldx_heap_alloc(r->heap, (size_t)st.st_size + 1);
  if (!out->text)
    return "cannot allocate memory";
  while (out->size < (size_t)st.st_size) {
    n = sys_read(fd, out->text + out->size, (size_t)st.st_size - out->size);
    if (n == -EINTR)
      continue;
    if (ldx_sys_failed(n))
      return ldx_errno_text((int)-n);
    if (!n)
      break;
    out->size += (size_t)n;
  }
  return NULL;
}

/* NULL, or why the file cannot be had. */
static const char *read_file(const char *path, const struct ldx_policy_reader *r, struct contents *out) {
  *out = (struct contents){0};
  if (r->secure && !is_systems_own(path))
    return "not a file of " LDX_POLICY_FOLDER ": not read for a privileged program";
  long fd = sys_open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | (r->secure ? O_NOFOLLOW : 0));
  if (ldx_sys_failed(fd))
    return ldx_errno_text((int)-fd);
  const char *fault = read_open((int)fd, r, out);
  sys_close((int)fd);
  if (fault) {
    ldx_heap_free(r->heap, out->text);
    out->text = NULL;
  }
  return fault;
}

/* Paths in a file are relative to the folder that the file is in. */
static char *beside(struct ldx_policy *p, const char *file, const char *path) {
  const char *slash = *path == '/' ? NULL : strrchr(file, '/');
  size_t folder = slash ? (size_t)(slash + 1 - file) : 0, n = strlen(path);
  char *out = policy_alloc(p, folder + n + 1);
  if (out) {
    memcpy(out, file, folder);
    memcpy(out + folder, path, n + 1);
  }
  return out;
}

static bool read_includes(struct policy_reading *g, const struct source *source, uint32_t list) {
  ldx_policy_texts paths = {0};
  bool ok = policy_read_paths(g, "include", list, &paths);
  for (uint32_t i = 0; ok && i < paths.count; i++) {
    const char *path = beside(g->policy, source->name, paths.at[i].text);
    ok = path ? add_path(g->policy, g->reader, path, source, paths.at[i].where)
              : policy_fault(g, list, "cannot allocate memory");
  }
  return ok;
}

static bool read_document(struct policy_reading *g, const struct source *source) {
  if (g->json.tokens[0].kind != JSON_OBJECT)
    return policy_fault(g, 0, "a policy must be an object");
  uint32_t include = policy_value_of(g, 0, "include");
  bool ok = !include || read_includes(g, source, include);
  return policy_read_object(g, SHAPE_POLICY, 0, g->policy) && ok;
}

static bool add_text(struct ldx_policy *p, const struct ldx_policy_reader *r, const struct source *source,
                     const char *text, size_t size) {
  struct policy_reading g = {.policy = p, .reader = r, .file = source->name};
  struct json_fault fault;
  bool ok = json_read(&g.json, r->heap, text, size, &fault);
  if (ok) {
    ok = read_document(&g, source) && !g.faults;
  } else {
    char where[1100];
    struct json_position at = json_position(&g.json, fault.offset);
    ldx_format(where, sizeof where, "%.*s:%u:%u", 1024, source->name, at.line, at.column);
    policy_tell(r, where, "%s", fault.text);
  }
  json_free(&g.json, r->heap);
  return ok;
}

static bool was_read(const struct ldx_policy *p, const struct contents *c) {
  for (uint32_t i = 0; i < p->files.count; i++)
    if (p->files.at[i].dev == c->dev && p->files.at[i].ino == c->ino)
      return true;
  return false;
}

/* "a.json includes b.json includes a.json" */
static void tell_circle(const struct ldx_policy_reader *r, const struct source *inner, const struct source *again,
                        const char *where) {
  char text[1024];
  size_t end = sizeof text;
  const struct source *s = inner;
  text[--end] = '\0';
  for (; s != again->outer; s = s->outer) {
    size_t n = strlen(s->name), with = n + strlen(" includes ");
    if (end < with)
      break;
    end -= with;
    memcpy(text + end, s->name, n);
    memcpy(text + end + n, " includes ", with - n);
  }
  policy_tell(r, where, "includes go round in a circle: %s%s", text + end, again->name);
}

static bool check_circle(const struct ldx_policy_reader *r, const struct contents *c, const struct source *outer,
                         const char *where) {
  enum { DEEPEST = 16 };
  for (const struct source *s = outer; s; s = s->outer)
    if (s->dev == c->dev && s->ino == c->ino) {
      tell_circle(r, outer, s, where);
      return false;
    }
  if (!outer || outer->depth < DEEPEST)
    return true;
  policy_tell(r, where, "includes nested too deeply");
  return false;
}

static bool add_contents(struct ldx_policy *p, const struct ldx_policy_reader *r, const char *name,
                         const struct contents *c, const struct source *outer, const char *where) {
  if (!check_circle(r, c, outer, where))
    return false;
  if (was_read(p, c))
    return true;
  struct ldx_policy_file *file = policy_append(p, &p->files, sizeof *file);
  if (!file) {
    policy_tell(r, name, "cannot allocate memory");
    return false;
  }
  *file = (struct ldx_policy_file){c->dev, c->ino};
  const struct source source = {outer, name, c->dev, c->ino, outer ? outer->depth + 1 : 0};
  return add_text(p, r, &source, c->text, c->size);
}

static bool add_path(struct ldx_policy *p, const struct ldx_policy_reader *r, const char *path,
                     const struct source *outer, const char *where) {
  struct contents c;
  const char *fault = read_file(path, r, &c);
  if (fault && where)
    policy_tell(r, where, "%s: cannot read policy file: %s", path, fault);
  else if (fault)
    policy_tell(r, path, "cannot read policy file: %s", fault);
  bool ok = !fault && add_contents(p, r, path, &c, outer, where);
  ldx_heap_free(r->heap, c.text);
  return ok;
}

bool ldx_policy_add_file(struct ldx_policy *p, const struct ldx_policy_reader *r, const char *path) {
  return add_path(p, r, path, NULL, NULL);
}

bool ldx_policy_add_text(struct ldx_policy *p, const struct ldx_policy_reader *r, const char *name, const char *text,
                         size_t size) {
  const struct source source = {.name = name};
  return add_text(p, r, &source, text, size);
}

bool ldx_policy_add_section(struct ldx_policy *p, const struct ldx_policy_reader *r, const char *name, int fd,
                            bool *found) {
  struct stat st;
  char *text = NULL, *shown = NULL;
  size_t size = 0, room = strlen(name) + sizeof LDX_POLICY_SECTION + 3;
  const char *fault = NULL;
  *found = false;
  if (r->secure)
    return true;
  long n = sys_fstat(fd, &st);
  const struct ldx_policy_bytes bytes = {.fd = fd, .size = ldx_sys_failed(n) ? 0 : (uint64_t)st.st_size};
  int result =
      ldx_policy_find_section(r->heap, &bytes, LDX_POLICY_SECTION, LDX_POLICY_MAX_SIZE, &text, &size, &fault);
  *found = result > 0;
  if (result < 0)
    policy_tell(r, name, "section " LDX_POLICY_SECTION ": %s", fault);
  else if (*found && !(shown = policy_alloc(p, room)))
    policy_tell(r, name, "cannot allocate memory");
  else if (*found)
    ldx_format(shown, room, "%s(%s)", name, LDX_POLICY_SECTION);
  bool ok = result == 0 || (shown && ldx_policy_add_text(p, r, shown, text, size));
  ldx_heap_free(r->heap, text);
  return ok;
}

static bool check_names(const struct ldx_policy *p, const struct ldx_policy_reader *r) {
  bool ok = true;
  for (uint32_t i = 1; i < p->tools.count; i++)
    for (uint32_t k = 0; k < i && p->tools.at[i].name; k++)
      if (p->tools.at[k].name && !strcmp(p->tools.at[i].name, p->tools.at[k].name)) {
        policy_tell(r, p->tools.at[i].where, "the tool \"%s\" is there already: %s", p->tools.at[i].name,
                    p->tools.at[k].where);
        ok = false;
        break;
      }
  return ok;
}

bool ldx_policy_finish(struct ldx_policy *p, const struct ldx_policy_reader *r) {
  bool names = check_names(p, r);
  return policy_check_orders(p, r) && names;
}
