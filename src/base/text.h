/* The string functions whose libc versions keep state: a stack protector's canary behind %fs, vector registers. */
#ifndef LDX_BASE_TEXT_H
#define LDX_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* As strspn: how many characters from `s` on are in `set`. */
size_t ldx_skip(const char *s, const char *set);
/* As strcspn: how many characters come before one of `set` or the end. */
size_t ldx_until(const char *s, const char *set);
/* As strstr: the first place of `what` in `s`, or NULL. */
const char *ldx_find_text(const char *s, const char *what);

/* What stands behind the last slash: the file of a path. */
const char *ldx_last_part(const char *path);

/* Whether `text` matches the n-byte pattern, in which * stands for any characters and ? for one. */
bool ldx_glob(const char *pattern, size_t n, const char *text);

#endif
