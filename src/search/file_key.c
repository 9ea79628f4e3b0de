#include "search/file_key.h"

#include <string.h>

#include "elf/image.h"
#include "elf/notes.h"
#include "search/places.h"

enum { MAX_NOTES = 64 * 1024, MAX_TABLE = 16 << 20, CHUNK = 64 * 1024, MAX_VERSIONS = 10000 };

/* An ELF file that is read piece by piece. */
struct reading {
  struct ldx_heap *heap;
  struct ldx_io *io;
  int fd;
  uint64_t size;
  const Elf64_Phdr *phdrs;
  uint32_t phnum;
};

/* A new block with these bytes of the file, and a zero behind; NULL: they are not all there. */
static void *piece(const struct reading *r, uint64_t at, uint64_t n) {
  char *bytes = n && n <= MAX_TABLE && ldx_range_ok(r->size, at, n, 1) ? ldx_heap_alloc(r->heap, n + 1) : NULL;
  for (uint64_t done = 0; bytes && done < n;) {
    long got = io_pread(r->io, r->fd, bytes + done, n - done, (int64_t)(at + done));
    if (ldx_sys_failed(got) || got == 0) {
      ldx_heap_free(r->heap, bytes);
      return NULL;
    }
    done += (uint64_t)got;
  }
  return bytes;
}

static const Elf64_Phdr *header_of(const struct reading *r, uint32_t type, uint32_t *from) {
  while (*from < r->phnum)
    if (r->phdrs[(*from)++].p_type == type)
      return &r->phdrs[*from - 1];
  return NULL;
}

/* Where the file has what the image has at that address; UINT64_MAX: nowhere. */
static uint64_t offset_of(const struct reading *r, uint64_t vaddr) {
  const Elf64_Phdr *p;
  for (uint32_t i = 0; (p = header_of(r, PT_LOAD, &i));)
    if (vaddr - p->p_vaddr < p->p_filesz)
      return p->p_offset + (vaddr - p->p_vaddr);
  return UINT64_MAX;
}

static bool find_build_id(struct ldx_span notes, uint64_t align, struct ldx_file_identity *out) {
  struct elf_note n;
  for (uint64_t off = 0; elf_next_note(notes, align, &off, &n);)
    if (n.type == NT_GNU_BUILD_ID && n.name_size == 4 && !memcmp(n.name, "GNU", 4) && n.desc.size &&
        n.desc.size <= sizeof out->build_id) {
      memcpy(out->build_id, n.desc.base, n.desc.size);
      out->build_id_size = (uint32_t)n.desc.size;
      return true;
    }
  return false;
}

static void read_build_id(const struct reading *r, struct ldx_file_identity *out) {
  const Elf64_Phdr *p;
  for (uint32_t i = 0; !out->build_id_size && (p = header_of(r, PT_NOTE, &i));) {
    void *notes = p->p_filesz <= MAX_NOTES ? piece(r, p->p_offset, p->p_filesz) : NULL;
    if (notes)
      find_build_id((struct ldx_span){notes, p->p_filesz}, p->p_align, out);
    ldx_heap_free(r->heap, notes);
  }
}

static uint64_t tag(const Elf64_Dyn *d, size_t count, int64_t wanted) {
  for (size_t i = 0; i < count && d[i].d_tag != DT_NULL; i++)
    if (d[i].d_tag == wanted)
      return d[i].d_un.d_val;
  return 0;
}

/* The names of all versions that the file defines, in order. */
static void read_versions(const struct reading *r, const Elf64_Dyn *d, size_t count, const char *strings,
                          uint64_t string_size, struct ldx_file_identity *out) {
  uint64_t at = offset_of(r, tag(d, count, DT_VERDEF)), n = tag(d, count, DT_VERDEFNUM);
  while (n-- && n < MAX_VERSIONS) {
    Elf64_Verdef def;
    Elf64_Verdaux aux;
    if (!tag(d, count, DT_VERDEF) || !ldx_range_ok(r->size, at, 1, sizeof def) ||
        io_pread(r->io, r->fd, &def, sizeof def, (int64_t)at) != sizeof def ||
        !ldx_range_ok(r->size, at + def.vd_aux, 1, sizeof aux) ||
        io_pread(r->io, r->fd, &aux, sizeof aux, (int64_t)(at + def.vd_aux)) != sizeof aux ||
        aux.vda_name >= string_size)
      return;
    ldx_digest_text(&out->versions, strings + aux.vda_name);
    if (!def.vd_next)
      return;
    at += def.vd_next;
  }
}

