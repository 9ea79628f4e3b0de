/* Memory of objects made at run time: one memfd an object, which programs see as a library's segments, and which is
 * written by a second view of all of it. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/print.h"
#include "base/valgrind.h"
#include "loader/breakpoints.h"
#include "loader/jit_core.h"
#include "loader/memory_file.h"
#include "namespace/names.h"

/* A further view that can be written: of [low, high), at `at`. */
struct view {
  uintptr_t low, high, at;
};
enum { VIEWS = 4 };

struct ldx_jit_memory {
  dev_t dev;
  ino_t ino;
  int copy;        /* around fork: what the child is to have; -1: there was no descriptor for it, or no such size */
  uintptr_t spare; /* around fork: then it gets this memory, which is of no file; 0: none */
  uint32_t view_count;
  struct view views[VIEWS];
};

/* --- layout ---------------------------------------------------------------------------------------------- */

/* Bytes that the tables of a symbol may take; symbols that are gone, or were replaced, but may still be read. */
enum {
  STRING_BYTES = 128,
  FRAME_BYTES = 128,
  FRAME_ENTRY_BYTES = 32,
  VERSION_ROOM = 64 * 1024,
  STILL_READ = 64 * 1024
};

static uint64_t entries(const struct ldx_jit_plan *p) { return 2ull * p->symbols + STILL_READ; }

static uint64_t size_of(enum ldx_jit_region_kind kind, const struct ldx_jit_plan *p) {
  switch (kind) {
  case LDX_REGION_HEAD:
    return 2 * LDX_PAGE;
  case LDX_REGION_SYMBOLS:
    return entries(p) * sizeof(Elf64_Sym);
  case LDX_REGION_VERSIONS:
    return entries(p) * sizeof(Elf64_Half) + VERSION_ROOM;
  case LDX_REGION_STRINGS:
    return ((uint64_t)p->symbols + STILL_READ) * STRING_BYTES;
  case LDX_REGION_HASH:
    return entries(p) * 2 * 16 + LDX_PAGE; /* two words an entry, twice for those before, twice as it grows by that */
  case LDX_REGION_FRAMES:
    return (uint64_t)p->symbols * FRAME_BYTES + 16 * LDX_PAGE;
  case LDX_REGION_FRAME_HDR:
    return (uint64_t)p->symbols * FRAME_ENTRY_BYTES + 16 * LDX_PAGE;
  case LDX_REGION_RODATA:
    return p->rodata;
  case LDX_REGION_CODE:
    return p->code;
  case LDX_REGION_DATA:
    return p->data;
  case LDX_REGIONS:
    break;
  }
  return 0;
}

/* Code must reach all of the object by displacements of 32 bits. */
static int lay_out(struct ldx_jit_object *j, const struct ldx_jit_plan *p) {
  uint64_t at = 0;
  for (int k = 0; k < LDX_REGIONS; k++) {
    if (k == LDX_REGION_DATA)
      at += p->gap;
    uint64_t size = size_of(k, p);
    if (size > INT32_MAX || at > INT32_MAX)
      return -EINVAL;
    j->regions[k] = (struct ldx_jit_region){.at = at, .size = ldx_align_up(size, LDX_PAGE)};
    at += j->regions[k].size;
  }
  j->high = at;
  return at > INT32_MAX ? -EINVAL : 0;
}

static size_t image_size(const struct ldx_jit_object *j) { return j->high - j->low; }
static size_t file_size(const struct ldx_jit_object *j) { return image_size(j) + LDX_PAGE; }

Elf64_Dyn *ldx_jit_dynamic_alias(const struct ldx_jit_object *j) { return (Elf64_Dyn *)(j->alias + image_size(j)); }

/* --- the file -------------------------------------------------------------------------------------------- */

/* A program may have closed all descriptors, and opened others. */
static bool is_ours(const struct ldx_jit_object *j) {
  struct stat st;
  return j->fd >= 0 && !ldx_sys_failed(sys_fstat(j->fd, &st)) && st.st_dev == j->memory->dev &&
         st.st_ino == j->memory->ino;
}

static int open_file(struct ldx_jit_object *j, const char *name) {
  struct stat st;
  int fd = (int)ldx_new_memory_file(name, file_size(j));
  if (fd < 0)
    return fd;
  j->fd = fd;
  long r = sys_fstat(fd, &st);
  j->memory->dev = st.st_dev;
  j->memory->ino = st.st_ino;
  return (int)r;
}

/* --- views ----------------------------------------------------------------------------------------------- */

/* One more view of shared memory: mremap(2) makes it of an old size of 0. */
static int map_spare_at(uintptr_t at, size_t size, int prot, uintptr_t from) {
  long r = LDX_SYS(SYS_mremap, from, 0, size, MREMAP_MAYMOVE | MREMAP_FIXED, at, 0);
  if (!ldx_sys_failed(r))
    r = sys_mprotect((void *)at, size, prot);
  return ldx_sys_failed(r) ? (int)r : 0;
}

