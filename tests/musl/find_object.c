/* What the compiler's unwinder, built for glibc, asks its loader for: here by the portable way. */
#include <link.h>
#include <stdint.h>
#include <string.h>

struct found { /* struct dl_find_object of <dlfcn.h>, glibc 2.35 */
  unsigned long long flags;
  void *start, *end;
  struct link_map *map;
  void *eh_frame;
  unsigned long long reserved[7];
};

struct search {
  uintptr_t pc;
  struct found *found;
};

static int look(struct dl_phdr_info *info, size_t size, void *arg) {
  struct search *s = arg;
  int hit = 0;
  (void)size;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) *p = &info->dlpi_phdr[i];
    uintptr_t at = info->dlpi_addr + p->p_vaddr;
    hit |= p->p_type == PT_LOAD && s->pc - at < p->p_memsz;
    if (p->p_type == PT_GNU_EH_FRAME)
      s->found->eh_frame = (void *)at;
  }
  if (!hit)
    s->found->eh_frame = NULL;
  return hit;
}

int _dl_find_object(void *pc, struct found *result) {
  struct search s = {(uintptr_t)pc, result};
  memset(result, 0, sizeof *result);
  return dl_iterate_phdr(look, &s) && result->eh_frame ? 0 : -1;
}