static void read_soname(const struct reading *r, struct ldx_file_identity *out) {
  uint32_t i = 0;
  const Elf64_Phdr *p = header_of(r, PT_DYNAMIC, &i);
  Elf64_Dyn *d = p ? piece(r, p->p_offset, p->p_filesz) : NULL;
  size_t count = d ? p->p_filesz / sizeof *d : 0;
  uint64_t size = tag(d, count, DT_STRSZ), soname = tag(d, count, DT_SONAME);
  char *strings = d ? piece(r, offset_of(r, tag(d, count, DT_STRTAB)), size) : NULL;
  if (strings && soname && soname < size && strlen(strings + soname) < sizeof out->soname)
    strcpy(out->soname, strings + soname);
  if (strings)
    read_versions(r, d, count, strings, size, out);
  ldx_heap_free(r->heap, strings);
  ldx_heap_free(r->heap, d);
}

void ldx_file_identify(struct ldx_heap *heap, struct ldx_io *io, int fd, uint64_t size,
                       struct ldx_file_identity *out) {
  struct reading r = {.heap = heap, .io = io, .fd = fd, .size = size};
  *out = (struct ldx_file_identity){0};
  Elf64_Ehdr *eh = piece(&r, 0, sizeof *eh);
  bool sound = eh && !elf_check_header((struct ldx_span){(uint8_t *)eh, sizeof *eh});
  Elf64_Phdr *phdrs = sound ? piece(&r, eh->e_phoff, (uint64_t)eh->e_phnum * sizeof *phdrs) : NULL;
  if (phdrs) {
    r.phdrs = phdrs;
    r.phnum = eh->e_phnum;
    read_build_id(&r, out);
    read_soname(&r, out);
  }
  ldx_heap_free(heap, phdrs);
  ldx_heap_free(heap, eh);
}

static bool key_by_content(struct ldx_heap *heap, struct ldx_io *io, int fd, struct ldx_file_key *out) {
  struct ldx_digest digest = {0};
  char *bytes = ldx_heap_alloc(heap, CHUNK);
  uint64_t at = 0, filled = 0;
  long n = bytes ? 1 : -1;
  while (n > 0) { /* whole pieces: a digest counts where they end */
    n = io_pread(io, fd, bytes + filled, CHUNK - filled, (int64_t)at);
    at += n > 0 ? (uint64_t)n : 0;
    filled += n > 0 ? (uint64_t)n : 0;
    if (filled == CHUNK || n == 0) {
      ldx_digest_add(&digest, bytes, filled);
      filled = 0;
    }
  }
  ldx_heap_free(heap, bytes);
  memcpy(out->at, &digest, sizeof digest);
  out->size = sizeof digest;
  return n == 0;
}

static bool key_by_build_id(const struct ldx_file_identity *id, struct ldx_file_key *out) {
  memcpy(out->at, id->build_id, id->build_id_size);
  out->size = id->build_id_size;
  return out->size;
}

static bool key_by_soname(const struct ldx_file_identity *id, struct ldx_file_key *out) {
  struct ldx_digest digest = id->versions;
  ldx_digest_text(&digest, id->soname);
  memcpy(out->at, &digest, sizeof digest);
  out->size = sizeof digest;
  return *id->soname;
}

static void key_by_state(const struct stat *st, struct ldx_file_key *out) {
  struct ldx_file_state state = ldx_file_state(st);
  *out = (struct ldx_file_key){.kind = LDX_KEYED_BY_STATE, .size = sizeof state};
  memcpy(out->at, &state, sizeof state);
}

void ldx_file_key(struct ldx_heap *heap, struct ldx_io *io, int fd, const struct stat *st, enum ldx_key_kind kind,
                  struct ldx_file_key *out) {
  bool known = false;
  *out = (struct ldx_file_key){.kind = kind};
  if (kind == LDX_KEYED_BY_CONTENT) {
    known = key_by_content(heap, io, fd, out);
  } else if (kind == LDX_KEYED_BY_BUILD_ID || kind == LDX_KEYED_BY_SONAME) {
    struct ldx_file_identity id;
    ldx_file_identify(heap, io, fd, (uint64_t)st->st_size, &id);
    known = kind == LDX_KEYED_BY_BUILD_ID ? key_by_build_id(&id, out) : key_by_soname(&id, out);
  }
  if (!known)
    key_by_state(st, out);
}

bool ldx_same_key(const struct ldx_file_key *a, const struct ldx_file_key *b) {
  return a->kind == b->kind && a->size == b->size && a->size && !memcmp(a->at, b->at, a->size);
}

static const char *const kind_names[] = {"", "path", "build-id", "content", "soname", "tool"};

enum ldx_key_kind ldx_key_kind_of(const char *name) {
  for (size_t i = 1; i < LDX_COUNT(kind_names); i++)
    if (!strcmp(kind_names[i], name))
      return (enum ldx_key_kind)i;
  return 0;
}

const char *ldx_key_kind_name(enum ldx_key_kind kind) { return kind < LDX_COUNT(kind_names) ? kind_names[kind] : ""; }
