/* The functions of <string.h> that the loader (and the compiler, unasked) calls. Unlike those of a static libc they
 * have unwind tables: a signal that arrives here finds its way to the caller. No vector registers, nothing behind
 * %fs. */
#include <string.h>

#include <stdint.h>

#pragma GCC optimize("no-tree-loop-distribute-patterns") /* else a loop of memset becomes a call of memset */

typedef uint64_t __attribute__((may_alias, aligned(1))) word;

enum { WORD = sizeof(word) };
#define ONES 0x0101010101010101u
#define HIGHS 0x8080808080808080u

/* Bits of the bytes that are zero; bytes above the first such may be marked falsely. */
static inline uint64_t zeros(uint64_t w) { return (w - ONES) & ~w & HIGHS; }

static inline word load(const void *p) { return *(const word *)p; }
static inline void store(void *p, word w) { *(word *)p = w; }

/* All is read before anything is written: it may overlap. */
static inline void copy_few(char *d, const char *s, size_t n) {
  if (n >= WORD) {
    word first = load(s), last = load(s + n - WORD);
    store(d, first);
    store(d + n - WORD, last);
    return;
  }
  char all[WORD];
  for (size_t i = 0; i < n; i++)
    all[i] = s[i];
  for (size_t i = 0; i < n; i++)
    d[i] = all[i];
}

static inline void copy_words(char *d, const char *s, size_t n) {
  word last = load(s + n - WORD);
  for (size_t i = 0; i + WORD < n; i += WORD)
    store(d + i, load(s + i));
  store(d + n - WORD, last);
}

void *memcpy(void *restrict dest, const void *restrict src, size_t n) {
  enum { MANY = 256 };
  void *d = dest;
  if (n <= 2 * WORD)
    copy_few(dest, src, n);
  else if (n < MANY)
    copy_words(dest, src, n);
  else
    __asm__ volatile("rep movsb" : "+D"(d), "+S"(src), "+c"(n)::"memory");
  return dest;
}

void *memmove(void *dest, const void *src, size_t n) {
  char *d = dest;
  const char *s = src;
  if ((uintptr_t)d - (uintptr_t)s >= n)
    return memcpy(dest, src, n); /* forwards is safe, word by word too: what is read ends before what is written */
  while (n >= WORD) {
    n -= WORD;
    store(d + n, load(s + n));
  }
  while (n--)
    d[n] = s[n];
  return dest;
}

void *memset(void *dest, int c, size_t n) {
  enum { MANY = 256 };
  char *d = dest;
  word w = ONES * (unsigned char)c;
  if (n >= MANY) {
    __asm__ volatile("rep stosb" : "+D"(d), "+c"(n) : "a"(c) : "memory");
    return dest;
  }
  for (; n >= WORD; n -= WORD, d += WORD)
    store(d, w);
  while (n--)
    *d++ = (char)c;
  return dest;
}

int memcmp(const void *a, const void *b, size_t n) {
  const unsigned char *p = a, *q = b;
  for (; n >= WORD && load(p) == load(q); n -= WORD)
    p += WORD, q += WORD;
  for (; n; n--, p++, q++)
    if (*p != *q)
      return *p - *q;
  return 0;
}

void *memchr(const void *s, int c, size_t n) {
  for (const unsigned char *p = s; n; n--, p++)
    if (*p == (unsigned char)c)
      return (void *)p;
  return NULL;
}

/* Whole words at their own alignment never leave the page that the string is in. */
size_t strlen(const char *s) {
  const char *p = s;
  for (; (uintptr_t)p % WORD; p++)
    if (!*p)
      return (size_t)(p - s);
  while (!zeros(load(p)))
    p += WORD;
  return (size_t)(p - s) + (unsigned)__builtin_ctzll(zeros(load(p))) / 8;
}

size_t strnlen(const char *s, size_t n) {
  const char *end = memchr(s, 0, n);
  return end ? (size_t)(end - s) : n;
}

int strcmp(const char *a, const char *b) {
  for (; *a == *b && *a; a++, b++)
    ;
  return (unsigned char)*a - (unsigned char)*b;
}

int strncmp(const char *a, const char *b, size_t n) {
  for (; n && *a == *b && *a; a++, b++, n--)
    ;
  return n ? (unsigned char)*a - (unsigned char)*b : 0;
}

char *strchr(const char *s, int c) {
  for (; *s != (char)c; s++)
    if (!*s)
      return NULL;
  return (char *)s;
}

char *strrchr(const char *s, int c) {
  const char *last = NULL;
  do
    if (*s == (char)c)
      last = s;
  while (*s++);
  return (char *)last;
}

char *strcpy(char *restrict dest, const char *restrict src) {
  memcpy(dest, src, strlen(src) + 1);
  return dest;
}
