/* A copy that is opened again, with its data: what its words with relocations keep. All of them get what the linker
 * gave them before they are relocated; those that keep their contents get them back when that is done. */
#include "arch/x86_64/reloc.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/sys.h"
#include "loader/reload.h"

struct keeper {
  struct ldx_image_copy *copy;
  const struct ldx_copy_record *before;
  const char *rest; /* of the file, mapped */
  uint64_t rest_at, rest_size;
  bool out_of_memory;
};

/* What the word was at first. */
static void reset(const struct keeper *k, uint64_t address, void *word, uint64_t width) {
  const struct ldx_copy_record *r = k->before;
  memset(word, 0, width);
  for (uint32_t i = 0; i < r->count; i++) {
    uint64_t from = address - r->initial[i].address;
    if (address >= r->initial[i].address && ldx_range_ok(r->initial[i].size, from, width, 1))
      memcpy(word, k->rest + (r->initial[i].offset - k->rest_at) + from, width);
  }
}

static void keep(struct keeper *k, uint64_t address, uint64_t was) {
  struct ldx_image_copy *c = k->copy;
  const struct elf_image *im = &c->object->image;
  const struct elf_segment *last = &im->segments[im->segment_count - 1];
  uint64_t to = was - k->before->base;
  if (was && (to < im->start || to > last->vaddr + last->memsz)) /* an end is an address, too */
    return;
  if (c->kept_count == c->kept_room &&
      !ldx_heap_grow(&ldx_self.heap, (void **)&c->kept, &c->kept_room, sizeof *c->kept, 256)) {
    k->out_of_memory = true;
    return;
  }
  c->kept[c->kept_count++] = (struct ldx_kept_word){address, to, !was};
}

static void visit(struct keeper *k, uint64_t address, uint64_t width, bool is_address) {
  void *word = elf_at_memory(&k->copy->object->image, address, width, PF_W);
  uint64_t was;
  if (!word) /* its relocation will fail */
    return;
  if (is_address && !ldx_is_private(k->copy, (uintptr_t)word)) {
    memcpy(&was, word, sizeof was);
    keep(k, address, was);
  }
  reset(k, address, word, width);
}

static void visit_relas(struct keeper *k, const struct elf_relas *t) {
  for (uint64_t i = 0; i < t->count; i++) {
    uint32_t type = ELF64_R_TYPE(t->at[i].r_info);
    unsigned width = ldx_reloc_width(type);
    if (width)
      visit(k, t->at[i].r_offset, width, type == REL_RELATIVE || type == REL_RELATIVE64 || type == REL_ABS);
  }
}

static void visit_relr(struct keeper *k, const struct elf_dynamic *d) {
  uint64_t next = 0;
  for (uint64_t i = 0; i < d->relr_count; i++) {
    uint64_t e = d->relr[i];
    if (!(e & 1)) {
      visit(k, e, 8, true);
      next = e + 8;
      continue;
    }
    for (uint64_t bits = e >> 1; bits; bits &= bits - 1)
      visit(k, next + 8 * (uint64_t)__builtin_ctzll(bits), 8, true);
    next += 63 * 8;
  }
}

bool ldx_keep_words(struct ldx_image_copy *c, struct ldx_diag *d) {
  struct keeper k = {.copy = c, .before = c->before};
  const struct elf_dynamic *dyn = &c->object->dyn;
  k.rest_at = c->record;
  k.rest_size = c->end - k.rest_at;
  long r = sys_mmap(NULL, k.rest_size, PROT_READ, MAP_PRIVATE, c->fd, (int64_t)k.rest_at);
  if (ldx_sys_failed(r))
    return ldx_fail(d, LDX_DIAG_LOAD, (int)-r, ldx_display_name(c->object), "cannot map its copy");
  k.rest = (const char *)r;
  visit_relr(&k, dyn);
  visit_relas(&k, &dyn->rela);
  visit_relas(&k, &dyn->jmprel);
  sys_munmap((void *)r, k.rest_size);
  return !k.out_of_memory || ldx_fail(d, LDX_DIAG_LOAD, ENOMEM, ldx_display_name(c->object), "cannot keep its data");
}

/* Through the file: the word may be sealed by now. Few are not what their relocation has made of them. */
static void restore(const struct ldx_image_copy *c, const struct ldx_kept_word *w) {
  const struct ldx_object *o = c->object;
  uint64_t value = w->null ? 0 : w->value + o->map.l_addr;
  if (memcmp((const void *)(o->map.l_addr + w->at), &value, sizeof value))
    ldx_write_all(c->fd, &value, sizeof value, c->offset + (w->at - o->image.start));
}

void ldx_restore_words(struct ldx_image_copy *c) {
  for (size_t i = 0; i < c->kept_count; i++)
    restore(c, &c->kept[i]);
  ldx_delete(c->kept);
  c->kept = NULL;
  c->kept_count = c->kept_room = 0;
}
