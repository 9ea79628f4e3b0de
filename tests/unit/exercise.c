#include "exercise.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "elf/eh_frame.h"
#include "elf/notes.h"
#include "elf/version.h"

#define CHECK(promise) ((promise) ? (void)0 : broken(#promise, __LINE__))

static void broken(const char *promise, int line) {
  fprintf(stderr, "exercise.c:%d: broken promise: %s\n", line, promise);
  abort();
}

/* Reads each byte, so that sanitizers see the access. */
static void touch(const void *p, uint64_t size) {
  static volatile uint8_t sink;
  for (uint64_t i = 0; i < size; i++)
    sink = ((const uint8_t *)p)[i];
  (void)sink;
}

static void touch_string(const char *s) { touch(s, strlen(s) + 1); }

/* Layout */

static void check_room(const struct elf_image *im, uint64_t vaddr) {
  uint64_t room = elf_room(im, vaddr);
  CHECK((elf_at(im, vaddr, room) != NULL) == (room != 0));
  CHECK(!elf_at(im, vaddr, room + 1));
  CHECK(!room || elf_at_memory(im, vaddr, room, 0));
}

void exercise_layout(const struct mapped *m, uint64_t file_size) {
  struct elf_image somewhere = m->im, *im = &somewhere;
  im->bias = LDX_PAGE; /* so that address 0 is no null pointer */
  CHECK(im->segment_count && im->segment_count <= ELF_MAX_SEGMENTS);
  CHECK(im->start < im->end && im->start % LDX_PAGE == 0 && im->end % LDX_PAGE == 0);
  CHECK(ldx_is_pow2(im->max_align) && im->max_align >= LDX_PAGE);
  uint64_t last_end = im->start;
  for (uint32_t i = 0; i < im->segment_count; i++) {
    const struct elf_segment *s = &im->segments[i];
    CHECK(s->vaddr >= last_end && s->memsz && s->filesz <= s->memsz);
    CHECK(s->offset % LDX_PAGE == s->vaddr % LDX_PAGE && s->flags <= 7);
    CHECK(s->offset <= file_size && s->filesz <= file_size - s->offset);
    last_end = s->vaddr + s->memsz;
    CHECK(last_end > s->vaddr && last_end <= im->end);
    const uint64_t edges[] = {s->vaddr - 1, s->vaddr, s->vaddr + s->filesz - 1, s->vaddr + s->filesz, last_end - 1};
    for (size_t k = 0; k < LDX_COUNT(edges); k++)
      check_room(im, edges[k]);
  }
  CHECK(!im->tls || (im->tls->p_memsz && elf_room(im, im->tls->p_vaddr) >= im->tls->p_filesz) || !im->tls->p_filesz);
  CHECK(!im->eh_frame_hdr || elf_at(im, im->eh_frame_hdr->p_vaddr, 8));
}

/* Notes */

void exercise_notes(const struct mapped *m) {
  for (uint32_t i = 0; i < m->im.phnum; i++) {
    const Elf64_Phdr *ph = &m->phdrs[i];
    const void *p = ph->p_type == PT_NOTE && ph->p_vaddr % 4 == 0 ? elf_at(&m->im, ph->p_vaddr, ph->p_filesz) : NULL;
    struct ldx_span bytes = {p, p ? ph->p_filesz : 0};
    struct elf_note n;
    for (uint64_t off = 0, before = 0; elf_next_note(bytes, ph->p_align, &off, &n); before = off) {
      CHECK(off > before);
      touch(n.name, n.name_size);
      touch(n.desc.base, n.desc.size);
    }
  }
  struct ldx_span id = elf_build_id(&m->im, m->phdrs, m->im.phnum);
  touch(id.base, id.size);
  elf_property(&m->im, 0xc0000002);
  elf_property(&m->im, GNU_PROPERTY_X86_ISA_1_NEEDED);
  elf_property(&m->im, 0);
}

/* Unwind information */

static bool same_pointer(struct elf_eh_pointer a, struct elf_eh_pointer b) {
  return a.value == b.value && (!a.value || a.indirect == b.indirect);
}

/* What is written is read as it was, and written again the same. */
static void check_written_frame(const struct elf_fde *fde) {
  struct elf_frame_output out[2] = {{0}};
  struct elf_fde last = *fde, again;
  for (unsigned i = 0; i < 2; i++) {
    struct elf_frame_output size = {0};
    elf_write_cie(&size, &last.cie);
    elf_write_fde(&size, &last, 0, true);
    out[i] = (struct elf_frame_output){malloc(size.size), size.size, 0};
    elf_write_cie(&out[i], &last.cie);
    elf_write_fde(&out[i], &last, 0, true);
    CHECK(out[i].size == size.size && size.size % 8 == 0);
    struct elf_frames f = {{out[i].at, out[i].size}, i * 0x12345 + 1, 0};
    enum elf_error e;
    CHECK(elf_next_fde(&f, &again, &e) && f.next == out[i].size);
    CHECK(again.start == fde->start && again.size == fde->size && same_pointer(again.lsda, fde->lsda));
    CHECK(same_pointer(again.cie.personality, fde->cie.personality) && again.cie.signal == fde->cie.signal);
    last = again;
  }
  CHECK(out[0].size == out[1].size && !memcmp(out[0].at, out[1].at, out[0].size));
  free(out[0].at);
  free(out[1].at);
}

