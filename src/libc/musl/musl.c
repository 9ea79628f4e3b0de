#include "libc/musl/musl.h"

#include <string.h>

#include "base/text.h"
#include "base/span.h"

/* Names that are libc's own, up to their first dot. */
static const char *const own_names[] = {"libc.", "libpthread.", "librt.", "libm.", "libdl.", "libutil.", "libxnet."};

bool musl_is_own_name(const char *name) {
  for (size_t i = 0; i < LDX_COUNT(own_names); i++)
    if (!strncmp(name, own_names[i], strlen(own_names[i])))
      return true;
  return false;
}

static bool names_interpreter(const struct ldx_object *program) {
  const Elf64_Phdr *i = program->image.interp;
  const char *path = i && i->p_filesz ? elf_at(&program->image, i->p_vaddr, i->p_filesz) : NULL;
  if (!path || path[i->p_filesz - 1])
    return false;
  return !strncmp(ldx_last_part(path), "ld-musl-", 8);
}

bool musl_is_program(const struct ldx_object *program) {
  for (uint32_t i = 0; i < program->dyn.count; i++) {
    const Elf64_Dyn *d = &program->dyn.table[i];
    const char *name = d->d_tag == DT_NEEDED ? elf_string(&program->dyn, d->d_un.d_val) : NULL;
    if (name && (!strcmp(name, "libc.so") || !strncmp(name, "libc.musl-", 10)))
      return true;
  }
  return names_interpreter(program);
}

/* musl finds the last stage of its own start under this name. */
bool musl_can_start(const struct ldx_object *libc) {
  return libc->entry && ldx_object_has_code(libc, libc->entry) && ldx_address_of(libc, "__dls3") &&
         ldx_address_of(libc, "__libc_start_main");
}

enum { PHDR, LOAD, DYNAMIC, TLS, STACK, PHDRS };
enum { TAGS = 12 };

/* An image that was never a file. Addresses in its tables are distances from its start. */
struct musl_stub {
  Elf64_Phdr phdrs[PHDRS];
  Elf64_Dyn dynamic[TAGS];
  void (*init[1])(void);
  void (*fini[1])(void);
  Elf64_Sym symbols[];
};

/* Where the parts of variable size lie. */
struct parts {
  uint32_t count; /* of symbols, with the empty one */
  uint32_t *hash;
  char *strings, *next;
  size_t size;
};

static const char libc_name[] = "libc.so";

static size_t strings_size(const struct musl_image *image) {
  size_t n = 1 + sizeof libc_name;
  for (uint32_t i = 0; i < image->export_count; i++)
    n += strlen(image->exports[i].name) + 1;
  return n;
}

static uint64_t distance(const struct musl_stub *s, const void *p) { return (uintptr_t)p - (uintptr_t)s; }

static uint32_t add_string(struct parts *p, const char *text) {
  size_t n = strlen(text) + 1;
  char *at = memcpy(p->next, text, n);
  p->next += n;
  return (uint32_t)(at - p->strings);
}

/* One bucket, whose chain is all symbols (gABI ch. 5 "Hash Table"). */
static void fill_hash(struct parts *p) {
  uint32_t *buckets = p->hash + 2, *chain = p->hash + 3;
  p->hash[0] = 1;
  p->hash[1] = p->count;
  buckets[0] = p->count > 1;
  for (uint32_t i = 1; i + 1 < p->count; i++)
    chain[i] = i + 1;
}

static void fill_symbols(struct musl_stub *s, struct parts *p, const struct musl_image *image) {
  for (uint32_t i = 0; i < image->export_count; i++)
    s->symbols[i + 1] = (Elf64_Sym){.st_name = add_string(p, image->exports[i].name),
                                    .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_NOTYPE),
                                    .st_shndx = 1,
                                    .st_value = distance(s, (const void *)image->exports[i].value)};
}

static void fill_dynamic(struct musl_stub *s, struct parts *p) {
  Elf64_Dyn tags[TAGS] = {{DT_NEEDED, {add_string(p, libc_name)}},
                          {DT_HASH, {distance(s, p->hash)}},
                          {DT_SYMTAB, {distance(s, s->symbols)}},
                          {DT_SYMENT, {sizeof s->symbols[0]}},
                          {DT_STRTAB, {distance(s, p->strings)}},
                          {DT_STRSZ, {(uint64_t)(p->next - p->strings)}},
                          {DT_INIT_ARRAY, {distance(s, s->init)}},
                          {DT_INIT_ARRAYSZ, {sizeof s->init}},
                          {DT_FINI_ARRAY, {distance(s, s->fini)}},
                          {DT_FINI_ARRAYSZ, {sizeof s->fini}},
                          {DT_FLAGS, {DF_BIND_NOW}}};
  memcpy(s->dynamic, tags, sizeof tags);
}

static void fill_phdrs(struct musl_stub *s, const struct parts *p, const struct musl_image *image) {
  s->phdrs[PHDR] = (Elf64_Phdr){.p_type = PT_PHDR, .p_flags = PF_R, .p_vaddr = distance(s, s->phdrs)};
  s->phdrs[LOAD] = (Elf64_Phdr){.p_type = PT_LOAD, .p_flags = PF_R, .p_filesz = p->size, .p_memsz = p->size};
  s->phdrs[DYNAMIC] = (Elf64_Phdr){.p_type = PT_DYNAMIC,
                                   .p_flags = PF_R,
                                   .p_vaddr = distance(s, s->dynamic),
                                   .p_filesz = sizeof s->dynamic,
                                   .p_memsz = sizeof s->dynamic};
  s->phdrs[TLS] = (Elf64_Phdr){.p_type = PT_TLS,
                               .p_flags = PF_R,
                               .p_vaddr = distance(s, image->tls),
                               .p_filesz = image->tls_filled,
                               .p_memsz = image->tls_size,
                               .p_align = image->tls_align};
  s->phdrs[STACK] = (Elf64_Phdr){.p_type = PT_GNU_STACK, .p_flags = PF_R | PF_W, .p_memsz = image->stack_size};
}

struct musl_stub *musl_new_stub(struct ldx_heap *heap, const struct musl_image *image) {
  struct parts p = {.count = image->export_count + 1};
  size_t symbols = sizeof(struct musl_stub) + p.count * sizeof(Elf64_Sym), hash = (3 + p.count) * sizeof *p.hash;
  p.size = symbols + hash + strings_size(image);
  struct musl_stub *s = ldx_heap_alloc(heap, p.size);
  if (!s)
    return NULL;
  p.hash = (uint32_t *)((char *)s + symbols);
  p.strings = (char *)p.hash + hash;
  p.next = p.strings + 1;
  s->init[0] = image->init;
  s->fini[0] = image->fini;
  fill_hash(&p);
  fill_symbols(s, &p, image);
  fill_dynamic(s, &p);
  fill_phdrs(s, &p, image);
  return s;
}

const Elf64_Phdr *musl_stub_phdrs(const struct musl_stub *stub, uint64_t *count) {
  *count = PHDRS;
  return stub->phdrs;
}
