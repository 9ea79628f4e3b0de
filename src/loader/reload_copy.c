/* The copy of an object's file that its memory is to be: see reload.h for what lies where in it. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/print.h"
#include "base/text.h"
#include "loader/memory_file.h"
#include "loader/reload.h"

enum { BUFFER = 64 * 1024 };

struct maker {
  const struct ldx_library_file *from;
  uint64_t from_size;
  const char *name;
  struct ldx_diag *diag;
  struct ldx_image_copy *copy;
  const Elf64_Phdr *old_phdrs;
  void *own_phdrs;
  struct elf_image old; /* as the file has it */
  struct elf_segment segments[ELF_MAX_SEGMENTS];
  Elf64_Shdr *sections;
  uint32_t section_count;
  uint64_t low;             /* address that `head` is the offset of */
  uint64_t head;            /* room for headers in front of the image */
  uint64_t tail_from, tail; /* the rest of the file, and where it goes */
  bool again;               /* the file is a copy itself; then its record: */
  struct ldx_copy_record before;
  struct ldx_copy_record record;
  char buffer[BUFFER];
};

static bool fail(struct maker *m, long error, const char *what) {
  return ldx_fail(m->diag, LDX_DIAG_LOAD, (int)-error, m->name, "%s", what);
}

static const Elf64_Ehdr *header(const struct maker *m) { return (const Elf64_Ehdr *)m->from->head; }

static bool read_at(struct maker *m, void *to, uint64_t size, uint64_t offset) {
  char *at = to;
  for (uint64_t done = 0; done < size;) {
    long n = io_pread(&ldx_self.io, m->from->fd, at + done, size - done, (int64_t)(offset + done));
    if (n == -EINTR)
      continue;
    if (ldx_sys_failed(n))
      return fail(m, n, "cannot read file data");
    if (!n)
      return fail(m, 0, elf_error_text(ELF_TRUNCATED));
    done += (uint64_t)n;
  }
  return true;
}

long ldx_write_all(int fd, const void *from, uint64_t size, uint64_t offset) {
  const char *at = from;
  for (uint64_t done = 0; done < size;) {
    long n = LDX_SYS(SYS_pwrite64, fd, at + done, size - done, offset + done, 0, 0);
    if (n == -EINTR)
      continue;
    if (ldx_sys_failed(n))
      return n;
    done += (uint64_t)n;
  }
  return 0;
}

/* ---- what goes where */

static uint64_t place(const struct maker *m, uint64_t address) { return address - m->low + m->head; }

static bool in_segment(const struct maker *m, uint64_t offset, uint64_t size) {
  for (uint32_t i = 0; i < m->old.segment_count; i++) {
    const struct elf_segment *s = &m->segments[i];
    if (offset >= s->offset && ldx_range_ok(s->filesz, offset - s->offset, size, 1))
      return true;
  }
  return false;
}

/* The alignment that segments ask for holds for offsets too. */
static void place_image(struct maker *m) {
  const Elf64_Ehdr *eh = header(m);
  const struct elf_segment *first = m->segments;
  uint64_t table = eh->e_phnum * sizeof(Elf64_Phdr);
  m->low = ldx_align_down(m->old.start, m->old.max_align);
  bool has_headers = first->offset == 0 && first->vaddr == m->low && first->filesz >= sizeof *eh &&
                     in_segment(m, eh->e_phoff, table);
  m->head = has_headers ? 0 : ldx_align_up(sizeof *eh + table, m->old.max_align);
  m->copy->offset = place(m, m->old.start);
  m->copy->record = place(m, m->old.end);
}

static bool read_image(struct maker *m) {
  m->old_phdrs =
      ldx_read_phdrs((struct ldx_library_file *)m->from, LDX_LIBRARY, m->name, m->from_size, &m->own_phdrs, m->diag);
  if (!m->old_phdrs)
    return false;
  enum elf_error e =
      elf_read_layout(m->old_phdrs, header(m)->e_phnum, m->from_size, m->segments, ELF_MAX_SEGMENTS, &m->old);
  if (e)
    return fail(m, 0, elf_error_text(e));
  place_image(m);
  return true;
}