void exercise_frames(struct ldx_span bytes) {
  struct elf_frames f = {bytes, 0x7fff0001, 0};
  struct elf_fde fde;
  enum elf_error e;
  for (uint64_t before = 0; elf_next_fde(&f, &fde, &e); before = f.next) {
    CHECK(f.next > before && f.next <= bytes.size && fde.cie_offset < bytes.size);
    CHECK(fde.start + fde.size >= fde.start);
    touch(fde.instructions.bytes.base, fde.instructions.bytes.size);
    check_written_frame(&fde);
  }
  CHECK(e == ELF_OK || e == ELF_BAD_EH_FRAME || e == ELF_LONG_EH_FRAME || e == ELF_UNKNOWN_EH_FRAME);
}

/* Symbols */

static void look_up(const struct elf_symtab *t, const char *text) {
  struct elf_name name = elf_name(text);
  struct elf_walk w = {0};
  uint32_t steps = 0;
  for (uint32_t i = elf_find_first(t, &name, &w); i; i = elf_find_next(t, &name, &w)) {
    CHECK(i < t->nsym && steps++ < t->chain_count);
    CHECK(!strcmp(elf_symbol_name(t, &t->sym[i]), text));
    touch(&t->sym[i], sizeof *t->sym);
    elf_versym(t, i);
  }
}

static void walk_symbols(const struct elf_symtab *t) {
  static const char *const names[] = {"", "alpha", "beta", "single", "outside", "absent", "malloc", "_init"};
  for (size_t i = 0; i < LDX_COUNT(names); i++)
    look_up(t, names[i]);
  uint32_t count = elf_symbol_count(t);
  CHECK(count <= t->nsym);
  for (uint32_t i = 0; elf_symbol(t, i); i++) {
    touch(&t->sym[i], sizeof *t->sym);
    elf_versym(t, i);
    const char *name = elf_symbol_name(t, &t->sym[i]);
    touch_string(name);
    look_up(t, name);
  }
}

/* Versions */

static void walk_versions(const struct elf_image *im, const struct elf_dynamic *d) {
  enum elf_error error;
  struct elf_need_walk needs = {0};
  struct elf_need need;
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < im->segment_count; i++)
    bytes += im->segments[i].filesz;
  uint64_t left = bytes / sizeof(Elf64_Vernaux);
  while (elf_next_need(im, d, &needs, &need, &error)) {
    CHECK(left--);
    touch_string(need.file);
    touch_string(need.name);
  }
  CHECK(error == ELF_OK || error == ELF_BAD_VERSIONS);
  struct elf_def_walk defs = {0};
  struct elf_def def;
  left = bytes / 4;
  while (elf_next_def(im, d, &defs, &def, &error)) {
    CHECK(left--);
    touch_string(def.name);
  }
  CHECK(error == ELF_OK || error == ELF_BAD_VERSIONS);
}

/* Relocations */

static void walk_relas(const struct elf_image *im, const struct elf_dynamic *d, const struct elf_relas *r) {
  for (uint64_t i = 0; i < r->count; i++) {
    touch(&r->at[i], sizeof r->at[i]);
    elf_at_memory(im, r->at[i].r_offset, 8, PF_W);
    const Elf64_Sym *s = elf_symbol(&d->sym, ELF64_R_SYM(r->at[i].r_info));
    if (s)
      touch_string(elf_symbol_name(&d->sym, s));
  }
}

/* An even word is an address; an odd one has a bit for each of the 63 words behind the last address. */
static void walk_relr(const struct elf_image *im, const struct elf_dynamic *d) {
  uint64_t next = 0;
  for (uint64_t i = 0; i < d->relr_count; i++) {
    uint64_t word = d->relr[i];
    if (word & 1) {
      for (unsigned bit = 0; bit < 63; bit++)
        if (word >> (bit + 1) & 1)
          elf_at_memory(im, next + bit * 8, 8, PF_W);
      next += 63 * 8;
    } else {
      elf_at_memory(im, word, 8, PF_W);
      next = word + 8;
    }
  }
}

static void walk_relocations(const struct elf_image *im, const struct elf_dynamic *d) {
  uintptr_t rela = (uintptr_t)d->rela.at, plt = (uintptr_t)d->jmprel.at;
  CHECK(!d->rela.count || !d->jmprel.count || rela + d->rela.count * sizeof(Elf64_Rela) <= plt ||
        plt + d->jmprel.count * sizeof(Elf64_Rela) <= rela);
  CHECK(d->relative_count <= d->rela.count);
  walk_relas(im, d, &d->rela);
  walk_relas(im, d, &d->jmprel);
  walk_relr(im, d);
}

static void walk_tags(const struct elf_dynamic *d) {
  for (uint32_t i = 0; i < d->count; i++) {
    touch(&d->table[i], sizeof d->table[i]);
    const char *s = elf_string(d, d->table[i].d_un.d_val);
    if (s)
      touch_string(s);
  }
  CHECK(d->table[d->count].d_tag == DT_NULL);
  for (int i = 0; i < ELF_DT_SLOTS; i++) {
    CHECK(!d->info[i] || elf_dynamic_index(d->info[i]->d_tag) == i);
    const char *s = elf_dynamic_string(d, i);
    if (s)
      touch_string(s);
  }
}

void exercise_dynamic(const struct mapped *m) {
  const struct elf_dynamic *d = &m->d;
  walk_tags(d);
  walk_symbols(&d->sym);
  walk_versions(&m->im, d);
  walk_relocations(&m->im, d);
  const struct elf_functions *functions[] = {&d->preinit_array, &d->init_array, &d->fini_array};
  for (size_t i = 0; i < LDX_COUNT(functions); i++)
    touch(functions[i]->at, functions[i]->count * 8);
  CHECK(!d->init || elf_at_memory(&m->im, d->init, 1, PF_X));
  CHECK(!d->fini || elf_at_memory(&m->im, d->fini, 1, PF_X));
  CHECK(d->pltgot || d->bind_now || !d->jmprel.count);
}
