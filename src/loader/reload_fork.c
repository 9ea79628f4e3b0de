/* The child of fork: memory that is a file is its parent's too. Before fork each copy is copied once more, in memory;
 * the child maps that over the first one. */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "base/print.h"
#include "base/text.h"
#include "loader/breakpoints.h"
#include "loader/memory_file.h"
#include "loader/reload.h"

/* Of a file that the program has closed its memory is left. */
static long copy_memory(const struct ldx_image_copy *c, int to) {
  const struct ldx_object *o = c->object;
  long r = 0;
  for (uint32_t i = 0; i < o->image.segment_count && !r; i++) {
    const struct elf_segment *s = &o->image.segments[i];
    r = ldx_write_all(to, (const void *)(o->map.l_addr + s->vaddr), s->memsz, s->offset);
  }
  return r;
}

static int duplicate(const struct ldx_image_copy *c) {
  bool whole = ldx_copy_is_open(c);
  struct stat st = {.st_size = (off_t)c->record};
  if (whole && ldx_sys_failed(sys_fstat(c->fd, &st)))
    return -1;
  long fd = ldx_new_memory_file(ldx_last_part(c->object->map.l_name), (uint64_t)st.st_size);
  if (ldx_sys_failed(fd))
    return -1;
  if (!(whole ? ldx_copy_data((int)fd, c->fd, (uint64_t)st.st_size) : copy_memory(c, (int)fd)))
    return (int)fd;
  sys_close((int)fd);
  return -1;
}

void ldx_copies_before_fork(void) {
  for (struct ldx_image_copy *c = ldx_self.copies; c; c = c->next)
    c->child = duplicate(c);
}

static int protection(uint32_t flags) {
  return (flags & PF_R ? PROT_READ : 0) | (flags & PF_W ? PROT_WRITE : 0) | (flags & PF_X ? PROT_EXEC : 0);
}

static bool map_own(const struct ldx_image_copy *c, const struct elf_segment *s, uint64_t at, uint64_t size) {
  uint64_t offset = c->offset + (at - c->object->map_start);
  return !ldx_sys_failed(sys_mmap((void *)at, size, protection(s->flags),
                                  MAP_FIXED | (s->flags & PF_W ? MAP_SHARED : MAP_PRIVATE), c->child,
                                  (int64_t)offset));
}

/* There is no such copy: what the parent has by now, in memory without a file. */
static bool map_contents(const struct elf_segment *s, uint64_t at, uint64_t size) {
  enum { READ_WRITE = PROT_READ | PROT_WRITE };
  long r = sys_mmap(NULL, size, READ_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (ldx_sys_failed(r))
    return false;
  memcpy((void *)r, (const void *)at, size);
  if (!ldx_sys_failed(sys_mprotect((void *)r, size, protection(s->flags))) &&
      !ldx_sys_failed(LDX_SYS(SYS_mremap, r, size, size, 3 /* MREMAP_MAYMOVE | MREMAP_FIXED */, at, 0)))
    return true;
  sys_munmap((void *)r, size);
  return false;
}

static bool own_pages(const struct ldx_image_copy *c, const struct elf_segment *s, uintptr_t at, uintptr_t end) {
  return at >= end || (c->child >= 0 && map_own(c, s, at, end - at)) || map_contents(s, at, end - at);
}

/* The dynamic section's pages are the child's own by now. */
static bool own_segment(const struct ldx_image_copy *c, const struct elf_segment *s) {
  const struct ldx_object *o = c->object;
  uintptr_t at = ldx_align_down(o->map.l_addr + s->vaddr, LDX_PAGE);
  uintptr_t end = ldx_align_up(o->map.l_addr + s->vaddr + s->memsz, LDX_PAGE);
  if (c->dynamic_low == c->dynamic_high || c->dynamic_low < at || c->dynamic_high > end)
    return own_pages(c, s, at, end);
  return own_pages(c, s, at, c->dynamic_low) && own_pages(c, s, c->dynamic_high, end);
}

/* A debugger that follows the child believes its breakpoints in code to be there. */
static bool own_code(const struct ldx_image_copy *c, const struct elf_segment *s) {
  uintptr_t at = c->object->map.l_addr + s->vaddr;
  struct ldx_copied_page *copied = ldx_find_copied(at, at + s->memsz);
  bool ok = own_segment(c, s);
  ldx_restore_breakpoints(copied);
  return ok;
}

static bool own_memory(const struct ldx_image_copy *c) {
  struct ldx_object *o = c->object;
  struct ldx_diag ignored = {.heap = &ldx_self.heap};
  for (uint32_t i = 0; i < o->image.segment_count; i++) {
    const struct elf_segment *s = &o->image.segments[i];
    if (!((s->flags & (PF_X | PF_W)) == PF_X ? own_code(c, s) : own_segment(c, s)))
      return false;
  }
  return ldx_protect_relro(o, &ignored);
}

/* The number stays the same. Of what is not the whole file nobody shall read. */
static void take_descriptor(struct ldx_image_copy *c) {
  bool was_open = ldx_copy_is_open(c);
  if (was_open && c->child >= 0 && !ldx_sys_failed(LDX_SYS(SYS_dup3, c->child, c->fd, O_CLOEXEC, 0, 0, 0)))
    ldx_note_copy(c, c->fd);
  else {
    if (was_open)
      sys_close(c->fd);
    c->fd = -1;
  }
  if (c->child >= 0)
    sys_close(c->child);
  c->child = -1;
}

/* The named file stays its parent's. */
static void adopt(struct ldx_image_copy *c) {
  if (c->alias)
    sys_munmap((void *)c->alias, ldx_image_size(c->object));
  c->alias = 0;
  if (!own_memory(c))
    ldx_die_text("%s: %s: the child of fork cannot have a copy of its own", ldx_self.program_name,
                 ldx_display_name(c->object));
  ldx_delete(c->file);
  c->file = NULL;
  take_descriptor(c);
  if (c->reloads)
    ldx_show_path(c);
}

void ldx_copies_after_fork(bool child) {
  for (struct ldx_image_copy *c = ldx_self.copies; c; c = c->next) {
    if (child)
      adopt(c);
    else if (c->child >= 0)
      sys_close(c->child);
    c->child = -1;
  }
}
