#include "mapped.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined __SANITIZE_ADDRESS__
#define WITH_ASAN 1
#elif defined __has_feature
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#endif

#if defined WITH_ASAN
#include <sanitizer/asan_interface.h>
#define FORBID(p, n) __asan_poison_memory_region(p, n)
#define ALLOW(p, n) __asan_unpoison_memory_region(p, n)
#elif __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#define FORBID(p, n) VALGRIND_MAKE_MEM_NOACCESS(p, n)
#define ALLOW(p, n) VALGRIND_MAKE_MEM_DEFINED(p, n)
#else
#define FORBID(p, n) ((void)(p), (void)(n))
#define ALLOW(p, n) ((void)(p), (void)(n))
#endif

enum elf_error mapped_layout(struct mapped *m, struct ldx_span file) {
  memset(m, 0, sizeof *m);
  enum elf_error e = elf_check_header(file);
  if (e)
    return e;
  m->phdrs = elf_phdrs(file, file.size, &e);
  if (!m->phdrs)
    return e ? e : ELF_BAD_PHDRS;
  uint16_t phnum = ((const Elf64_Ehdr *)file.base)->e_phnum;
  return elf_read_layout(m->phdrs, phnum, file.size, m->segments, ELF_MAX_SEGMENTS, &m->im);
}

/* The buffer ends with the last byte from the file, so that the heap's own guard stands there. */
bool mapped_load(struct mapped *m, struct ldx_span file, size_t max) {
  uint64_t end = m->im.start;
  for (uint32_t i = 0; i < m->im.segment_count; i++)
    if (m->segments[i].filesz)
      end = m->segments[i].vaddr + m->segments[i].filesz;
  m->size = end - m->im.start;
  if (m->size > max || !(m->memory = calloc(1, m->size ? m->size : 1)))
    return false;
  FORBID(m->memory, m->size);
  m->im.bias = (uintptr_t)m->memory - m->im.start;
  for (uint32_t i = 0; i < m->im.segment_count; i++) {
    const struct elf_segment *s = &m->segments[i];
    uint8_t *to = (uint8_t *)(m->im.bias + s->vaddr);
    if (!s->filesz)
      continue;
    ALLOW(to, s->filesz);
    memcpy(to, file.base + s->offset, s->filesz);
  }
  return true;
}

enum elf_error mapped_open(struct mapped *m, struct ldx_span file) {
  enum elf_error e = mapped_layout(m, file);
  if (e)
    return e;
  if (!mapped_load(m, file, SIZE_MAX)) {
    fputs("cannot map the image\n", stderr);
    abort();
  }
  return elf_read_dynamic(&m->im, &m->d);
}

void mapped_close(struct mapped *m) {
  if (m->memory)
    ALLOW(m->memory, m->size);
  free(m->memory);
  m->memory = NULL;
}
