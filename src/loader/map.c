/* Stage "map": an open file becomes an image in memory, and its facts are read. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "arch/x86_64/isa.h"
#include "base/sys.h"
#include "base/valgrind.h"
#include "elf/notes.h"
#include "loader/jit_object.h"
#include "loader/reload.h"
#include "loader/stack.h"

static int protection(uint32_t flags) {
  return (flags & PF_R ? PROT_READ : 0) | (flags & PF_W ? PROT_WRITE : 0) | (flags & PF_X ? PROT_EXEC : 0);
}

static bool fail_errno(struct ldx_diag *d, const char *path, long r, const char *what) {
  return ldx_fail(d, LDX_DIAG_LOAD, (int)-r, path, "%s", what);
}

enum { POPULATE_PAGES = 16 };

/* What one mapping needs to know. */
struct mapping {
  struct elf_image *im;
  const char *path;
  int fd;
  struct ldx_diag *diag;
  bool fixed;    /* ET_EXEC */
  bool one_each; /* every segment by an mmap of its own */
  bool shared;   /* what is written into it is written into the file */
  uintptr_t hint;
};

/* Never what cannot be written: a debugger could set no breakpoint there. */
static int privacy(const struct mapping *m, const struct elf_segment *s) {
  return m->shared && (s->flags & PF_W) ? MAP_SHARED : MAP_PRIVATE;
}

/* One mapping of the whole extent from the first segment's offset: address space for all, contents of the
 * first, and of every other segment that lies equally in file and memory. */
