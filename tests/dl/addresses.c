// dladdr() for every byte of a library and a program, told as runs; and for addresses that are nobody's.
#include "tell.h"
#include <errno.h>
#include <pthread.h>
#include <sys/auxv.h>
#include <sys/mman.h>

int main(int argc, char **argv);

struct answer {
  int result;
  const char *file, *name;
  void *base;
  long at;
  int entry;
};

static struct answer ask(char *address) {
  Dl_info info = {0};
  struct answer a = {.result = dladdr(address, &info)};
  if (a.result)
    a = (struct answer){a.result,
                        info.dli_fname,
                        info.dli_sname,
                        info.dli_fbase,
                        info.dli_saddr ? (char *)info.dli_saddr - (char *)info.dli_fbase : -1,
                        0};
  return a;
}

static int same(struct answer *a, struct answer *b) {
  return a->result == b->result && a->file == b->file && a->base == b->base && a->at == b->at &&
         (a->name == b->name || (a->name && b->name && strcmp(a->name, b->name) == 0));
}

static void tell_run(char *start, long from, long to, struct answer *a) {
  tell("  %#lx-%#lx: %d", from, to, a->result);
  if (a->result)
    tell(" %s, base %d, %s at %#lx", base_name(a->file), a->base == start, a->name ? a->name : "none", a->at);
  tell("\n");
}

// An address beside the object may be another's; whose, is chance.
static struct answer ask_of(char *start, long at) {
  struct answer a = ask(start + at);
  return a.result && a.base != start ? (struct answer){0} : a;
}

// Every byte of the object and a page before and behind it.
static void sweep(char *start, long size) {
  long from = -4096;
  struct answer last = ask_of(start, from);
  for (long i = from + 1; i < size + 4096; i++) {
    struct answer a = ask_of(start, i);
    if (same(&a, &last))
      continue;
    tell_run(start, from, i, &last);
    from = i, last = a;
  }
  tell_run(start, from, size + 4096, &last);
}

struct extent {
  struct link_map *map;
  char *start;
  long size;
};

static int measure(struct dl_phdr_info *info, size_t size, void *data) {
  struct extent *e = data;
  (void)size;
  if (info->dlpi_addr != e->map->l_addr || strcmp(info->dlpi_name, e->map->l_name) != 0)
    return 0;
  e->start = NULL;
  for (int i = 0; i < info->dlpi_phnum; i++)
    if (info->dlpi_phdr[i].p_type == PT_LOAD) {
      if (!e->start)
        e->start = (char *)info->dlpi_addr + (info->dlpi_phdr[i].p_vaddr & -4096L);
      e->size = (char *)info->dlpi_addr + info->dlpi_phdr[i].p_vaddr + info->dlpi_phdr[i].p_memsz - e->start;
    }
  return 1;
}

static void sweep_object(void *handle) {
  struct extent e = {.map = handle};
  dl_iterate_phdr(measure, &e);
  tell("%s, %ld bytes\n", base_name(e.map->l_name), e.size);
  sweep(e.start, e.size);
}

static void point(const char *what, void *address) {
  struct answer a = ask(address);
  tell("%s: %d %s %s\n", what, a.result, a.result ? base_name(a.file) : "-", a.result && a.name ? a.name : "-");
}

static void points(void) {
  int on_stack;
  void *heap = malloc(100), *pages = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  point("NULL", NULL);
  point("1", (void *)1);
  point("-1", (void *)-1);
  point("no address", (void *)0x8000000000000000);
  point("the stack", &on_stack);
  point("the heap", heap);
  point("pages", pages);
  point("main", (void *)main);
  point("a function of libc", (void *)qsort);
  point("data of libc", stdout);
  point("errno", &errno);
  point("the head of the vDSO", (void *)getauxval(AT_SYSINFO_EHDR));
  point("the headers of the program", (void *)getauxval(AT_PHDR));
  point("vsyscall", (void *)0xffffffffff600000);
  Dl_info info;
  tell("the loader: %d\n", dladdr((void *)getauxval(AT_BASE), &info));
  tell("dlopen: %d %s\n", dladdr((void *)dlopen, &info), info.dli_sname ? info.dli_sname : "-");
}

static void extras(void *handle) {
  static const char *names[] = {"first", "big",    "alias", "no_size",    "absolute_one",
                                "data",  "single", "three", "common_one", "object_in_text"};
  Dl_info info;
  for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
    char *address = must_find(handle, names[i]);
    const Elf64_Sym *entry = NULL;
    struct link_map *map = NULL;
    int results[] = {dladdr1(address, &info, (void **)&entry, RTLD_DL_SYMENT),
                     dladdr1(address, &info, (void **)&map, RTLD_DL_LINKMAP)};
    tell("%s: %d %d, %s, entry %d, type %d, size %ld, map %d", names[i], results[0], results[1],
         results[0] && info.dli_sname ? info.dli_sname : "-", entry != NULL,
         entry ? ELF64_ST_TYPE(entry->st_info) : -1, entry ? (long)entry->st_size : -1, map == handle);
    void *untouched = &info, *given = untouched;
    int other = dladdr1(address, &info, &given, 7), zero = dladdr1(address, &info, &given, 0);
    tell(", other flags %d %d, untouched %d\n", other, zero, given == untouched);
  }
  void *map = NULL, *entry = &info;
  tell("program: %d", dladdr1((void *)main, &info, &map, RTLD_DL_LINKMAP));
  tell(" %d", map == dlopen(NULL, RTLD_LAZY));
  tell(", nowhere: %d", dladdr1((void *)8, &info, &map, RTLD_DL_LINKMAP));
  tell(", no symbol: %d", dladdr1((char *)must_find(handle, "no_size") + 1, &info, &entry, RTLD_DL_SYMENT));
  tell(" %d\n", entry == NULL);
}

int main(int argc, char **argv) {
  void *handle = must_open("./libdl-symbols.so", RTLD_NOW);
  if (argc > 1)
    sweep_object(dlopen(strcmp(argv[1], "program") == 0 ? NULL : argv[1], RTLD_LAZY));
  else {
    points();
    extras(handle);
    char *address = must_find(handle, "first");
    dlclose(handle);
    point("closed", address);
  }
}
