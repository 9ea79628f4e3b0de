#include "elf/image.h"

#include <string.h>

static enum elf_error check_padding(const unsigned char *padding) {
  for (unsigned i = 0; i < EI_NIDENT - EI_PAD; i++)
    if (padding[i])
      return memcmp(padding, ELF_COPY_MARK, EI_NIDENT - EI_PAD) ? ELF_BAD_PADDING : ELF_IS_COPY;
  return ELF_OK;
}

enum elf_error elf_check_header(struct ldx_span file) {
  const Elf64_Ehdr *eh = ldx_span_at(file, 0, 1, sizeof *eh);
  if (!eh)
    return file.base && file.size >= SELFMAG && memcmp(file.base, ELFMAG, SELFMAG) ? ELF_BAD_MAGIC : ELF_TOO_SHORT;
  if (memcmp(eh->e_ident, ELFMAG, SELFMAG))
    return ELF_BAD_MAGIC;
  if (eh->e_ident[EI_CLASS] != ELFCLASS64)
    return ELF_WRONG_CLASS;
  if (eh->e_ident[EI_DATA] != ELFDATA2LSB)
    return ELF_WRONG_ENDIAN;
  if (eh->e_ident[EI_VERSION] != EV_CURRENT)
    return ELF_WRONG_IDENT_VERSION;
  if (eh->e_ident[EI_OSABI] != ELFOSABI_SYSV && eh->e_ident[EI_OSABI] != ELFOSABI_GNU)
    return ELF_WRONG_OSABI;
  /* GNU: 1 unique symbols, 2 ifunc, 3 absolute symbols: all known here. */
  if (eh->e_ident[EI_ABIVERSION] > (eh->e_ident[EI_OSABI] == ELFOSABI_GNU ? 3 : 0))
    return ELF_WRONG_ABIVERSION;
  enum elf_error e = check_padding(eh->e_ident + EI_PAD);
  if (e)
    return e;
  if (eh->e_version != EV_CURRENT)
    return ELF_WRONG_VERSION;
  if (eh->e_machine != EM_X86_64)
    return ELF_WRONG_MACHINE;
  if (eh->e_type != ET_DYN && eh->e_type != ET_EXEC)
    return ELF_WRONG_TYPE;
  if (eh->e_phentsize != sizeof(Elf64_Phdr))
    return ELF_WRONG_PHENTSIZE;
  return ELF_OK;
}

const Elf64_Phdr *elf_phdrs(struct ldx_span head, uint64_t file_size, enum elf_error *error) {
  const Elf64_Ehdr *eh = (const Elf64_Ehdr *)head.base;
  *error = ELF_OK;
  if (eh->e_phnum == 0)
    *error = ELF_NO_LOAD;
  else if (!ldx_range_ok(file_size, eh->e_phoff, eh->e_phnum, sizeof(Elf64_Phdr)) || eh->e_phoff % 8)
    *error = ELF_BAD_PHDRS;
  else
    return ldx_span_at(head, eh->e_phoff, eh->e_phnum, sizeof(Elf64_Phdr));
  return NULL;
}

/* A page that two segments share gets the protection of the later one: what the earlier promises of its
 * bytes there must stay true. */
static bool may_follow(const struct elf_segment *before, const Elf64_Phdr *ph) {
  uint64_t end = before->vaddr + before->memsz;
  bool shares = ldx_align_down(ph->p_vaddr, LDX_PAGE) < ldx_align_up(end, LDX_PAGE);
  return end <= ph->p_vaddr && (!shares || before->flags == (ph->p_flags & 7));
}

static enum elf_error add_segment(const Elf64_Phdr *ph, uint64_t file_size, uint32_t max, struct elf_image *out) {
  const uint64_t limit = 1ull << 47;
  /* What the file must fulfil to be mapped here. The kernel, which maps programs, does not ask for it. */
  if (file_size != UINT64_MAX && ((ph->p_vaddr ^ ph->p_offset) & (LDX_PAGE - 1)))
    return ELF_BAD_OFFSET;
  if (ph->p_vaddr >= limit || ph->p_memsz >= limit - ph->p_vaddr || ph->p_filesz > ph->p_memsz ||
      (ldx_is_pow2(ph->p_align) && ph->p_align >= limit))
    return ELF_BAD_SEGMENT;
  if (!ldx_range_ok(file_size, ph->p_offset, ph->p_filesz, 1))
    return ELF_TRUNCATED;
  if (ph->p_memsz == 0)
    return ELF_OK;
  if (out->segment_count == max)
    return ELF_TOO_MANY_SEGMENTS;
  struct elf_segment *s = &out->segments[out->segment_count];
  if (out->segment_count && !may_follow(&s[-1], ph))
    return ELF_BAD_SEGMENT;
  *s = (struct elf_segment){ph->p_vaddr, ph->p_filesz, ph->p_memsz, ph->p_offset, ph->p_flags & 7};
  if (out->segment_count++ == 0)
    out->start = ldx_align_down(ph->p_vaddr, LDX_PAGE);
  out->end = ldx_align_up(ph->p_vaddr + ph->p_memsz, LDX_PAGE);
  if (ph->p_align > out->max_align && ldx_is_pow2(ph->p_align)) /* else the page counts */
    out->max_align = ph->p_align;
  return ELF_OK;
}

