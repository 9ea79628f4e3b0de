/* Globs whose wildcards can be quoted in a replacement. */
#include "hooks/policy.h"

#include <string.h>

struct matching {
  struct ldx_policy_captures *out;
  uint32_t count; /* wildcards met so far */
};

static void capture(struct matching *m, size_t start, size_t end) {
  if (m->count < LDX_COUNT(m->out->at)) {
    m->out->at[m->count].start = (uint32_t)start;
    m->out->at[m->count].end = (uint32_t)end;
  }
  m->count++;
}

/* On a mismatch the latest * takes one character more; what came behind it is matched, and captured, anew. So the
 * time is at most the product of both lengths. */
bool ldx_policy_match(const char *glob, const char *text, struct ldx_policy_captures *out) {
  struct ldx_policy_captures unused = {0};
  struct matching m = {.out = out ? out : &unused};
  const char *p = glob ? glob : "*", *star = NULL, *from = text, *t = text;
  uint32_t before_star = 0;
  size_t star_start = 0;
  while (*t || *p == '*') {
    if (*p == '*') {
      before_star = m.count;
      star_start = (size_t)(t - text);
      capture(&m, star_start, star_start);
      star = ++p;
      from = t;
    } else if (*p && (*p == '?' || *p == *t)) {
      if (*p == '?')
        capture(&m, (size_t)(t - text), (size_t)(t - text) + 1);
      p++;
      t++;
    } else if (star) {
      p = star;
      t = ++from;
      m.count = before_star;
      capture(&m, star_start, (size_t)(t - text));
    } else {
      return false;
    }
  }
  m.out->text = text;
  m.out->length = (size_t)(t - text);
  m.out->count = m.count < LDX_COUNT(m.out->at) ? m.count : LDX_COUNT(m.out->at);
  return !*p;
}

size_t ldx_policy_substitute(const char *to, const struct ldx_policy_captures *c, char *buf, size_t size) {
  size_t length = 0;
  while (*to) {
    const char *piece = to;
    size_t n = 1;
    unsigned digit = to[0] == '$' ? (unsigned)to[1] - '0' : 10;
    if (digit == 0) {
      piece = c->text;
      n = c->length;
    } else if (digit < 10) {
      piece = digit <= c->count ? c->text + c->at[digit - 1].start : "";
      n = digit <= c->count ? c->at[digit - 1].end - c->at[digit - 1].start : 0;
    }
    to += digit < 10 || (to[0] == '$' && to[1] == '$') ? 2 : 1;
    for (size_t i = 0; i < n; i++, length++)
      if (length + 1 < size)
        buf[length] = piece[i];
  }
  if (size)
    buf[length < size ? length : size - 1] = '\0';
  return length;
}