static long map_extent(struct mapping *m) {
  struct elf_image *im = m->im;
  uint64_t size = im->end - im->start, pad = im->max_align > LDX_PAGE && !m->fixed ? im->max_align : 0;
  const struct elf_segment *s = im->segments;
  int flags = privacy(m, s) | (m->fixed ? MAP_FIXED_NOREPLACE : 0);
  void *where = (void *)(m->fixed ? im->start : m->hint);
  int64_t offset = (int64_t)ldx_align_down(s->offset, LDX_PAGE);
  if (!pad)
    return io_mmap(&ldx_self.io, where, size, protection(s->flags), flags, m->fd, offset);
  long r = sys_mmap(where, size + pad, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (ldx_sys_failed(r))
    return r;
  uintptr_t base = ldx_align_up((uintptr_t)r, pad);
  base += im->start % pad;
  if (base + size > (uintptr_t)r + size + pad)
    base -= pad;
  if (base > (uintptr_t)r)
    sys_munmap((void *)r, base - (uintptr_t)r);
  uintptr_t tail = base + size, end = (uintptr_t)r + size + pad;
  if (end > tail)
    sys_munmap((void *)tail, end - tail);
  return io_mmap(&ldx_self.io, (void *)base, size, protection(s->flags), privacy(m, s) | MAP_FIXED, m->fd, offset);
}

static bool map_bss(struct mapping *m, const struct elf_segment *s) {
  uintptr_t zero = m->im->bias + s->vaddr + s->filesz, end = m->im->bias + s->vaddr + s->memsz;
  uintptr_t page = ldx_align_up(zero, LDX_PAGE), page_end = ldx_align_up(end, LDX_PAGE);
  if (s->filesz == 0)
    page = ldx_align_down(zero, LDX_PAGE);
  else if (zero < page) {
    uintptr_t first = ldx_align_down(zero, LDX_PAGE);
    long r = s->flags & PF_W ? 0 : sys_mprotect((void *)first, LDX_PAGE, protection(s->flags) | PROT_WRITE);
    if (ldx_sys_failed(r))
      return fail_errno(m->diag, m->path, r, "cannot change memory protections");
    memset((void *)zero, 0, (end < page ? end : page) - zero);
    if (!(s->flags & PF_W))
      sys_mprotect((void *)first, LDX_PAGE, protection(s->flags));
  }
  if (page_end <= page)
    return true;
  long r = io_mmap(&ldx_self.io, (void *)page, page_end - page, protection(s->flags),
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, m->fd, 0);
  return !ldx_sys_failed(r) || fail_errno(m->diag, m->path, r, "cannot map zero-fill pages");
}

/* Pages between segments belong to nobody: make them inaccessible. */
static void close_hole(const struct elf_image *im, uint32_t i) {
  const struct elf_segment *s = &im->segments[i];
  uint64_t end = ldx_align_up(s->vaddr + s->memsz, LDX_PAGE), next = ldx_align_down(s[1].vaddr, LDX_PAGE);
  if (next > end)
    sys_mprotect((void *)(im->bias + end), next - end, PROT_NONE);
}

/* Lies right as the first mapping, that of the whole extent, put it there: only its protection may differ. A tool
 * that follows mappings does not see that: valgrind reads the symbols of a library (and so replaces malloc, and the
 * string functions that read whole words) only when it saw a mapping for each segment, with its protection. */
static bool lies_in_extent(const struct mapping *m, const struct elf_segment *s) {
  const struct elf_segment *first = m->im->segments;
  return s == first || (!m->one_each && s->vaddr - s->offset == first->vaddr - first->offset && !(s->flags & PF_W));
}

static bool map_segment(struct mapping *m, uint32_t i) {
  const struct elf_image *im = m->im;
  const struct elf_segment *s = &im->segments[i], *first = im->segments;
  uint64_t start = ldx_align_down(s->vaddr, LDX_PAGE), end = ldx_align_up(s->vaddr + s->filesz, LDX_PAGE);
  void *where = (void *)(im->bias + start);
  long r = 0;
  if (s->filesz == 0)
    ;
  else if (lies_in_extent(m, s)) {
    if (s->flags != first->flags)
      r = sys_mprotect(where, end - start, protection(s->flags));
  } else {
    /* a small data segment is relocated all over: one call instead of a fault a page */
    int populate = (s->flags & PF_W) && end - start <= POPULATE_PAGES * LDX_PAGE ? MAP_POPULATE : 0;
    r = io_mmap(&ldx_self.io, where, end - start, protection(s->flags), privacy(m, s) | MAP_FIXED | populate, m->fd,
                (int64_t)ldx_align_down(s->offset, LDX_PAGE));
  }
  if (ldx_sys_failed(r))
    return fail_errno(m->diag, m->path, r, "failed to map segment from shared object");
  if (i + 1 < im->segment_count)
    close_hole(im, i);
  return s->memsz == s->filesz || map_bss(m, s);
}

static bool map_image(struct mapping *m) {
  struct elf_image *im = m->im;
  long r = map_extent(m);
  if (ldx_sys_failed(r))
    return fail_errno(m->diag, m->path, r, "failed to map segment from shared object");
  if (m->fixed && (uintptr_t)r != im->start) { /* a kernel without MAP_FIXED_NOREPLACE takes it as a hint */
    io_munmap(&ldx_self.io, (void *)r, im->end - im->start);
    return fail_errno(m->diag, m->path, -EEXIST, "failed to map segment from shared object");
  }
  im->bias = (uintptr_t)r - im->start;
  for (uint32_t i = 0; i < im->segment_count; i++)
    if (!map_segment(m, i)) {
      io_munmap(&ldx_self.io, (void *)(im->bias + im->start), im->end - im->start);
      return false;
    }
  return true;
}

/* Program headers of the file, in memory of ldx: `*own` is to be freed when not NULL. */
static const Elf64_Phdr *file_phdrs(struct ldx_library_file *f, const char *name, uint64_t size, void **own,
                                    struct ldx_diag *d) {
  struct ldx_span head = {f->head, f->head_size};
  enum elf_error e = elf_check_header(head);
  const Elf64_Ehdr *eh = (const Elf64_Ehdr *)f->head;
  const Elf64_Phdr *ph = e ? NULL : elf_phdrs(head, size, &e);
  *own = NULL;
  if (e) {
    ldx_fail(d, LDX_DIAG_LOAD, 0, name, "%s", elf_error_text(e));
    return NULL;
  }
  if (ph)
    return ph;
  size_t bytes = eh->e_phnum * sizeof *ph;
  *own = ldx_new(bytes);
  if (!*own || io_pread(&ldx_self.io, f->fd, *own, bytes, (int64_t)eh->e_phoff) != (long)bytes) {
    ldx_delete(*own);
    ldx_fail(d, LDX_DIAG_LOAD, *own ? 0 : ENOMEM, name, "cannot read file data");
    *own = NULL;
    return NULL;
  }
  return *own;
}

static bool check_type(const Elf64_Ehdr *eh, enum ldx_object_kind kind, const char *path, struct ldx_diag *d) {
  if (kind == LDX_PROGRAM || eh->e_type == ET_DYN)
    return true;
  return ldx_fail(d, LDX_DIAG_LOAD, 0, path, "cannot dynamically load executable");
}

const Elf64_Phdr *ldx_read_phdrs(struct ldx_library_file *f, enum ldx_object_kind kind, const char *name,
                                 uint64_t size, void **own, struct ldx_diag *d) {
  const Elf64_Phdr *phdrs = file_phdrs(f, name, size, own, d);
  return phdrs && check_type((const Elf64_Ehdr *)f->head, kind, name, d) ? phdrs : NULL;
}

/* The program headers as they lie in the image, or a copy of them. */
static bool place_phdrs(struct ldx_object *o, const Elf64_Ehdr *eh, const Elf64_Phdr *phdrs) {
  const struct elf_segment *s = o->image.segments;
  size_t size = o->image.phnum * sizeof *phdrs;
  for (uint32_t i = 0; i < o->image.segment_count; i++)
    if ((s[i].flags & PF_R) && eh->e_phoff >= s[i].offset && eh->e_phoff + size <= s[i].offset + s[i].filesz) {
      o->phdrs = (const Elf64_Phdr *)(o->image.bias + s[i].vaddr + (eh->e_phoff - s[i].offset));
      return true;
    }
  o->own_phdrs = ldx_new(size);
  o->phdrs = o->own_phdrs;
  return o->own_phdrs && memcpy(o->own_phdrs, phdrs, size);
}

static void set_extent(struct ldx_object *o) {
  o->map.l_addr = o->image.bias;
  o->map_start = o->image.bias + o->image.start;
  const struct elf_segment *last = &o->image.segments[o->image.segment_count - 1];
  o->map_end = o->image.bias + last->vaddr + last->memsz;
  o->contiguous = o->kind != LDX_PROGRAM;
  for (uint32_t i = 0; i + 1 < o->image.segment_count && !o->contiguous; i++) {
    const struct elf_segment *s = &o->image.segments[i];
    if (ldx_align_down(s[1].vaddr, LDX_PAGE) > ldx_align_up(s->vaddr + s->memsz, LDX_PAGE))
      return;
  }
  o->contiguous = true;
}

/* The image refers to headers that were read; let it refer to those that stay. */
static void rebase_headers(struct elf_image *im, const Elf64_Phdr *from, const Elf64_Phdr *to) {
  const Elf64_Phdr **all[] = {&im->dynamic,      &im->tls,  &im->relro,    &im->interp,
                              &im->eh_frame_hdr, &im->phdr, &im->property, &im->stack};
  for (size_t i = 0; i < LDX_COUNT(all); i++)
    if (*all[i])
      *all[i] = to + (*all[i] - from);
}

/* Near the heap is where the kernel puts a position-independent program. */
static uintptr_t program_hint(const struct elf_image *im) {
  uintptr_t brk = ldx_break();
  uintptr_t below = ldx_align_down(brk - (im->end - im->start), im->max_align);
  return brk > 0x500000000000 && brk < 0x7f0000000000 ? below : 0;
}

/* Reads the layout into segments of the object's own. */
static bool read_layout(struct ldx_object *o, const char *name, const Elf64_Phdr *phdrs, uint32_t phnum,
                        uint64_t size, struct ldx_diag *d) {
  uint32_t room = phnum < ELF_MAX_SEGMENTS ? phnum : ELF_MAX_SEGMENTS;
  struct elf_segment *segments = ldx_new(room * sizeof *segments);
  if (!segments)
    return ldx_fail(d, LDX_DIAG_LOAD, ENOMEM, name, "cannot create shared object descriptor");
  enum elf_error e = elf_read_layout(phdrs, phnum, size, segments, room, &o->image);
  o->image.segments = segments; /* freed with the object, also when it is refused */
  return !e || ldx_fail(d, LDX_DIAG_LOAD, 0, name, "%s", elf_error_text(e));
}

static bool map_phdrs(struct ldx_object *o, struct ldx_library_file *f, const char *name, const Elf64_Phdr *phdrs,
                      uint64_t size, struct ldx_diag *d) {
  const Elf64_Ehdr *eh = (const Elf64_Ehdr *)f->head;
  if (!read_layout(o, name, phdrs, eh->e_phnum, size, d))
    return false;
  struct mapping m = {&o->image, name, f->fd, d, eh->e_type == ET_EXEC, ldx_on_valgrind() || o->copy, o->copy, 0};
  if (o->kind == LDX_PROGRAM && !m.fixed && o->image.interp)
    m.hint = program_hint(&o->image);
  if (!map_image(&m))
    return false;
  o->mapped_here = true;
  set_extent(o);
  o->entry = eh->e_entry ? o->image.bias + eh->e_entry : 0;
  if (!place_phdrs(o, eh, phdrs))
    return ldx_fail(d, LDX_DIAG_LOAD, ENOMEM, name, "cannot allocate memory for program header");
  rebase_headers(&o->image, phdrs, o->phdrs);
  return true;
}

/* A debugger finds no file of that name: it is shown these bytes. */
static void keep_for_debuggers(struct ldx_object *o, int fd, uint64_t size) {
  char *copy = ldx_new(size + 1);
  uint64_t done = 0;
  while (copy && done < size) {
    long n = io_pread(&ldx_self.io, fd, copy + done, size - done, (int64_t)done);
    if (n <= 0)
      break;
    done += (uint64_t)n;
  }
  if (copy)
    o->jit = ldx_jit_prepare(&ldx_self.heap, copy, done, o->image.bias);
}

static struct ldx_object *map_file(struct ldx_load *l, struct ldx_library_file *f, const struct stat *st,
                                   const char *name, enum ldx_object_kind kind, struct ldx_image_copy *copy) {
  struct ldx_object *o = ldx_new_object(kind, f->path);
  if (!o) {
    ldx_fail(l->diag, LDX_DIAG_LOAD, ENOMEM, name, "cannot create shared object descriptor");
    return NULL;
  }
  o->dev = st->st_dev;
  o->ino = st->st_ino;
  o->from_memory = kind == LDX_LIBRARY && f->from_memory;
  o->copy = copy;
  void *own = NULL;
  uint64_t size = S_ISREG(st->st_mode) ? (uint64_t)st->st_size : INT64_MAX; /* what is no file refuses to be mapped */
  const Elf64_Phdr *phdrs = ldx_read_phdrs(f, kind, name, size, &own, l->diag);
  bool ok = phdrs && map_phdrs(o, f, name, phdrs, size, l->diag) && ldx_read_object(o, l->diag);
  ldx_delete(own);
  if (ok && o->from_memory)
    keep_for_debuggers(o, f->fd, size);
  if (ok)
    return o;
  o->copy = NULL;
  ldx_unmap_object(o);
  ldx_object_free(&ldx_self.heap, o);
  return NULL;
}

struct ldx_object *ldx_map_file(struct ldx_load *l, struct ldx_library_file *f, const struct stat *st,
                                const char *name, enum ldx_object_kind kind) {
  return map_file(l, f, st, name, kind, NULL);
}

struct ldx_object *ldx_map_shared(struct ldx_load *l, struct ldx_library_file *f, const struct stat *st,
                                  const char *name, struct ldx_image_copy *copy) {
  return map_file(l, f, st, name, LDX_LIBRARY, copy);
}

bool ldx_adopt_image(struct ldx_object *o, const Elf64_Phdr *phdrs, uint32_t phnum, struct ldx_diag *d) {
  uintptr_t bias = o->image.bias;
  if (!read_layout(o, ldx_display_name(o), phdrs, phnum, UINT64_MAX, d))
    return false;
  o->image.bias = bias;
  o->phdrs = phdrs;
  set_extent(o);
  return true;
}

/* Only what was writable can be sealed: a damaged header must not take execution away from code. */
static void read_relro(struct ldx_object *o) {
  const Elf64_Phdr *r = o->image.relro;
  for (uint32_t i = 0; r && i < o->image.segment_count; i++) {
    const struct elf_segment *s = &o->image.segments[i];
    if (!(s->flags & PF_W) || r->p_vaddr < s->vaddr || r->p_vaddr - s->vaddr >= s->memsz)
      continue;
    uint64_t end = r->p_vaddr + r->p_memsz, last = ldx_align_up(s->vaddr + s->memsz, LDX_PAGE);
    o->relro_start = ldx_align_down(o->image.bias + r->p_vaddr, LDX_PAGE);
    o->relro_end = ldx_align_down(o->image.bias + (end < last ? end : last), LDX_PAGE);
  }
}

static void read_tls(struct ldx_object *o) {
  const Elf64_Phdr *t = o->image.tls;
  if (!t)
    return;
  uint64_t align = t->p_align ? t->p_align : 1;
  o->tls.image = (const void *)(o->image.bias + t->p_vaddr);
  o->tls.filesz = t->p_filesz;
  o->tls.memsz = t->p_memsz;
  o->tls.align = align;
  o->tls.first_byte = t->p_vaddr & (align - 1);
}

/* The property names levels of the instruction set as bits, baseline first. CPUID is slow on virtual machines:
 * ask only for more than the baseline. */
static bool lacks_isa(struct ldx_object *o, struct ldx_diag *d) {
  uint32_t needed = elf_property(&o->image, GNU_PROPERTY_X86_ISA_1_NEEDED) & ~1u;
  if (!needed || !(needed & ~((1u << ldx_isa_level()) - 1)))
    return false;
  return !ldx_fail(d, LDX_DIAG_LOAD, 0, ldx_display_name(o), "CPU ISA level is lower than required");
}

static bool unsupported(struct ldx_object *o, struct ldx_diag *d) {
  if (lacks_isa(o, d))
    return true;
  if (o->kind != LDX_LIBRARY)
    return false;
  if (o->dyn.flags_1 & DF_1_PIE)
    return !ldx_fail(d, LDX_DIAG_LOAD, 0, o->map.l_name, "cannot dynamically load position-independent executable");
  return false;
}

bool ldx_read_object(struct ldx_object *o, struct ldx_diag *d) {
  read_tls(o);
  if (!o->image.dynamic)
    return o->kind != LDX_LIBRARY ||
           ldx_fail(d, LDX_DIAG_LOAD, 0, o->map.l_name, "%s", elf_error_text(ELF_NO_DYNAMIC));
  enum elf_error e = elf_read_dynamic(&o->image, &o->dyn);
  if (e)
    return ldx_fail(d, LDX_DIAG_LOAD, 0, ldx_display_name(o), "%s", elf_error_text(e));
  o->map.l_ld = o->dyn.table;
  if (unsupported(o, d))
    return false;
  read_relro(o);
  o->indirect_access = elf_property(&o->image, ELF_PROPERTY_1_NEEDED) & ELF_PROPERTY_1_INDIRECT_EXTERN_ACCESS;
  o->soname = elf_dynamic_string(&o->dyn, DT_SONAME);
  o->initfirst = o->dyn.flags_1 & DF_1_INITFIRST;
  o->nodelete = o->dyn.flags_1 & DF_1_NODELETE;
  return true;
}

void ldx_unmap_object(struct ldx_object *o) {
  if (o->jit)
    ldx_jit_drop(&ldx_self.jit, &ldx_self.heap, o->jit);
  o->jit = NULL;
  if (ldx_self.jits)
    ldx_jit_forget_referrer(o);
  if (o->made)
    ldx_jit_end(o);
  if (o->copy)
    ldx_drop_copy(o->copy);
  o->copy = NULL;
  if (o->mapped_here)
    io_munmap(&ldx_self.io, (void *)o->map_start, o->map_end - o->map_start);
  o->mapped_here = false;
}
