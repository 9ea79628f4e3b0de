/* Tunables live in ld-linux; its start-up code, which never runs here, would parse the environment into them. */
#include <string.h>

#include "base/print.h"
#include "base/text.h"
#include "libc/glibc/glibc.h"

struct table {
  const struct glibc_profile *f;
  char *at;
  size_t count;
  struct ldx_heap *heap; /* for the values of string tunables */
};

static struct table table_of(const struct glibc_state *g) {
  const struct glibc_profile *f = g->profile;
  bool arrays = f->count.tunable_name && f->object.tunable_list && f->tunable.size;
  return (struct table){f, (char *)g->ld->map.l_addr + f->object.tunable_list,
                        arrays ? f->tunable_list_size / f->tunable.size : 0, NULL};
}

/* strtoul with base detection, as the tunables are written: decimal, 0x, 0. False: more than a number follows, or
 * it is too large; what was read is told anyway. */
static bool parse_number(const char *s, size_t n, uint64_t *out) {
  uint64_t v = 0;
  unsigned base = 10;
  bool negative = n && *s == '-', fits = true;
  size_t i = negative || (n && *s == '+') ? 1 : 0;
  if (n > i + 1 && s[i] == '0' && (s[i + 1] | 32) == 'x') {
    base = 16;
    i += 2;
  } else if (n > i && s[i] == '0') {
    base = 8;
  }
  for (; fits && i < n; i++) {
    unsigned c = (unsigned char)s[i], digit = c - '0' < 10 ? c - '0' : (c | 32) - 'a' + 10;
    if (digit >= base)
      break;
    fits = v <= (UINT64_MAX - digit) / base;
    v = fits ? v * base + digit : UINT64_MAX;
  }
  *out = negative ? 0 - v : v;
  return fits && i == n;
}

enum { TYPE_INT, TYPE_UINT, TYPE_SIZE, TYPE_STRING };

/* Builds since 2.39 know no security levels; they also want the whole list well-formed, and say what they ignore. */
static bool strict(const struct table *t) { return t->f->tunable.security_level == GLIBC_ABSENT; }

static void set_string(const struct table *t, char *e, const char *value, size_t n) {
  char *copy = ldx_heap_alloc(t->heap, n + 1);
  if (!copy)
    return;
  memcpy(copy, value, n);
  memcpy(e + t->f->tunable.val, &copy, 8);
  if (t->f->size.tunable_val == 16) /* with its length */
    memcpy(e + t->f->tunable.val + 8, &n, 8);
  e[t->f->tunable.initialized] = 1;
}

static void set(const struct table *t, size_t i, const char *value, size_t n) {
  const struct glibc_profile *f = t->f;
  char *e = t->at + i * f->tunable.size;
  uint32_t type;
  uint64_t v, min, max;
  memcpy(&type, e + f->tunable.type_code, 4);
  if (type == TYPE_STRING) {
    set_string(t, e, value, n);
    return;
  }
  if (!parse_number(value, n, &v) && strict(t)) {
    ldx_print(2, "WARNING: ld.so: invalid GLIBC_TUNABLES value `%.*s' for option `%s': ignored.\n", (int)n, value,
              e + f->tunable.name);
    return;
  }
  memcpy(&min, e + f->tunable.type_min, 8);
  memcpy(&max, e + f->tunable.type_max, 8);
  bool in = type == TYPE_INT ? (int64_t)v >= (int64_t)min && (int64_t)v <= (int64_t)max : v >= min && v <= max;
  if (!in)
    return;
  memcpy(e + f->tunable.val, &v, 8);
  e[f->tunable.initialized] = 1;
}

static bool is(const char *name, const char *text, size_t n) { return !strncmp(name, text, n) && !name[n]; }

/* Every name has a value without '='; only names without a value before a ':' are passed over. */
static bool well_formed(const char *p) {
  for (;;) {
    p += ldx_until(p, "=:");
    if (!*p)
      return false;
    if (*p++ == ':')
      continue;
    p += ldx_until(p, "=:");
    if (*p != ':')
      return !*p;
  }
}

/* GLIBC_TUNABLES=name=value:name=value */
static void parse_list(const struct table *t, const char *p) {
  if (strict(t) && *p && !well_formed(p)) {
    ldx_print(2, "WARNING: ld.so: invalid GLIBC_TUNABLES `%s': ignored.\n", p);
    return;
  }
  while (*p) {
    size_t name = ldx_until(p, "=:");
    if (p[name] != '=') {
      p += name + (p[name] == ':');
      continue;
    }
    const char *value = p + name + 1;
    size_t n = ldx_until(value, ":");
    for (size_t i = 0; i < t->count; i++)
      if (is(t->at + i * t->f->tunable.size + t->f->tunable.name, p, name))
        set(t, i, value, n);
    p = value + n + (value[n] == ':');
  }
}

