/* Section names and section headers are written anew at the file's end, behind the policy; everything in front of
 * them stays where it is. Where the linker had put them at the end, taking a policy out again leaves the very file
 * that there was. */
#include "ldx-policy-elf.h"

#include <elf.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "hooks/policy.h"

struct program {
  const struct policy_image *image;
  Elf64_Ehdr *ehdr;
  Elf64_Phdr *phdrs;
  Elf64_Shdr *shdrs;
  Elf64_Dyn *dynamic;
  size_t dynamic_count;
  size_t policy; /* index of its section; 0: none */
};

static bool inside(const struct policy_image *image, uint64_t offset, uint64_t size) {
  return offset <= image->size && size <= image->size - offset;
}

static const char *check_header(struct program *p) {
  static const unsigned char expected[] = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT};
  p->ehdr = (Elf64_Ehdr *)p->image->bytes;
  if (p->image->size < sizeof *p->ehdr || memcmp(p->ehdr->e_ident, expected, SELFMAG))
    return "not an ELF file";
  if (memcmp(p->ehdr->e_ident, expected, sizeof expected) || p->ehdr->e_machine != EM_X86_64)
    return "not a 64-bit ELF file for x86-64";
  if (p->ehdr->e_type != ET_EXEC && p->ehdr->e_type != ET_DYN)
    return "neither a program nor a shared object";
  return NULL;
}

static const char *find_tables(struct program *p) {
  const Elf64_Ehdr *eh = p->ehdr;
  if (!eh->e_shoff || !eh->e_shnum || !eh->e_shstrndx)
    return "has no section headers";
  if (eh->e_phentsize != sizeof(Elf64_Phdr) || eh->e_phoff % 8 ||
      !inside(p->image, eh->e_phoff, eh->e_phnum * sizeof(Elf64_Phdr)))
    return "damaged: program headers outside the file";
  if (eh->e_shentsize != sizeof(Elf64_Shdr) || eh->e_shoff % 8 || eh->e_shstrndx >= eh->e_shnum ||
      !inside(p->image, eh->e_shoff, eh->e_shnum * sizeof(Elf64_Shdr)))
    return "damaged: section headers outside the file";
  p->phdrs = (Elf64_Phdr *)(p->image->bytes + eh->e_phoff);
  p->shdrs = (Elf64_Shdr *)(p->image->bytes + eh->e_shoff);
  for (size_t i = 1; i < eh->e_shnum; i++)
    if (p->shdrs[i].sh_type != SHT_NOBITS && !inside(p->image, p->shdrs[i].sh_offset, p->shdrs[i].sh_size))
      return "damaged: a section lies outside the file";
  for (size_t i = 0; i < eh->e_phnum; i++)
    if (p->phdrs[i].p_type != PT_NULL && !inside(p->image, p->phdrs[i].p_offset, p->phdrs[i].p_filesz))
      return "damaged: a segment lies outside the file";
  return NULL;
}

static const char *find_policy(struct program *p) {
  const Elf64_Shdr *names = &p->shdrs[p->ehdr->e_shstrndx];
  const char *text = p->image->bytes + names->sh_offset;
  if (names->sh_type != SHT_STRTAB || !names->sh_size || text[names->sh_size - 1])
    return "damaged: section names lie in no string table";
  if (names->sh_flags & SHF_ALLOC)
    return "keeps its section names in memory";
  for (size_t i = 1; i < p->ehdr->e_shnum; i++) {
    if (p->shdrs[i].sh_name >= names->sh_size || strcmp(text + p->shdrs[i].sh_name, LDX_POLICY_SECTION))
      continue;
    if (p->policy)
      return "has two sections " LDX_POLICY_SECTION;
    p->policy = i;
  }
  if (p->policy && (p->shdrs[p->policy].sh_flags & SHF_ALLOC))
    return "has a section " LDX_POLICY_SECTION " that is part of the loaded image";
  return NULL;
}

