/* The loader's own functions of <string.h>, under other names, compared with libc's: every small length, alignment
 * and overlap, and strings at the end of a page. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "unit.h"

void *own_memcpy(void *restrict d, const void *restrict s, size_t n);
void *own_memmove(void *d, const void *s, size_t n);
void *own_memset(void *d, int c, size_t n);
int own_memcmp(const void *a, const void *b, size_t n);
void *own_memchr(const void *s, int c, size_t n);
size_t own_strlen(const char *s);
size_t own_strnlen(const char *s, size_t n);
int own_strcmp(const char *a, const char *b);
int own_strncmp(const char *a, const char *b, size_t n);
char *own_strchr(const char *s, int c);
char *own_strrchr(const char *s, int c);
char *own_strcpy(char *restrict d, const char *restrict s);

#define memcpy own_memcpy
#define memmove own_memmove
#define memset own_memset
#define memcmp own_memcmp
#define memchr own_memchr
#define strlen own_strlen
#define strnlen own_strnlen
#define strcmp own_strcmp
#define strncmp own_strncmp
#define strchr own_strchr
#define strrchr own_strrchr
#define strcpy own_strcpy
#include "base/string.c" // NOLINT
#undef memcpy
#undef memmove
#undef memset
#undef memcmp
#undef memchr
#undef strlen
#undef strnlen
#undef strcmp
#undef strncmp
#undef strchr
#undef strrchr
#undef strcpy

enum { MOST = 700, SIZE = 800 };
static unsigned char from[SIZE], mine[SIZE], libcs[SIZE];

static void fresh(void) {
  for (int i = 0; i < SIZE; i++) {
    from[i] = (unsigned char)rand();
    mine[i] = libcs[i] = (unsigned char)rand();
  }
}

/* All lengths up to where the code has no further cases, then some. */
static size_t next(size_t n) { return n < 40 ? n + 1 : n + 53; }

static void copies(void **state) {
  for (size_t n = 0; n < MOST; n = next(n))
    for (size_t to = 0; to < 9; to++) {
      fresh();
      assert_ptr_equal(own_memcpy(mine + to, from + n % 7, n), mine + to);
      memcpy(libcs + to, from + n % 7, n);
      assert_memory_equal(mine, libcs, SIZE);
    }
}

static void moves(void **state) {
  for (size_t n = 0; n < MOST; n = next(n))
    for (size_t distance = 0; distance < 20; distance++)
      for (int back = 0; back < 2; back++) {
        fresh();
        memcpy(libcs, mine, SIZE);
        size_t to = back ? 50 : 50 + distance, at = back ? 50 + distance : 50;
        assert_ptr_equal(own_memmove(mine + to, mine + at, n), mine + to);
        memmove(libcs + to, libcs + at, n);
        assert_memory_equal(mine, libcs, SIZE);
      }
}

static void sets(void **state) {
  for (size_t n = 0; n < MOST; n = next(n)) {
    fresh();
    assert_ptr_equal(own_memset(mine + n % 9, (int)n, n), mine + n % 9);
    memset(libcs + n % 9, (int)n, n);
    assert_memory_equal(mine, libcs, SIZE);
  }
}

static int sign(int i) { return (i > 0) - (i < 0); }

static void compares(void **state) {
  for (size_t n = 0; n < 64; n++)
    for (size_t differs = 0; differs <= n; differs++) {
      fresh();
      memcpy(mine, from, SIZE);
      mine[differs] ^= (unsigned char)(1 + rand() % 255);
      assert_int_equal(sign(own_memcmp(mine, from, n)), sign(memcmp(mine, from, n)));
      mine[n] = from[n] = 0;
      const char *a = (const char *)mine, *b = (const char *)from;
      assert_int_equal(sign(own_strcmp(a, b)), sign(strcmp(a, b)));
      assert_int_equal(sign(own_strncmp(a, b, differs)), sign(strncmp(a, b, differs)));
      assert_int_equal(sign(own_strncmp(a, b, n)), sign(strncmp(a, b, n)));
    }
}

/* Right before a page that cannot be read. */
static void searches(void **state) {
  enum { PAGE = 4096 };
  char *page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), copy[SIZE];
  assert_ptr_not_equal(page, MAP_FAILED);
  assert_int_equal(mprotect(page + PAGE, PAGE, PROT_NONE), 0);
  for (size_t n = 0; n < 70; n++) {
    char *s = page + PAGE - 1 - n;
    for (size_t i = 0; i < n; i++)
      s[i] = (char)(rand() % 2 ? 'a' + rand() % 3 : 0x80 + rand() % 2);
    s[n] = 0;
    assert_int_equal(own_strlen(s), n);
    assert_int_equal(own_strnlen(s, n), n);
    assert_int_equal(own_strnlen(s, n / 2), n / 2);
    const char wanted[] = {'a', (char)0x80, 'x', 0};
    for (size_t i = 0; i < sizeof wanted; i++) {
      assert_ptr_equal(own_strchr(s, wanted[i]), strchr(s, wanted[i]));
      assert_ptr_equal(own_strrchr(s, wanted[i]), strrchr(s, wanted[i]));
      assert_ptr_equal(own_memchr(s, wanted[i], n), memchr(s, wanted[i], n));
    }
    assert_ptr_equal(own_strcpy(copy, s), copy);
    assert_string_equal(copy, s);
  }
  munmap(page, 2 * PAGE);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      CASE(copies), CASE(moves), CASE(sets), CASE(compares), CASE(searches),
  };
  return RUN(tests);
}