/* MALLOC_ARENA_MAX and its like; GLIBC_TUNABLES wins. */
static void parse_alias(const struct table *t, const char *env) {
  size_t n = ldx_until(env, "=");
  for (size_t i = 0; n && env[n] && i < t->count; i++) {
    const char *e = t->at + i * t->f->tunable.size;
    const char *alias = e + t->f->tunable.env_alias;
    if (!e[t->f->tunable.initialized] && *alias && is(alias, env, n))
      set(t, i, env + n + 1, strlen(env + n + 1));
  }
}

/* What a privileged process does with a tunable from the environment. Builds that don't say so erase all. */
enum { ERASE, IGNORE /* but leave it to its children */ };

static unsigned level_of(const struct table *t, size_t i) {
  uint32_t level = ERASE;
  if (t->f->tunable.security_level != GLIBC_ABSENT)
    memcpy(&level, t->at + i * t->f->tunable.size + t->f->tunable.security_level, 4);
  return level;
}

static bool may_stay(const struct table *t, const char *name, size_t n) {
  for (size_t i = 0; i < t->count; i++)
    if (is(t->at + i * t->f->tunable.size + t->f->tunable.name, name, n))
      return level_of(t, i) != ERASE;
  return false;
}

/* Rewrites "name=value:name=value" in place. */
static void filter_list(const struct table *t, char *p) {
  char *to = p, *first = p;
  while (*p) {
    size_t name = ldx_until(p, "=:"), n = ldx_until(p, ":");
    bool more = p[n];
    if (p[name] == '=' && may_stay(t, p, name)) {
      if (to != first)
        *to++ = ':';
      memmove(to, p, n);
      to += n;
    }
    p += n + more;
  }
  *to = '\0';
}

static bool erased_alias(const struct table *t, const char *env) {
  size_t n = ldx_until(env, "=");
  for (size_t i = 0; n && i < t->count; i++) {
    const char *alias = t->at + i * t->f->tunable.size + t->f->tunable.env_alias;
    if (*alias && is(alias, env, n))
      return level_of(t, i) == ERASE;
  }
  return false;
}

static void clean_environment(const struct table *t, char **envp) {
  char **to = envp;
  for (char **from = envp; *from; from++) {
    bool list = !strncmp(*from, "GLIBC_TUNABLES=", 15);
    if (list && t->f->tunable.security_level != GLIBC_ABSENT)
      filter_list(t, *from + 15);
    else if (list || erased_alias(t, *from))
      continue;
    *to++ = *from;
  }
  while (*to)
    *to++ = NULL;
}

void glibc_set_tunables(const struct glibc_state *g, struct ldx_heap *heap, char **envp, bool secure) {
  struct table t = table_of(g);
  t.heap = heap;
  if (!t.count)
    return;
  if (secure) {
    clean_environment(&t, envp);
    return;
  }
  for (char *const *e = envp; *e; e++)
    if (**e == 'G' && !strncmp(*e, "GLIBC_TUNABLES=", 15))
      parse_list(&t, *e + 15);
  for (char *const *e = envp; *e; e++)
    if (!strncmp(*e, "MALLOC_", 7) || !strncmp(*e, "LD_", 3))
      parse_alias(&t, *e);
}

void glibc_print_tunables(const struct glibc_state *g, int fd) {
  struct table t = table_of(g);
  const struct glibc_profile *f = t.f;
  for (size_t i = 0; i < t.count; i++) {
    const char *e = t.at + i * f->tunable.size, *name = e + f->tunable.name, *text;
    uint32_t type;
    uint64_t v, min, max;
    memcpy(&type, e + f->tunable.type_code, 4);
    memcpy(&v, e + f->tunable.val, 8);
    memcpy(&text, e + f->tunable.val, 8);
    memcpy(&min, e + f->tunable.type_min, 8);
    memcpy(&max, e + f->tunable.type_max, 8);
    if (type == TYPE_STRING)
      ldx_print(fd, "%s:%s%s\n", name, text ? " " : "", text ? text : "");
    else if (type == TYPE_INT)
      ldx_print(fd, "%s: %d (min: %d, max: %d)\n", name, (int)v, (int)min, (int)max);
    else
      ldx_print(fd, "%s: 0x%lx (min: 0x%lx, max: 0x%lx)\n", name, v, min, max);
  }
}