/* A file may do without them. */
static bool read_sections(struct maker *m) {
  const Elf64_Ehdr *eh = header(m);
  if (!eh->e_shnum || eh->e_shentsize != sizeof *m->sections ||
      !ldx_range_ok(m->from_size, eh->e_shoff, eh->e_shnum, sizeof *m->sections))
    return true;
  m->sections = ldx_new(eh->e_shnum * sizeof *m->sections);
  if (!m->sections)
    return fail(m, -ENOMEM, "cannot make a copy");
  m->section_count = eh->e_shnum;
  return read_at(m, m->sections, eh->e_shnum * sizeof *m->sections, eh->e_shoff);
}

static uint64_t lower(uint64_t a, uint64_t b) { return a < b ? a : b; }

static uint64_t begin_of_rest(const struct maker *m) {
  uint64_t from = m->section_count ? lower(m->from_size, header(m)->e_shoff) : m->from_size;
  for (uint32_t i = 0; i < m->old.segment_count; i++)
    if ((m->segments[i].flags & PF_W) && m->segments[i].filesz)
      from = lower(from, m->segments[i].offset);
  for (uint32_t i = 0; i < m->section_count; i++) {
    const Elf64_Shdr *s = &m->sections[i];
    if (!(s->sh_flags & SHF_ALLOC) && s->sh_type != SHT_NULL && s->sh_type != SHT_NOBITS && s->sh_size)
      from = lower(from, s->sh_offset);
  }
  return from;
}

/* Whether nothing that the program writes is in the pages of the dynamic section, as far as sections tell. */
static bool is_dynamic_alone(const struct maker *m) {
  const Elf64_Phdr *d = m->old.dynamic;
  uint64_t low = d ? ldx_align_down(d->p_vaddr, LDX_PAGE) : 0, high = d ? d->p_vaddr + d->p_memsz : 0;
  high = ldx_align_up(high, LDX_PAGE);
  for (uint32_t i = 0; i < m->section_count; i++) {
    const Elf64_Shdr *s = &m->sections[i];
    bool written = (s->sh_flags & (SHF_ALLOC | SHF_WRITE)) == (SHF_ALLOC | SHF_WRITE) && s->sh_type != SHT_DYNAMIC;
    if (written && s->sh_addr < high && s->sh_size && s->sh_addr + s->sh_size > low)
      return false;
  }
  return m->section_count;
}

static bool is_sound(const struct maker *m, const struct ldx_copy_record *r) {
  if (memcmp(r->magic, "LDXCOPY", sizeof r->magic) || r->version != LDX_COPY_VERSION || r->size != sizeof *r ||
      r->count > LDX_COPY_SEGMENTS || r->tail > m->from_size)
    return false;
  for (uint32_t i = 0; i < r->count; i++)
    if (r->initial[i].offset < r->tail || !ldx_range_ok(m->from_size, r->initial[i].offset, r->initial[i].size, 1) ||
        r->initial[i].address > m->old.end || r->initial[i].size > m->old.end - r->initial[i].address)
      return false;
  return true;
}

static bool read_record(struct maker *m) {
  const struct elf_segment *last = &m->segments[m->old.segment_count - 1];
  uint64_t at = ldx_align_up(last->offset + last->filesz, LDX_PAGE);
  if (!ldx_range_ok(m->from_size, at, 1, sizeof m->before) || !read_at(m, &m->before, sizeof m->before, at) ||
      !is_sound(m, &m->before))
    return fail(m, 0, "damaged copy of an object");
  if (!m->before.complete)
    return fail(m, 0, "copy of an object that was never ready for use");
  m->tail_from = m->before.tail;
  return true;
}

static bool place_rest(struct maker *m) {
  if (!read_sections(m) || (m->again && !read_record(m)))
    return false;
  if (!m->again)
    m->tail_from = begin_of_rest(m);
  m->copy->dynamic_alone = is_dynamic_alone(m);
  m->tail = m->copy->record + LDX_PAGE + m->tail_from % LDX_PAGE;
  m->copy->end = m->tail + (m->from_size - m->tail_from);
  return true;
}

/* ---- the file */

