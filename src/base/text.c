#include "base/text.h"

#include <stdbool.h>
#include <string.h>

/* Sets are a few characters: a plain loop beats a call. */
static bool is_in(char c, const char *set) {
  for (; *set; set++)
    if (*set == c)
      return true;
  return false;
}

size_t ldx_skip(const char *s, const char *set) {
  size_t n = 0;
  while (s[n] && is_in(s[n], set))
    n++;
  return n;
}

size_t ldx_until(const char *s, const char *set) {
  size_t n = 0;
  while (s[n] && !is_in(s[n], set))
    n++;
  return n;
}

const char *ldx_find_text(const char *s, const char *what) {
  size_t n = strlen(what);
  for (; *s; s++)
    if (!strncmp(s, what, n))
      return s;
  return n ? NULL : s;
}

/* On a mismatch the latest * takes one character more. */
const char *ldx_last_part(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

bool ldx_glob(const char *pattern, size_t n, const char *text) {
  const char *p = pattern, *end = pattern + n, *star = NULL, *from = text;
  while (*text) {
    if (p < end && *p == '*') {
      star = ++p;
      from = text;
    } else if (p < end && (*p == '?' || *p == *text)) {
      p++;
      text++;
    } else if (star) {
      p = star;
      text = ++from;
    } else {
      return false;
    }
  }
  while (p < end && *p == '*')
    p++;
  return p == end;
}