static int map_at(const struct ldx_jit_object *j, uintptr_t at, size_t size, int prot, int flags, uint64_t offset) {
  if (j->memory->spare)
    return map_spare_at(at, size, prot, j->memory->spare + offset);
  long r = sys_mmap((void *)at, size, prot, flags | MAP_FIXED, j->fd, (int64_t)offset);
  return ldx_sys_failed(r) ? (int)r : 0;
}

/* Cores would have it twice. */
static int map_to_write(const struct ldx_jit_object *j, uintptr_t at, size_t size, uint64_t offset) {
  int r = map_at(j, at, size, PROT_READ | PROT_WRITE, MAP_SHARED, offset);
  if (!r)
    sys_madvise((void *)at, size, MADV_DONTDUMP);
  return r;
}

static int map_view(const struct ldx_jit_object *j, const struct view *v) {
  return map_to_write(j, v->at, v->high - v->low, v->low - j->low);
}

/* Code is mapped privately, or no debugger could write a breakpoint. As long as nobody does, the file is seen. */
static int map_program_view(const struct ldx_jit_object *j) {
  const struct ldx_jit_region *code = &j->regions[LDX_REGION_CODE], *data = &j->regions[LDX_REGION_DATA];
  int r = map_at(j, j->low, code->at - j->low, PROT_READ, MAP_SHARED, 0);
  if (!r)
    r = map_at(j, j->low + LDX_PAGE, LDX_PAGE, PROT_READ, MAP_SHARED, image_size(j));
  if (!r)
    r = map_at(j, code->at, code->size, PROT_READ | PROT_EXEC, MAP_PRIVATE, code->at - j->low);
  if (!r)
    r = map_at(j, data->at, data->size, PROT_READ | PROT_WRITE, MAP_SHARED, data->at - j->low);
  for (uint32_t i = 0; !r && i < j->memory->view_count; i++)
    r = map_view(j, &j->memory->views[i]);
  return r;
}

static int map_alias(const struct ldx_jit_object *j) { return map_to_write(j, j->alias, file_size(j), 0); }