static void note_header(const Elf64_Phdr *ph, struct elf_image *out) {
  switch (ph->p_type) {
  case PT_DYNAMIC:
    out->dynamic = ph;
    break;
  case PT_TLS:
    out->tls = ph;
    break;
  case PT_INTERP:
    out->interp = ph;
    break;
  case PT_PHDR:
    out->phdr = ph;
    break;
  case PT_GNU_RELRO:
    out->relro = ph;
    break;
  case PT_GNU_EH_FRAME:
    out->eh_frame_hdr = ph;
    break;
  case PT_GNU_PROPERTY:
    out->property = ph;
    break;
  case PT_GNU_STACK:
    out->stack = ph;
    break;
  default:
    break;
  }
}

/* A header is only used when what it names is really there. */
static enum elf_error check_headers(struct elf_image *im) {
  const Elf64_Phdr *t = im->tls;
  if (t && t->p_memsz == 0)
    im->tls = t = NULL;
  if (t && (t->p_filesz > t->p_memsz || t->p_memsz > 1ull << 40 || (t->p_align && !ldx_is_pow2(t->p_align)) ||
            t->p_align > 1ull << 30 || (t->p_filesz && elf_room(im, t->p_vaddr) < t->p_filesz)))
    return ELF_BAD_TLS;
  if (im->relro && im->relro->p_memsz == 0)
    im->relro = NULL;
  if (im->relro) {
    uint64_t end = im->relro->p_vaddr + im->relro->p_memsz;
    if (end < im->relro->p_vaddr || im->relro->p_vaddr < im->start || ldx_align_down(end, LDX_PAGE) > im->end)
      return ELF_BAD_RELRO;
  }
  if (im->eh_frame_hdr && elf_room(im, im->eh_frame_hdr->p_vaddr) < 8)
    im->eh_frame_hdr = NULL;
  if (im->dynamic && (im->dynamic->p_vaddr % 8 || elf_room(im, im->dynamic->p_vaddr) < sizeof(Elf64_Dyn)))
    return ELF_BAD_DYNAMIC;
  return ELF_OK;
}

enum elf_error elf_read_layout(const Elf64_Phdr *phdrs, uint32_t phnum, uint64_t file_size,
                               struct elf_segment *segments, uint32_t max_segments, struct elf_image *out) {
  *out = (struct elf_image){.segments = segments, .phnum = phnum, .max_align = LDX_PAGE};
  for (uint32_t i = 0; i < phnum; i++) {
    if (phdrs[i].p_type != PT_LOAD) {
      note_header(&phdrs[i], out);
      continue;
    }
    enum elf_error e = add_segment(&phdrs[i], file_size, max_segments, out);
    if (e)
      return e;
  }
  if (!out->segment_count)
    return ELF_NO_LOAD;
  return check_headers(out);
}

uint64_t elf_room(const struct elf_image *im, uint64_t vaddr) {
  for (uint32_t i = 0; i < im->segment_count; i++) {
    const struct elf_segment *s = &im->segments[i];
    if (vaddr >= s->vaddr && vaddr - s->vaddr < s->filesz)
      return s->flags & (PF_R | PF_W) ? s->filesz - (vaddr - s->vaddr) : 0;
  }
  return 0;
}

void *elf_at(const struct elf_image *im, uint64_t vaddr, uint64_t size) {
  uint64_t room = elf_room(im, vaddr);
  return room && size <= room ? (void *)(im->bias + vaddr) : NULL;
}

void *elf_at_memory(const struct elf_image *im, uint64_t vaddr, uint64_t size, uint32_t flags) {
  for (uint32_t i = 0; i < im->segment_count; i++) {
    const struct elf_segment *s = &im->segments[i];
    if (vaddr >= s->vaddr && vaddr - s->vaddr < s->memsz)
      return (s->flags & flags) == flags && size <= s->memsz - (vaddr - s->vaddr) ? (void *)(im->bias + vaddr) : NULL;
  }
  return NULL;
}