static const char *find_dynamic(struct program *p) {
  for (size_t i = 0; i < p->ehdr->e_phnum; i++)
    if (p->phdrs[i].p_type == PT_DYNAMIC && p->phdrs[i].p_offset % 8 == 0) {
      p->dynamic = (Elf64_Dyn *)(p->image->bytes + p->phdrs[i].p_offset);
      p->dynamic_count = p->phdrs[i].p_filesz / sizeof *p->dynamic;
    }
  return p->dynamic ? NULL : "is not dynamically linked: ldx loads nothing for it";
}

static const char *parse(struct program *p, const struct policy_image *image) {
  *p = (struct program){.image = image};
  const char *error = check_header(p);
  error = error ? error : find_tables(p);
  error = error ? error : find_policy(p);
  return error ? error : find_dynamic(p);
}

/* --- the mark in the dynamic section --- */

static size_t find_tag(const struct program *p, int64_t tag) {
  size_t i = 0;
  while (i < p->dynamic_count && p->dynamic[i].d_tag != DT_NULL && p->dynamic[i].d_tag != tag)
    i++;
  return i < p->dynamic_count && p->dynamic[i].d_tag == tag ? i : p->dynamic_count;
}

/* Linkers leave a few entries free behind the end. One end must remain. */
static bool put_mark(struct program *p) {
  size_t end = find_tag(p, DT_NULL);
  if (find_tag(p, LDX_DT_POLICY) < p->dynamic_count)
    return true;
  if (end + 1 >= p->dynamic_count || p->dynamic[end + 1].d_tag != DT_NULL)
    return false;
  p->dynamic[end] = (Elf64_Dyn){.d_tag = LDX_DT_POLICY, .d_un = {.d_val = 1}};
  return true;
}

static void take_mark(struct program *p) {
  size_t mark = find_tag(p, LDX_DT_POLICY);
  if (mark == p->dynamic_count)
    return;
  memmove(&p->dynamic[mark], &p->dynamic[mark + 1], (p->dynamic_count - mark - 1) * sizeof *p->dynamic);
  p->dynamic[p->dynamic_count - 1] = (Elf64_Dyn){0};
}

/* --- the file's end --- */

/* The first byte behind all that stays; the old policy, the names and the headers are written anew. */
static uint64_t end_of_rest(const struct program *p) {
  uint64_t end = p->ehdr->e_phoff + p->ehdr->e_phnum * sizeof(Elf64_Phdr);
  for (size_t i = 0; i < p->ehdr->e_phnum; i++)
    if (p->phdrs[i].p_type != PT_NULL && p->phdrs[i].p_offset + p->phdrs[i].p_filesz > end)
      end = p->phdrs[i].p_offset + p->phdrs[i].p_filesz;
  for (size_t i = 1; i < p->ehdr->e_shnum; i++) {
    const Elf64_Shdr *s = &p->shdrs[i];
    if (i != p->policy && i != p->ehdr->e_shstrndx && s->sh_type != SHT_NOBITS && s->sh_offset + s->sh_size > end)
      end = s->sh_offset + s->sh_size;
  }
  return end;
}

/* Whether only zeros lie behind the sections and headers: else a program's own data may be there, which it looks for
 * at the end of its file. */
static bool ends_with_headers(const struct program *p, uint64_t rest) {
  const Elf64_Shdr *names = &p->shdrs[p->ehdr->e_shstrndx], *policy = &p->shdrs[p->policy];
  uint64_t ends[] = {rest, p->ehdr->e_shoff + p->ehdr->e_shnum * sizeof(Elf64_Shdr),
                     names->sh_offset + names->sh_size, policy->sh_offset + policy->sh_size};
  uint64_t end = 0;
  for (size_t i = 0; i < sizeof ends / sizeof ends[0] - !p->policy; i++)
    end = ends[i] > end ? ends[i] : end;
  for (; end < p->image->size; end++)
    if (p->image->bytes[end])
      return false;
  return true;
}

