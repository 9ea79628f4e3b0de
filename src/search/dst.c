#include "search/dst.h"

#include <string.h>

#include "base/span.h"
#include "base/sys.h"
#include "base/text.h"
#include "search/state.h"

enum token { NO_TOKEN, ORIGIN, PLATFORM, LIB };

static const struct {
  const char *name;
  enum token token;
} tokens[] = {{"ORIGIN", ORIGIN}, {"PLATFORM", PLATFORM}, {"LIB", LIB}};

static size_t identifier(const char *p) {
  size_t n = 0;
  while ((p[n] >= 'A' && p[n] <= 'Z') || (p[n] >= 'a' && p[n] <= 'z') || p[n] == '_' ||
         (n > 0 && p[n] >= '0' && p[n] <= '9'))
    n++;
  return n;
}

/* The token behind a dollar sign, and how many characters it takes: the longest name counts. */
static enum token token_at(const char *p, size_t *len) {
  bool braces = *p == '{';
  size_t n = identifier(p + braces);
  *len = n + 2 * braces;
  if (braces && p[n + 1] != '}')
    return NO_TOKEN;
  for (size_t i = 0; i < LDX_COUNT(tokens); i++)
    if (strlen(tokens[i].name) == n && !memcmp(p + braces, tokens[i].name, n))
      return tokens[i].token;
  return NO_TOKEN;
}

bool ldx_has_dst(const char *text) {
  size_t len;
  for (const char *p = strchr(text, '$'); p; p = strchr(p + 1, '$'))
    if (token_at(p + 1, &len))
      return true;
  return false;
}

/* Text that is measured when `at` is NULL, written otherwise. */
struct writer {
  char *at;
  size_t len;
};

static void put(struct writer *w, const char *text, size_t n) {
  if (w->at)
    memcpy(w->at + w->len, text, n);
  w->len += n;
}

static const char *meaning(struct ldx_library_search *s, struct ldx_object *o, enum token t) {
  switch (t) {
  case ORIGIN: {
    const char *origin = o ? ldx_object_origin(s, o) : "";
    return *origin ? origin : NULL;
  }
  case PLATFORM: {
    const struct ldx_hwcaps *h = ldx_search_hwcaps(s);
    return h ? h->platform : NULL;
  }
  case LIB:
    return LDX_DST_LIB;
  default:
    return NULL;
  }
}

static bool origin_allowed(const char *text, const char *token, size_t len) {
  return token == text + 1 && (token[len] == '\0' || token[len] == '/');
}

/* False when a token cannot be replaced. */
static bool substitute(struct ldx_library_search *s, struct ldx_object *o, const char *text, struct writer *w) {
  const char *p = text;
  while (*p) {
    size_t plain = ldx_until(p, "$"), len;
    put(w, p, plain);
    p += plain;
    if (!*p++)
      break;
    enum token t = token_at(p, &len);
    if (!t) {
      put(w, "$", 1);
      continue;
    }
    if (t == ORIGIN && s->secure && !origin_allowed(text, p, len))
      return false;
    const char *value = meaning(s, o, t);
    if (!value)
      return false;
    put(w, value, strlen(value));
    p += len;
  }
  put(w, "", 1);
  return true;
}

static bool names_origin(const char *text) {
  size_t len;
  for (const char *p = strchr(text, '$'); p; p = strchr(p + 1, '$'))
    if (token_at(p + 1, &len) == ORIGIN)
      return true;
  return false;
}

char *ldx_expand_dst(struct ldx_library_search *s, struct ldx_object *o, const char *text) {
  struct writer w = {NULL, 0};
  if (!ldx_has_dst(text))
    return ldx_strdup(s->heap, text);
  if (!substitute(s, o, text, &w))
    return ldx_strdup(s->heap, "");
  w.at = ldx_heap_alloc(s->heap, w.len);
  if (!w.at)
    return NULL;
  w.len = 0;
  substitute(s, o, text, &w);
  /* Whoever may link to the program's file chooses its origin; libraries were found in folders that count. */
  if (s->secure && o && o->kind == LDX_PROGRAM && names_origin(text) && !ldx_path_is_trusted(w.at))
    *w.at = '\0';
  return w.at;
}

