#include "base/text.h"

#include <string.h>

size_t ldx_skip(const char *s, const char *set) {
  size_t n = 0;
  while (s[n] && strchr(set, s[n]))
    n++;
  return n;
}

size_t ldx_until(const char *s, const char *set) {
  size_t n = 0;
  while (s[n] && !strchr(set, s[n]))
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