struct output {
  char *bytes;
  size_t size;
};

static void put(struct output *o, const void *bytes, size_t size) {
  memcpy(o->bytes + o->size, bytes, size);
  o->size += size;
}

/* The names without the policy's: it is the last one where this program has put it there. */
static size_t names_without_policy(const struct program *p) {
  const Elf64_Shdr *names = &p->shdrs[p->ehdr->e_shstrndx];
  size_t own = sizeof LDX_POLICY_SECTION;
  bool last = p->policy && p->shdrs[p->policy].sh_name + own == names->sh_size;
  return names->sh_size - (last ? own : 0);
}

static uint32_t shifted(const struct program *p, uint32_t index) { return index - (p->policy && index > p->policy); }

/* Headers refer to each other by number: those behind the old policy move up by one. */
static void put_headers(struct output *o, const struct program *p, uint64_t names_at, size_t names_size,
                        const Elf64_Shdr *added) {
  Elf64_Ehdr *eh = (Elf64_Ehdr *)o->bytes;
  eh->e_shoff = o->size;
  for (size_t i = 0; i < p->ehdr->e_shnum; i++) {
    Elf64_Shdr s = p->shdrs[i];
    if (p->policy && i == p->policy)
      continue;
    if (i == p->ehdr->e_shstrndx) {
      s.sh_offset = names_at;
      s.sh_size = names_size;
    }
    s.sh_link = shifted(p, s.sh_link);
    if (s.sh_flags & SHF_INFO_LINK)
      s.sh_info = shifted(p, s.sh_info);
    put(o, &s, sizeof s);
  }
  if (added)
    put(o, added, sizeof *added);
  eh->e_shnum = (uint16_t)((o->size - eh->e_shoff) / sizeof(Elf64_Shdr));
  eh->e_shstrndx = (uint16_t)shifted(p, p->ehdr->e_shstrndx);
}

static void write_end(struct output *o, const struct program *p, const char *policy, size_t size) {
  const Elf64_Shdr *names = &p->shdrs[p->ehdr->e_shstrndx];
  Elf64_Shdr added = {.sh_type = SHT_PROGBITS, .sh_offset = o->size, .sh_size = size, .sh_addralign = 1};
  if (policy)
    put(o, policy, size);
  uint64_t names_at = o->size;
  put(o, p->image->bytes + names->sh_offset, names_without_policy(p));
  added.sh_name = (uint32_t)(o->size - names_at);
  if (policy)
    put(o, LDX_POLICY_SECTION, sizeof LDX_POLICY_SECTION);
  size_t names_size = o->size - names_at;
  while (o->size % 8)
    o->bytes[o->size++] = '\0';
  put_headers(o, p, names_at, names_size, policy ? &added : NULL);
}

const char *policy_replace(struct policy_image *image, const char *policy, size_t size, bool *marked) {
  struct program p;
  const char *error = parse(&p, image);
  if (error)
    return error;
  if (!policy && !p.policy)
    return "has no section " LDX_POLICY_SECTION;
  if (p.ehdr->e_shnum + 1 >= SHN_LORESERVE)
    return "has too many sections";
  uint64_t rest = end_of_rest(&p);
  if (!ends_with_headers(&p, rest))
    return "holds data behind its sections, which may have to stay at the file's end";
  size_t most = rest + size + p.shdrs[p.ehdr->e_shstrndx].sh_size + sizeof LDX_POLICY_SECTION + 8 +
                (p.ehdr->e_shnum + 1u) * sizeof(Elf64_Shdr);
  struct output out = {.bytes = malloc(most)};
  if (!out.bytes)
    return "out of memory";
  take_mark(&p);
  *marked = policy && put_mark(&p);
  put(&out, image->bytes, rest);
  write_end(&out, &p, policy, size);
  free(image->bytes);
  *image = (struct policy_image){out.bytes, out.size};
  return NULL;
}
