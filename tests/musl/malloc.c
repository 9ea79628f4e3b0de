/* A program with a malloc of its own, from which libc takes its memory too; it lacks calloc and aligned_alloc. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char heap[1 << 20];
static size_t used, calls;

void *malloc(size_t n) {
  size_t *p = (size_t *)(heap + used);
  used += (n + 31) & ~15ul;
  calls++;
  if (used > sizeof heap)
    return NULL;
  *p = n;
  memset(p + 2, 0xaa, n); /* not zeroed: calloc has to */
  return p + 2;
}
void *realloc(void *p, size_t n) {
  void *q = malloc(n);
  if (q && p) {
    size_t old = ((size_t *)p)[-2];
    memcpy(q, p, old < n ? old : n);
  }
  return q;
}
void free(void *p) { (void)p; }

static int ours(const void *p) { return (const char *)p >= heap && (const char *)p < heap + sizeof heap; }

int main(void) {
  char *text = strdup("copied"), *zeros = calloc(10, 10), *line = NULL;
  size_t size = 0, sum = 0;
  for (int i = 0; i < 100; i++)
    sum += (unsigned char)zeros[i];
  printf("%d %d %zu\n", ours(text), ours(zeros), sum);
  FILE *f = fmemopen((char[]){"a line\n"}, 7, "r");
  ssize_t n = getline(&line, &size, f);
  printf("%d %zd %s", ours(line), n, line);
  errno = 0;
  printf("%d %s\n", aligned_alloc(64, 64) == NULL, strerror(errno));
  printf("%d\n", calls > 3);
  return 0;
}
