/* Tunables live in ld-linux; its start-up code, which never runs here, would parse the environment into them. */
#include <string.h>

#include "libc/glibc/glibc.h"

struct table {
  const struct glibc_profile *f;
  char *at;
  size_t count;
};

static struct table table_of(const struct glibc_state *g) {
  const struct glibc_profile *f = g->profile;
  bool arrays = f->count.tunable_name && f->object.tunable_list && f->tunable.size;
  return (struct table){f, (char *)g->ld->map.l_addr + f->object.tunable_list,
                        arrays ? f->tunable_list_size / f->tunable.size : 0};
}

/* strtoul with base detection, as the tunables are written: decimal, 0x, 0. */
static bool parse_number(const char *s, size_t n, uint64_t *out) {
  uint64_t v = 0;
  unsigned base = 10;
  bool negative = n && *s == '-';
  size_t i = negative || (n && *s == '+') ? 1 : 0;
  if (n > i + 1 && s[i] == '0' && (s[i + 1] | 32) == 'x') {
    base = 16;
    i += 2;
  } else if (n > i && s[i] == '0') {
    base = 8;
  }
  if (i == n)
    return false;
  for (; i < n; i++) {
    unsigned c = (unsigned char)s[i], digit = c - '0' < 10 ? c - '0' : (c | 32) - 'a' + 10;
    if (digit >= base)
      return false;
    v = v * base + digit;
  }
  *out = negative ? 0 - v : v;
  return true;
}

enum { TYPE_INT, TYPE_UINT, TYPE_SIZE, TYPE_STRING };

static void set(const struct table *t, size_t i, const char *value, size_t n) {
  const struct glibc_profile *f = t->f;
  char *e = t->at + i * f->tunable.size;
  uint32_t type;
  uint64_t v, min, max;
  memcpy(&type, e + f->tunable.type_code, 4);
  if (type == TYPE_STRING) {
    memcpy(e + f->tunable.val, &value, 8);
  } else {
    if (!parse_number(value, n, &v))
      return;
    memcpy(&min, e + f->tunable.type_min, 8);
    memcpy(&max, e + f->tunable.type_max, 8);
    bool in = type == TYPE_INT ? (int64_t)v >= (int64_t)min && (int64_t)v <= (int64_t)max : v >= min && v <= max;
    if (!in)
      return;
    memcpy(e + f->tunable.val, &v, 8);
  }
  e[f->tunable.initialized] = 1;
}

static bool is(const char *name, const char *text, size_t n) { return !strncmp(name, text, n) && !name[n]; }

/* GLIBC_TUNABLES=name=value:name=value */
static void parse_list(const struct table *t, const char *p) {
  while (*p) {
    size_t name = strcspn(p, "=:");
    if (p[name] != '=') {
      p += name + (p[name] == ':');
      continue;
    }
    const char *value = p + name + 1;
    size_t n = strcspn(value, ":");
    for (size_t i = 0; i < t->count; i++)
      if (is(t->at + i * t->f->tunable.size + t->f->tunable.name, p, name))
        set(t, i, value, n);
    p = value + n + (value[n] == ':');
  }
}

/* MALLOC_ARENA_MAX and its like; GLIBC_TUNABLES wins. */
static void parse_alias(const struct table *t, const char *env) {
  size_t n = strcspn(env, "=");
  for (size_t i = 0; n && env[n] && i < t->count; i++) {
    const char *e = t->at + i * t->f->tunable.size;
    const char *alias = e + t->f->tunable.env_alias;
    if (!e[t->f->tunable.initialized] && *alias && is(alias, env, n))
      set(t, i, env + n + 1, strlen(env + n + 1));
  }
}

void glibc_set_tunables(const struct glibc_state *g, char *const *envp, bool secure) {
  struct table t = table_of(g);
  if (secure || !t.count)
    return;
  for (char *const *e = envp; *e; e++)
    if (!strncmp(*e, "GLIBC_TUNABLES=", 15))
      parse_list(&t, *e + 15);
  for (char *const *e = envp; *e; e++)
    if (**e == 'M' || **e == 'L')
      parse_alias(&t, *e);
}
