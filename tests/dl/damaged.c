// Copies of a library with one damaged field each: what does dlopen() say, and does anything stay?
#include "tell.h"
#include <elf.h>
#include <stddef.h>
#include <fcntl.h>
#include <sys/stat.h>

static char *image;
static size_t size;

static void attempt(const char *what) {
  char name[100];
  snprintf(name, sizeof name, "./damaged-%s.so", what);
  int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0755);
  if (write(fd, image, size) != (ssize_t)size)
    exit(96);
  close(fd);
  void *handle = dlopen(name, RTLD_NOW);
  tell("%s: %s", what, handle ? "ok" : why());
  if (handle)
    dlclose(handle);
  tell("\n");
  unlink(name);
}

#define HEADER(field, value, what)                                                                                   \
  do {                                                                                                               \
    Elf64_Ehdr *h = (Elf64_Ehdr *)image, kept = *h;                                                                  \
    h->field = value;                                                                                                \
    attempt(what);                                                                                                   \
    *h = kept;                                                                                                       \
  } while (0)

static void damage_header(void) {
  HEADER(e_ident[0], 'x', "magic");
  HEADER(e_ident[EI_CLASS], ELFCLASS32, "class32");
  HEADER(e_ident[EI_CLASS], 9, "class9");
  HEADER(e_ident[EI_DATA], ELFDATA2MSB, "big-endian");
  HEADER(e_ident[EI_VERSION], 7, "ident-version");
  HEADER(e_ident[EI_OSABI], ELFOSABI_FREEBSD, "freebsd");
  HEADER(e_ident[EI_OSABI], ELFOSABI_GNU, "gnu");
  HEADER(e_ident[EI_ABIVERSION], 1, "abi-version");
  HEADER(e_ident[EI_PAD], 1, "padding");
  HEADER(e_version, 7, "version");
  HEADER(e_machine, EM_AARCH64, "machine");
  HEADER(e_machine, EM_386, "machine-386");
  HEADER(e_type, ET_EXEC, "executable");
  HEADER(e_type, ET_REL, "relocatable");
  HEADER(e_type, ET_CORE, "core");
  HEADER(e_phentsize, 55, "phentsize");
  HEADER(e_phnum, 0, "no-segments");
  HEADER(e_entry, 0, "no-entry");
  HEADER(e_shnum, 9999, "sections");
}

static Elf64_Phdr *segment(unsigned type) {
  Elf64_Ehdr *h = (Elf64_Ehdr *)image;
  Elf64_Phdr *ph = (Elf64_Phdr *)(image + h->e_phoff);
  for (int i = 0; i < h->e_phnum; i++)
    if (ph[i].p_type == type)
      return &ph[i];
  exit(95);
}

static void change_dynamic(long tag, long new_tag, unsigned long value, const char *what) {
  Elf64_Dyn *d = (Elf64_Dyn *)(image + segment(PT_DYNAMIC)->p_offset);
  while (d->d_tag != tag && d->d_tag != DT_NULL)
    d++;
  if (d->d_tag != tag)
    exit(94);
  Elf64_Dyn kept = *d;
  d->d_tag = new_tag, d->d_un.d_val = value;
  attempt(what);
  *d = kept;
}

#define SEGMENT(type, field, value, what)                                                                            \
  do {                                                                                                               \
    Elf64_Phdr *ph = segment(type), kept = *ph;                                                                      \
    ph->field = value;                                                                                               \
    attempt(what);                                                                                                   \
    *ph = kept;                                                                                                      \
  } while (0)

static void damage_segments(void) {
  SEGMENT(PT_DYNAMIC, p_type, PT_NULL, "no-dynamic");
  SEGMENT(PT_LOAD, p_align, 3, "odd-alignment");
  SEGMENT(PT_LOAD, p_align, 0, "no-alignment");
  SEGMENT(PT_LOAD, p_vaddr, 0x123, "address-and-offset-apart");
  SEGMENT(PT_GNU_STACK, p_flags, PF_R | PF_W | PF_X, "executable-stack");
  SEGMENT(PT_GNU_STACK, p_type, PT_NULL, "no-stack-note");
  SEGMENT(PT_GNU_EH_FRAME, p_type, PT_NULL, "no-eh-frame");
}

static void damage_dynamic(void) {
  change_dynamic(DT_FLAGS_1, DT_FLAGS_1, DF_1_PIE | DF_1_NOW, "pie");
  change_dynamic(DT_FLAGS_1, DT_FLAGS_1, DF_1_NOOPEN, "no-open");
  change_dynamic(DT_FLAGS_1, DT_FLAGS_1, DF_1_NODELETE, "no-delete");
  change_dynamic(DT_FLAGS_1, DT_NEEDED, 1, "needs-odd-name");
  change_dynamic(DT_GNU_HASH, DT_FLAGS_1, 0, "no-hash");
}

int main(void) {
  int fd = open("./libdl-a.so", O_RDONLY);
  struct stat st;
  fstat(fd, &st);
  size = st.st_size;
  image = malloc(size);
  if (read(fd, image, size) != (ssize_t)size)
    return 96;
  tell_loaded("before");
  damage_header();
  damage_segments();
  damage_dynamic();
  size = 63;
  attempt("cut-in-header");
  tell_loaded("after");
}
