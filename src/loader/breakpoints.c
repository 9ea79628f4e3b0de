#include "loader/breakpoints.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "arch/x86_64/jump.h"
#include "base/sys.h"
#include "loader/context.h"

struct ldx_copied_page {
  struct ldx_copied_page *next;
  uintptr_t at;
  uint8_t bytes[LDX_PAGE];
};

/* What cannot be written is written as debuggers do it. */
static bool force(uintptr_t at, const void *bytes, size_t n) {
  long fd = sys_open("/proc/self/mem", O_WRONLY | O_CLOEXEC);
  if (ldx_sys_failed(fd))
    return false;
  long done = LDX_SYS(SYS_pwrite64, fd, bytes, n, at, 0, 0);
  sys_close((int)fd);
  return done == (long)n;
}

/* A breakpoint is a trap by itself, in the place of another byte: several in a row are what memory was filled with
 * before there was code. */
static bool is_breakpoint(const uint8_t *view, const uint8_t *code, size_t i, size_t n) {
  bool before = i > 0 && view[i - 1] == LDX_TRAP && code[i - 1] != LDX_TRAP;
  bool after = i + 1 < n && view[i + 1] == LDX_TRAP && code[i + 1] != LDX_TRAP;
  return view[i] == LDX_TRAP && code[i] != LDX_TRAP && !before && !after;
}

static bool shows(const uint8_t *view, const uint8_t *code, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (view[i] != code[i] && !is_breakpoint(view, code, i, n))
      return false;
  return true;
}

static void show_in_page(uintptr_t view, const uint8_t *code, size_t n) {
  if (!memcmp((void *)view, code, n) || shows((const uint8_t *)view, code, n) || force(view, code, n))
    return;
  sys_madvise((void *)ldx_align_down(view, LDX_PAGE), LDX_PAGE, MADV_DONTNEED);
}

void ldx_show_code(uintptr_t view, const void *bytes, size_t n) {
  const uint8_t *code = bytes;
  while (n) {
    size_t left = LDX_PAGE - view % LDX_PAGE, here = n < left ? n : left;
    show_in_page(view, code, here);
    view += here;
    code += here;
    n -= here;
  }
}

/* Documentation/admin-guide/mm/pagemap.rst: bit 63, present; bit 61, of a file. */
static bool is_copy(uint64_t page) { return page >> 63 & 1 && !(page >> 61 & 1); }

static void copy_page(struct ldx_copied_page **list, uintptr_t at) {
  struct ldx_copied_page *p = ldx_new(sizeof *p);
  if (!p)
    return;
  p->next = *list;
  p->at = at;
  memcpy(p->bytes, (void *)at, LDX_PAGE);
  *list = p;
}

struct ldx_copied_page *ldx_find_copied(uintptr_t low, uintptr_t high) {
  struct ldx_copied_page *found = NULL;
  uint64_t pages[512];
  long fd = sys_open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC), got = 0;
  if (ldx_sys_failed(fd))
    return NULL;
  high = ldx_align_up(high, LDX_PAGE);
  for (uintptr_t at = ldx_align_down(low, LDX_PAGE); at < high; at += (uintptr_t)got / sizeof *pages * LDX_PAGE) {
    size_t left = (high - at) / LDX_PAGE, n = left < LDX_COUNT(pages) ? left : LDX_COUNT(pages);
    got = sys_pread((int)fd, pages, n * sizeof *pages, (int64_t)(at / LDX_PAGE * sizeof *pages));
    if (got < (long)sizeof *pages)
      break;
    for (size_t i = 0; i < (size_t)got / sizeof *pages; i++)
      if (is_copy(pages[i]))
        copy_page(&found, at + i * LDX_PAGE);
  }
  sys_close((int)fd);
  return found;
}

void ldx_restore_breakpoints(struct ldx_copied_page *pages) {
  for (struct ldx_copied_page *p = pages, *next; p; p = next) {
    next = p->next;
    const uint8_t *code = (const uint8_t *)p->at, trap = LDX_TRAP;
    for (size_t i = 0; i < LDX_PAGE; i++)
      if (is_breakpoint(p->bytes, code, i, LDX_PAGE))
        force(p->at + i, &trap, 1);
    ldx_delete(p);
  }
}
