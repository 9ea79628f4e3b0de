#include "objects.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* The bytes of the whole file; they stay for the life of the process. */
static struct ldx_span read_file(const char *path) {
  struct ldx_span none = {0};
  struct stat st;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return none;
  void *m = fstat(fd, &st) || !st.st_size
                ? MAP_FAILED
                : mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
  close(fd);
  return m == MAP_FAILED ? none : (struct ldx_span){m, (size_t)st.st_size};
}

static uint64_t file_offset(const Elf64_Phdr *ph, unsigned count, uint64_t vaddr) {
  for (unsigned i = 0; i < count; i++)
    if (ph[i].p_type == PT_LOAD && vaddr >= ph[i].p_vaddr && vaddr - ph[i].p_vaddr < ph[i].p_filesz)
      return vaddr - ph[i].p_vaddr + ph[i].p_offset;
  return UINT64_MAX;
}

static bool read_dynamic(struct ldx_span file, struct elf_dynamic *out) {
  const Elf64_Ehdr *eh = (const Elf64_Ehdr *)file.base;
  const Elf64_Phdr *ph = (const Elf64_Phdr *)(file.base + eh->e_phoff);
  for (unsigned i = 0; i < eh->e_phnum; i++)
    if (ph[i].p_type == PT_DYNAMIC)
      out->table = (Elf64_Dyn *)(uintptr_t)(file.base + ph[i].p_offset);
  if (!out->table)
    return false;
  for (Elf64_Dyn *d = out->table; d->d_tag != DT_NULL; d++, out->count++) {
    if (d->d_tag >= 0 && d->d_tag < ELF_DT_NUM)
      out->info[d->d_tag] = d;
    if (d->d_tag == DT_FLAGS_1)
      out->flags_1 = d->d_un.d_val;
  }
  uint64_t strings = file_offset(ph, eh->e_phnum, out->info[DT_STRTAB]->d_un.d_ptr);
  out->sym.str = (const char *)file.base + strings;
  out->sym.strsz = out->info[DT_STRSZ]->d_un.d_val;
  return strings != UINT64_MAX;
}

struct ldx_object *object_from_file(struct ldx_heap *heap, const char *path, const char *name) {
  struct ldx_span file = read_file(path);
  struct ldx_object *o = file.base ? ldx_heap_alloc(heap, sizeof *o) : NULL;
  if (!o)
    return NULL;
  if (!read_dynamic(file, &o->dyn)) {
    ldx_heap_free(heap, o);
    return NULL;
  }
  o->kind = LDX_LIBRARY;
  o->map.l_name = ldx_strdup(heap, name);
  o->soname = elf_dynamic_string(&o->dyn, DT_SONAME);
  return o;
}

struct made_up {
  struct ldx_object object;
  Elf64_Dyn tags[2];
  char strings[8192];
  size_t used;
};

static void add_tag(struct made_up *m, int64_t tag, const char *text) {
  Elf64_Dyn *d = &m->tags[m->object.dyn.count++];
  d->d_tag = tag;
  d->d_un.d_val = m->used;
  m->object.dyn.info[tag] = d;
  strcpy(m->strings + m->used, text);
  m->used += strlen(text) + 1;
}

struct ldx_object *object_made_up(struct ldx_heap *heap, enum ldx_object_kind kind, const char *name,
                                  const char *rpath, const char *runpath, uint64_t flags_1) {
  struct made_up *m = ldx_heap_alloc(heap, sizeof *m);
  m->object.kind = kind;
  m->object.map.l_name = ldx_strdup(heap, name);
  if (rpath)
    add_tag(m, DT_RPATH, rpath);
  if (runpath)
    add_tag(m, DT_RUNPATH, runpath);
  m->object.dyn.flags_1 = flags_1;
  m->object.dyn.sym.str = m->strings;
  m->object.dyn.sym.strsz = sizeof m->strings;
  return &m->object;
}
