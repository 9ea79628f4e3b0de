/* The child of fork: memory that is a file is its parent's too. Before fork each copy is copied once more, in memory;
 * the child maps that over the first one. */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "base/print.h"
#include "base/text.h"
#include "loader/memory_file.h"
#include "loader/reload.h"

static int duplicate(const struct ldx_image_copy *c) {
  struct stat st;
  if (!ldx_copy_is_open(c) || ldx_sys_failed(sys_fstat(c->fd, &st)))
    return -1;
  long fd = ldx_new_memory_file(ldx_last_part(c->object->map.l_name), (uint64_t)st.st_size);
  if (ldx_sys_failed(fd))
    return -1;
  if (!ldx_copy_data((int)fd, c->fd, (uint64_t)st.st_size))
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

static bool own_memory(const struct ldx_image_copy *c) {
  const struct ldx_object *o = c->object;
  for (uint32_t i = 0; i < o->image.segment_count; i++) {
    const struct elf_segment *s = &o->image.segments[i];
    uint64_t at = ldx_align_down(o->map.l_addr + s->vaddr, LDX_PAGE);
    uint64_t size = ldx_align_up(o->map.l_addr + s->vaddr + s->memsz, LDX_PAGE) - at;
    if ((c->child < 0 || !map_own(c, s, at, size)) && !map_contents(s, at, size))
      return false;
  }
  struct ldx_diag ignored = {.heap = &ldx_self.heap};
  return ldx_protect_relro((struct ldx_object *)o, &ignored);
}

/* The number stays, if it is still the copy's. */
static void take_descriptor(struct ldx_image_copy *c) {
  bool was_open = ldx_copy_is_open(c);
  if (c->child >= 0 && was_open && !ldx_sys_failed(LDX_SYS(SYS_dup3, c->child, c->fd, O_CLOEXEC, 0, 0, 0)))
    sys_close(c->child);
  else {
    if (was_open)
      sys_close(c->fd);
    c->fd = c->child;
  }
  ldx_note_copy(c, c->fd);
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

static void before(void) {
  ldx_rlock_enter(&ldx_self.lock);
  ldx_copies_before_fork();
}

static void in_parent(void) {
  ldx_copies_after_fork(false);
  ldx_rlock_leave(&ldx_self.lock);
}

/* The lock is taken over from the parent, or, in a process that has no threads, is this thread's once more. */
static void in_child(void) {
  ldx_rlock_enter(&ldx_self.lock);
  ldx_copies_after_fork(true);
  ldx_rlock_leave(&ldx_self.lock);
  if (ldx_rlock_mine(&ldx_self.lock))
    ldx_rlock_leave(&ldx_self.lock);
}

/* fork.c calls these for glibc. musl has nothing for its loader, but what it has for everybody. */
void ldx_watch_copies(void) {
  typedef int register_atfork(void (*)(void), void (*)(void), void (*)(void));
  static const char name[] = "pthread_atfork";
  uintptr_t f = ldx_self.musl.libc ? ldx_address_of(ldx_self.musl.libc, name) : 0;
  if (f && !__atomic_exchange_n(&ldx_self.copies_watched, true, __ATOMIC_ACQ_REL))
    ((register_atfork *)f)(before, in_parent, in_child);
}