/* How much of `path` is a component that changes nothing or goes up; *up tells which. */
static size_t dots(const char *path, bool *up) {
  size_t n = path[0] != '/' || path[1] != '.' ? 0 : path[2] == '.' ? 3 : 2;
  *up = n == 3;
  return n && (path[n] == '/' || path[n] == '\0') ? n : 0;
}

/* Writes the path without "." and "..", with a slash at the end; `out` has room for strlen(path) + 2. */
static size_t normalize(const char *path, char *out) {
  size_t n = 0;
  while (*path) {
    bool up;
    size_t skip = dots(path, &up);
    if (skip && up)
      while (n > 0 && out[--n] != '/')
        ;
    else if (!skip && *path == '/' && n > 0 && out[n - 1] == '/')
      skip = 1;
    if (skip)
      path += skip;
    else
      out[n++] = *path++;
  }
  if (n == 0 || out[n - 1] != '/')
    out[n++] = '/';
  return n;
}

bool ldx_path_is_trusted(const char *path) {
  char out[4096 + 2];
  size_t len = strlen(path);
  if (len == 0 || len > 4096)
    return false;
  len = normalize(path, out);
  for (size_t i = 0; i < ldx_system_dir_count; i++) {
    size_t n = strlen(ldx_system_dirs[i]);
    if (len >= n && !memcmp(out, ldx_system_dirs[i], n))
      return true;
  }
  return false;
}

char *ldx_expand_needed(struct ldx_library_search *s, struct ldx_object *o, const char *text, struct ldx_diag *diag) {
  const char *fault = NULL;
  char *name = NULL;
  if (ldx_has_dst(text) && s->secure)
    fault = "DST not allowed in SUID/SGID programs";
  else if (!(name = ldx_expand_dst(s, o, text)))
    fault = "cannot allocate memory";
  else if (!*name && ldx_has_dst(text))
    fault = "empty dynamic string token substitution";
  if (!fault)
    return name;
  ldx_heap_free(s->heap, name);
  ldx_fail(diag, LDX_DIAG_LOAD, 0, text, "%s", fault);
  return NULL;
}

/* The folder of a file named by a path that contains a slash; heap. */
static char *folder_of(struct ldx_heap *h, const char *path) {
  const char *slash = strrchr(path, '/');
  return ldx_strndup(h, path, slash == path ? 1 : (size_t)(slash - path));
}

static char *origin_of_path(struct ldx_heap *h, const char *path) {
  if (*path == '/')
    return folder_of(h, path);
  char cwd[4096];
  long n = sys_getcwd(cwd, sizeof cwd); /* counts the NUL */
  if (ldx_sys_failed(n) || n < 2 || cwd[0] != '/')
    return ldx_strdup(h, "");
  size_t len = (size_t)n - 1, add = strlen(path);
  if (cwd[len - 1] != '/')
    cwd[len++] = '/';
  char *whole = ldx_heap_alloc(h, len + add + 1);
  if (!whole)
    return NULL;
  memcpy(whole, cwd, len);
  memcpy(whole + len, path, add + 1);
  char *folder = folder_of(h, whole);
  ldx_heap_free(h, whole);
  return folder;
}

/* The kernel started the program: it knows the file. LD_ORIGIN_PATH is for where it does not tell. */
static char *origin_of_process(struct ldx_library_search *s) {
  char path[4096];
  long n = io_readlink(s->io, "/proc/self/exe", path, sizeof path - 1);
  if (!ldx_sys_failed(n) && n > 0 && path[0] == '/') {
    path[n] = '\0';
    return folder_of(s->heap, path);
  }
  const char *given = s->origin_path ? s->origin_path : "";
  size_t len = strlen(given);
  while (len > 1 && given[len - 1] == '/')
    len--;
  return ldx_strndup(s->heap, given, len);
}

const char *ldx_object_origin(struct ldx_library_search *s, struct ldx_object *o) {
  if (o->origin)
    return o->origin;
  if (o->kind == LDX_PROGRAM)
    o->origin = s->program_path ? origin_of_path(s->heap, s->program_path) : origin_of_process(s);
  else
    o->origin = origin_of_path(s->heap, o->map.l_name);
  return o->origin ? o->origin : "";
}