static int reserve(struct ldx_jit_object *j) {
  long low = sys_mmap(NULL, image_size(j), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (ldx_sys_failed(low))
    return (int)low;
  j->low = (uintptr_t)low;
  j->high += (uintptr_t)low;
  for (int k = 0; k < LDX_REGIONS; k++)
    j->regions[k].at += (uintptr_t)low;
  long alias = ldx_reserve_anywhere(file_size(j));
  if (ldx_sys_failed(alias))
    return (int)alias;
  j->alias = (uintptr_t)alias;
  return 0;
}

int ldx_jit_map(struct ldx_jit_object *j, const struct ldx_jit_plan *p) {
  j->fd = -1;
  j->memory = ldx_new(sizeof *j->memory);
  int r = j->memory ? lay_out(j, p) : -ENOMEM;
  if (!r)
    r = open_file(j, p->name);
  if (!r)
    r = reserve(j);
  if (!r)
    r = map_program_view(j);
  if (!r)
    r = map_alias(j);
  if (r)
    ldx_jit_unmap(j);
  return r;
}

void ldx_jit_unmap(struct ldx_jit_object *j) {
  if (j->low)
    sys_munmap((void *)j->low, image_size(j));
  if (j->alias)
    sys_munmap((void *)j->alias, file_size(j));
  if (j->memory && is_ours(j))
    sys_close(j->fd);
  ldx_delete(j->memory);
  j->memory = NULL;
  j->low = j->alias = 0;
  j->fd = -1;
}

int ldx_jit_add_view(struct ldx_jit_object *j, uintptr_t low, uintptr_t high, uintptr_t at) {
  struct ldx_jit_memory *m = j->memory;
  if (m->view_count == VIEWS)
    return -ENOMEM;
  m->views[m->view_count] = (struct view){low, high, at};
  int r = map_view(j, &m->views[m->view_count]);
  m->view_count += !r;
  return r;
}

void ldx_jit_refresh(const struct ldx_jit_object *j, uintptr_t low, uintptr_t high) {
  const struct ldx_jit_region *code = &j->regions[LDX_REGION_CODE];
  low = low < code->at ? code->at : low;
  high = high > code->at + code->used ? code->at + code->used : high;
  if (low < high)
    ldx_show_code(low, ldx_jit_alias(j, low), high - low);
}

void *ldx_jit_sparse_new(size_t bytes) {
  long r = sys_mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (ldx_sys_failed(r))
    return NULL;
  sys_madvise((void *)r, bytes, MADV_NOHUGEPAGE);
  ldx_no_race_checks((void *)r, bytes);
  return (void *)r;
}

/* --- fork ------------------------------------------------------------------------------------------------ */

/* The two processes would write the same memory: the child gets a copy. */
static bool copy_bytes(const struct ldx_jit_object *j, int to, uint64_t from, uint64_t end) {
  while (from < end) {
    long n = LDX_SYS(SYS_pwrite64, to, j->alias + from, end - from, from, 0, 0);
    if (n <= 0)
      return false;
    from += (uint64_t)n;
  }
  return true;
}

/* What was never written takes no memory in the copy either. */
static bool copy_data(const struct ldx_jit_object *j, int to) {
  for (uint64_t at = 0;;) {
    long data = LDX_SYS(SYS_lseek, j->fd, at, SEEK_DATA, 0, 0, 0);
    long hole = data < 0 ? data : LDX_SYS(SYS_lseek, j->fd, data, SEEK_HOLE, 0, 0, 0);
    if (data == -ENXIO)
      return true;
    if (hole < 0 || !copy_bytes(j, to, (uint64_t)data, (uint64_t)hole))
      return false;
    at = (uint64_t)hole;
  }
}

static bool copy_regions(const struct ldx_jit_object *j, int to) {
  bool ok = copy_bytes(j, to, image_size(j), file_size(j));
  for (int k = 0; ok && k < LDX_REGIONS; k++) {
    uint64_t from = j->regions[k].at - j->low;
    ok = copy_bytes(j, to, from, from + j->regions[k].used);
  }
  return ok;
}

/* What takes neither a descriptor nor a size of files. */
static uintptr_t spare_of(const struct ldx_jit_object *j) {
  enum { READ_WRITE = PROT_READ | PROT_WRITE };
  long at = sys_mmap(NULL, file_size(j), READ_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (ldx_sys_failed(at))
    return 0;
  memcpy((char *)at + image_size(j), (const char *)j->alias + image_size(j), LDX_PAGE);
  for (int k = 0; k < LDX_REGIONS; k++) {
    uint64_t from = j->regions[k].at - j->low;
    memcpy((char *)at + from, (const char *)j->alias + from, j->regions[k].used);
  }
  return (uintptr_t)at;
}

static int copy_of(const struct ldx_jit_object *j) {
  int fd = (int)ldx_new_memory_file(j->name, file_size(j));
  if (fd < 0)
    return -1;
  if (is_ours(j) ? copy_data(j, fd) : copy_regions(j, fd))
    return fd;
  sys_close(fd);
  return -1;
}

void ldx_jit_before_fork(void) {
  for (struct ldx_jit_object *j = ldx_self.jits; j; j = j->next) {
    j->memory->copy = copy_of(j);
    j->memory->spare = j->memory->copy < 0 ? spare_of(j) : 0;
  }
}

/* Its path names this process; there is room for any number. Nobody reads it meanwhile: a child has one thread. */
static void rename_path(struct ldx_jit_object *j) {
  ldx_format(j->object->map.l_name, LDX_JIT_PATH_SIZE, "/proc/%d/fd/%d", (int)sys_getpid(), j->fd);
  ldx_delete(j->object->ns->names.at); /* made anew when it is asked */
  j->object->ns->names = (struct ldx_names){0};
}

static void adopt_copy(struct ldx_jit_object *j) {
  struct ldx_jit_memory *m = j->memory;
  struct stat st;
  long moved = is_ours(j) ? LDX_SYS(SYS_dup3, m->copy, j->fd, O_CLOEXEC, 0, 0, 0) : -EBADF;
  if (ldx_sys_failed(moved))
    j->fd = m->copy;
  else
    sys_close(m->copy);
  if (!ldx_sys_failed(sys_fstat(j->fd, &st))) {
    m->dev = j->object->dev = st.st_dev;
    m->ino = j->object->ino = st.st_ino;
  }
  const struct ldx_jit_region *code = &j->regions[LDX_REGION_CODE];
  struct ldx_copied_page *copied = ldx_find_copied(code->at, code->at + code->used);
  j->frozen = map_program_view(j) || map_alias(j);
  ldx_restore_breakpoints(copied);
  rename_path(j);
}

static void drop_spare(struct ldx_jit_object *j) {
  if (j->memory->spare)
    sys_munmap((void *)j->memory->spare, file_size(j));
  j->memory->spare = 0;
}

/* Where there is none either, the memory stays the parent's, and cannot be changed here. */
static void adopt_spare(struct ldx_jit_object *j) {
  j->frozen = !j->memory->spare;
  if (j->frozen)
    return;
  if (is_ours(j))
    sys_close(j->fd);
  j->fd = -1;
  j->frozen = map_program_view(j) || map_alias(j);
  rename_path(j);
}

void ldx_jit_after_fork(bool child) {
  for (struct ldx_jit_object *j = ldx_self.jits; j; j = j->next) {
    if (child && j->memory->copy >= 0)
      adopt_copy(j);
    else if (child)
      adopt_spare(j);
    else if (j->memory->copy >= 0)
      sys_close(j->memory->copy);
    drop_spare(j);
  }
  if (child)
    ldx_jit_perf_fork();
}