/* Absolute, for those who are elsewhere. */
static char *absolute(const char *path) {
  char here[4096];
  size_t size = strlen(path) + sizeof here + 1;
  long n = *path == '/' ? 0 : sys_getcwd(here, sizeof here);
  char *out = ldx_sys_failed(n) ? NULL : ldx_new(size);
  if (out)
    ldx_format(out, size, "%s%s%s", n ? here : "", n ? "/" : "", path);
  return out;
}

/* A number that no file has: an older process may have had the same one. */
static long create_in(struct maker *m, const char *folder) {
  char *whole = absolute(folder);
  const char *last = ldx_last_part(m->from->path);
  size_t size = whole ? strlen(whole) + strlen(last) + 40 : 0;
  long fd = -ENOMEM;
  m->copy->file = whole ? ldx_new(size) : NULL;
  for (unsigned n = 1; m->copy->file && (n == 1 || fd == -EEXIST); n++) {
    ldx_format(m->copy->file, size, "%s/%s.%ld.%u", whole, last, sys_getpid(), n);
    fd = sys_open_mode(m->copy->file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  }
  if (!ldx_sys_failed(fd))
    fd = ldx_move_descriptor_up((int)fd);
  ldx_delete(whole);
  if (ldx_sys_failed(fd)) { /* there is none to be taken away */
    ldx_delete(m->copy->file);
    m->copy->file = NULL;
  }
  return fd;
}

/* Room for all of the image now: later the program would have to die for a full disk. */
static long reserve(struct maker *m, int fd) {
  long r = ldx_may_have_size(m->copy->end);
  if (!r)
    r = LDX_SYS(SYS_ftruncate, fd, m->copy->end, 0, 0, 0, 0);
  for (uint32_t i = 0; i < m->old.segment_count && !ldx_sys_failed(r); i++) {
    uint64_t from = ldx_align_down(m->segments[i].vaddr, LDX_PAGE);
    uint64_t size = ldx_align_up(m->segments[i].vaddr + m->segments[i].memsz, LDX_PAGE) - from;
    do
      r = LDX_SYS(SYS_fallocate, fd, 0, place(m, from), size, 0, 0);
    while (r == -EINTR);
  }
  return r;
}

/* A file system without fallocate gets its zeros in the long way. */
static long fill(struct maker *m, int fd) {
  long r = 0;
  memset(m->buffer, 0, sizeof m->buffer);
  for (uint64_t at = 0; at < m->copy->record && !ldx_sys_failed(r); at += sizeof m->buffer)
    r = ldx_write_all(fd, m->buffer, lower(sizeof m->buffer, m->copy->record - at), at);
  return r;
}

void ldx_note_copy(struct ldx_image_copy *c, int fd) {
  struct stat st;
  c->fd = fd;
  if (!ldx_sys_failed(sys_fstat(fd, &st))) {
    c->dev = st.st_dev;
    c->ino = st.st_ino;
  }
}

bool ldx_copy_is_open(const struct ldx_image_copy *c) {
  struct stat st;
  return c->fd >= 0 && !ldx_sys_failed(sys_fstat(c->fd, &st)) && st.st_dev == c->dev && st.st_ino == c->ino;
}

static bool create(struct maker *m, const char *folder) {
  char what[256];
  long fd = folder ? create_in(m, folder) : ldx_new_memory_file(ldx_last_part(m->from->path), m->copy->end), r = fd;
  if (!ldx_sys_failed(fd))
    ldx_note_copy(m->copy, (int)fd);
  if (folder && !ldx_sys_failed(fd)) {
    r = reserve(m, m->copy->fd);
    if (r == -EOPNOTSUPP)
      r = fill(m, m->copy->fd);
  }
  if (!ldx_sys_failed(r))
    return true;
  ldx_format(what, sizeof what, "cannot make a copy in %s", folder ? folder : "memory");
  return fail(m, r, what);
}

/* ---- its contents */

static bool write_at(struct maker *m, const void *from, uint64_t size, uint64_t offset) {
  long r = ldx_write_all(m->copy->fd, from, size, offset);
  return !r || fail(m, r, "cannot write its copy");
}

static bool is_empty(const char *p, uint64_t size) {
  for (uint64_t i = 0; i < size; i++)
    if (p[i])
      return false;
  return true;
}

/* What is empty is so already, and takes no room. */
static bool copy(struct maker *m, uint64_t from, uint64_t size, uint64_t to) {
  for (uint64_t done = 0; done < size;) {
    uint64_t n = lower(size - done, sizeof m->buffer);
    if (!read_at(m, m->buffer, n, from + done))
      return false;
    if (!is_empty(m->buffer, n) && !write_at(m, m->buffer, n, to + done))
      return false;
    done += n;
  }
  return true;
}

/* Whole pages, as a mapping would have them, but zeros where the file has less than the segment. */
static bool copy_segment(struct maker *m, const struct elf_segment *s) {
  uint64_t from = ldx_align_down(s->offset, LDX_PAGE), end = s->offset + s->filesz;
  if (s->memsz == s->filesz)
    end = lower(ldx_align_up(end, LDX_PAGE), m->from_size);
  return !s->filesz || copy(m, from, end - from, place(m, ldx_align_down(s->vaddr, LDX_PAGE)));
}

static bool copy_all(struct maker *m) {
  for (uint32_t i = 0; i < m->old.segment_count; i++)
    if (!copy_segment(m, &m->segments[i]))
      return false;
  return copy(m, m->tail_from, m->from_size - m->tail_from, m->tail);
}

static const struct elf_segment *segment_of(const struct maker *m, uint64_t address) {
  for (uint32_t i = 0; i < m->old.segment_count; i++)
    if (address >= m->segments[i].vaddr && address - m->segments[i].vaddr < m->segments[i].memsz)
      return &m->segments[i];
  return NULL;
}

/* From here on every byte of a segment is in the file. */
static bool write_phdrs(struct maker *m, uint64_t offset) {
  size_t size = header(m)->e_phnum * sizeof(Elf64_Phdr);
  Elf64_Phdr *at = ldx_new(size);
  if (!at)
    return fail(m, -ENOMEM, "cannot make a copy");
  memcpy(at, m->old_phdrs, size);
  for (uint32_t i = 0; i < header(m)->e_phnum; i++) {
    if (segment_of(m, at[i].p_vaddr))
      at[i].p_offset = place(m, at[i].p_vaddr);
    else if (at[i].p_offset >= m->tail_from)
      at[i].p_offset += m->tail - m->tail_from;
    if (at[i].p_type == PT_LOAD)
      at[i].p_filesz = at[i].p_memsz;
  }
  bool ok = write_at(m, at, size, offset);
  ldx_delete(at);
  return ok;
}

static uint64_t offset_of_phdrs(const struct maker *m) {
  uint64_t at = header(m)->e_phoff;
  for (uint32_t i = 0; i < m->old.segment_count && !m->head; i++)
    if (at >= m->segments[i].offset && at - m->segments[i].offset < m->segments[i].filesz)
      return place(m, m->segments[i].vaddr + (at - m->segments[i].offset));
  return sizeof(Elf64_Ehdr);
}

static bool write_headers(struct maker *m) {
  Elf64_Ehdr eh = *header(m);
  memcpy(eh.e_ident + EI_PAD, ELF_COPY_MARK, EI_NIDENT - EI_PAD);
  eh.e_phoff = offset_of_phdrs(m);
  eh.e_shoff = m->section_count ? eh.e_shoff + (m->tail - m->tail_from) : 0;
  eh.e_shnum = (Elf64_Half)m->section_count;
  eh.e_shstrndx = m->section_count ? eh.e_shstrndx : SHN_UNDEF;
  return write_at(m, &eh, sizeof eh, 0) && write_phdrs(m, eh.e_phoff);
}

/* They follow the program headers that have just been written. */
static bool write_sections(struct maker *m) {
  struct elf_segment moved[ELF_MAX_SEGMENTS];
  struct elf_image now = m->old;
  now.segments = moved;
  for (uint32_t i = 0; i < m->old.segment_count; i++) {
    moved[i] = m->segments[i];
    moved[i].offset = place(m, moved[i].vaddr);
    moved[i].filesz = moved[i].memsz;
  }
  struct ldx_section_layout l = {&now, m->tail_from, m->tail};
  ldx_move_sections(m->sections, m->section_count, &l);
  return write_at(m, m->sections, m->section_count * sizeof *m->sections,
                  header(m)->e_shoff + (m->tail - m->tail_from));
}

static void note_initial(struct maker *m, const struct elf_segment *s) {
  struct ldx_copy_record *r = &m->record;
  r->initial[r->count].address = s->vaddr;
  r->initial[r->count].size = s->filesz;
  r->initial[r->count].offset = s->offset + (m->tail - m->tail_from);
  r->count++;
}

static bool write_record(struct maker *m) {
  struct ldx_copy_record *r = &m->record;
  char *path = absolute(m->from->path);
  *r = (struct ldx_copy_record){.magic = "LDXCOPY",
                                .version = LDX_COPY_VERSION,
                                .size = sizeof *r,
                                .pid = (uint64_t)sys_getpid(),
                                .tail = m->tail};
  ldx_format(r->path, sizeof r->path, "%s", path ? path : m->from->path);
  ldx_delete(path);
  for (uint32_t i = 0; i < m->old.segment_count && !m->again; i++)
    if ((m->segments[i].flags & PF_W) && m->segments[i].filesz)
      note_initial(m, &m->segments[i]);
  if (m->again) {
    r->count = m->before.count;
    memcpy(r->initial, m->before.initial, sizeof r->initial);
    for (uint32_t i = 0; i < r->count; i++)
      r->initial[i].offset += m->tail - m->tail_from;
  }
  return write_at(m, r, sizeof *r, m->copy->record);
}

static bool make(struct maker *m, const char *folder) {
  return read_image(m) && place_rest(m) && create(m, folder) && copy_all(m) && write_headers(m) &&
         (!m->section_count || write_sections(m)) && write_record(m);
}

/* What the mapping reads of it. */
static bool become(struct ldx_library_file *f, const struct ldx_image_copy *c) {
  long n = sys_pread(c->fd, f->head, sizeof f->head, 0);
  f->fd = c->fd;
  f->head_size = n > 0 ? (size_t)n : 0;
  memset(f->head + EI_PAD, 0, EI_NIDENT - EI_PAD);
  return f->head_size >= sizeof(Elf64_Ehdr);
}

static struct maker *new_maker(struct ldx_load *l, struct ldx_library_file *f, uint64_t size, const char *name) {
  struct maker *m = ldx_new(sizeof *m);
  struct ldx_image_copy *c = m ? ldx_new(sizeof *c) : NULL;
  if (!c) {
    ldx_delete(m);
    ldx_fail(l->diag, LDX_DIAG_LOAD, ENOMEM, name, "cannot make a copy");
    return NULL;
  }
  c->fd = c->child = -1;
  m->from = f;
  m->from_size = size;
  m->name = name;
  m->diag = l->diag;
  m->copy = c;
  return m;
}

struct ldx_image_copy *ldx_make_copy(struct ldx_load *l, struct ldx_library_file *f, uint64_t size,
                                     const char *name) {
  const char *folder = l->folder ? l->folder : ldx_self.options.persist_dir;
  struct maker *m = new_maker(l, f, size, name);
  struct ldx_image_copy *c = m ? m->copy : NULL;
  if (!m)
    return NULL;
  m->again = !memcmp(f->head + EI_PAD, ELF_COPY_MARK, EI_NIDENT - EI_PAD);
  if (m->again)
    memset(f->head + EI_PAD, 0, EI_NIDENT - EI_PAD);
  bool ok = make(m, folder && *folder ? folder : NULL) && (become(f, c) || fail(m, -EIO, "cannot read its copy"));
  c->before = ok && m->again ? ldx_new(sizeof *c->before) : NULL;
  if (c->before) {
    *c->before = m->record;           /* offsets in this file, */
    c->before->base = m->before.base; /* addresses of that process */
  } else if (ok && m->again)
    ok = fail(m, -ENOMEM, "cannot make a copy");
  ldx_delete(m->own_phdrs);
  ldx_delete(m->sections);
  ldx_delete(m);
  if (ok)
    return c;
  ldx_drop_copy(c);
  return NULL;
}
