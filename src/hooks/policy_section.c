/* A section of an ELF file that need not be in memory (gABI ch. 4 "Sections"). */
#include <string.h>

#include "base/sys.h"
#include "elf/image.h"
#include "hooks/policy.h"

struct file {
  struct ldx_heap *heap;
  const struct ldx_policy_bytes *bytes;
  const char *fault;
};

static void *bad(struct file *f, const char *fault) {
  f->fault = fault;
  return NULL;
}

static bool pread_all(int fd, char *out, size_t size, uint64_t at) {
  for (size_t done = 0; done < size;) {
    long n = sys_pread(fd, out + done, size - done, (int64_t)(at + done));
    if (n == -4 /* EINTR */)
      continue;
    if (n <= 0)
      return false;
    done += (size_t)n;
  }
  return true;
}

/* A copy of a part of the file, with a NUL behind it; NULL with the fault stated. */
static void *copy_part(struct file *f, uint64_t at, uint64_t size, const char *outside) {
  if (!ldx_range_ok(f->bytes->size, at, size, 1))
    return bad(f, outside);
  char *out = ldx_heap_alloc(f->heap, size + 1);
  if (!out)
    return bad(f, "cannot allocate memory");
  if (f->bytes->span.base)
    memcpy(out, f->bytes->span.base + at, size);
  else if (!pread_all(f->bytes->fd, out, size, at)) {
    ldx_heap_free(f->heap, out);
    return bad(f, "cannot read file data");
  }
  return out;
}

/* The section headers, and their number; NULL without fault: the file has none. The number, and the index of the
 * names' section, stand in the first header when they are too large for the file's. */
static Elf64_Shdr *read_headers(struct file *f, const Elf64_Ehdr *eh, uint64_t *count, uint64_t *names) {
  enum { MOST = 1 << 16 };
  static const char outside[] = "section headers lie outside the file";
  *count = eh->e_shnum;
  *names = eh->e_shstrndx;
  if (!eh->e_shoff)
    return NULL;
  if (eh->e_shentsize != sizeof(Elf64_Shdr))
    return bad(f, "section headers of an unknown size");
  if (!*count || *names == SHN_XINDEX) {
    Elf64_Shdr *first = copy_part(f, eh->e_shoff, sizeof *first, outside);
    if (!first)
      return NULL;
    *count = *count ? *count : first->sh_size;
    *names = *names == SHN_XINDEX ? first->sh_link : *names;
    ldx_heap_free(f->heap, first);
  }
  if (*count > MOST)
    return bad(f, "too many sections");
  if (!*names)
    return NULL;
  if (*names >= *count)
    return bad(f, "section names lie in no section");
  return copy_part(f, eh->e_shoff, *count * sizeof(Elf64_Shdr), outside);
}

/* The only section of this name; NULL: none, or a fault. */
static const Elf64_Shdr *find(struct file *f, const Elf64_Shdr *headers, uint64_t count, const Elf64_Shdr *table,
                              const char *name) {
  enum { MOST = 16 << 20 };
  const Elf64_Shdr *found = NULL;
  if (table->sh_type != SHT_STRTAB || table->sh_size > MOST)
    return bad(f, "section names lie in no string table");
  char *names = copy_part(f, table->sh_offset, table->sh_size, "section names lie outside the file");
  for (uint64_t i = 1; names && !f->fault && i < count; i++) {
    if (headers[i].sh_name >= table->sh_size || strcmp(names + headers[i].sh_name, name))
      continue;
    if (found)
      bad(f, "has two sections of this name");
    found = &headers[i];
  }
  ldx_heap_free(f->heap, names);
  return f->fault ? NULL : found;
}

static char *copy_contents(struct file *f, const Elf64_Shdr *s, size_t max_size) {
  if (s->sh_type == SHT_NOBITS)
    return bad(f, "has no contents in the file");
  if (s->sh_flags & SHF_COMPRESSED)
    return bad(f, "is compressed");
  if (s->sh_size > max_size)
    return bad(f, "is too large");
  return copy_part(f, s->sh_offset, s->sh_size, "lies outside the file");
}

static int find_in(struct file *f, const Elf64_Ehdr *eh, const char *name, size_t max_size, char **out,
                   size_t *size) {
  uint64_t count, names;
  enum elf_error e = elf_check_header((struct ldx_span){(const uint8_t *)eh, sizeof *eh});
  if (e) {
    bad(f, elf_error_text(e));
    return -1;
  }
  Elf64_Shdr *headers = read_headers(f, eh, &count, &names);
  const Elf64_Shdr *s = headers ? find(f, headers, count, &headers[names], name) : NULL;
  if (s) {
    *size = s->sh_size;
    *out = copy_contents(f, s, max_size);
  }
  ldx_heap_free(f->heap, headers);
  return f->fault ? -1 : s != NULL;
}

int ldx_policy_find_section(struct ldx_heap *heap, const struct ldx_policy_bytes *file, const char *name,
                            size_t max_size, char **out, size_t *size, const char **fault) {
  struct file f = {.heap = heap, .bytes = file};
  Elf64_Ehdr *eh = copy_part(&f, 0, sizeof *eh, "file too short");
  int result = eh ? find_in(&f, eh, name, max_size, out, size) : -1;
  ldx_heap_free(heap, eh);
  *fault = f.fault;
  return result;
}
