// A small language for the dl functions: each argument is a command, and each command tells what it saw.
//   open H FILE FLAGS   flags joined by '|': LAZY NOW GLOBAL LOCAL NOLOAD NODELETE DEEPBIND; FILE - is NULL, EMPTY is
//   "" close H             sym H NAME            call H NAME N        read H NAME         write H NAME N vsym H NAME
//   VERS    vcall H NAME VERS N   same H H             addr H NAME [OFFSET] addr1 H NAME list                count
//   map H                info H              serinfo H mapped TEXT         error                 thread COMMAND...
//   find H NAME         fork COMMAND...
// H is a letter; D, N and X are RTLD_DEFAULT, RTLD_NEXT and a handle that is none.
#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void *handles[128];
typedef int (*function)(int);

static const char *base_name(const char *path) {
  const char *slash = path ? strrchr(path, '/') : NULL;
  return !path ? "(null)" : slash ? slash + 1 : *path ? path : "(program)";
}
static void *handle_of(const char *word) {
  return *word == 'D' ? RTLD_DEFAULT : *word == 'N' ? RTLD_NEXT : handles[(int)*word];
}
static void tell_error(void) {
  const char *text = dlerror();
  printf(" %s\n", text ? text : "no error");
}

static int flags_of(char *words) {
  static const struct {
    const char *name;
    int value;
  } all[] = {{"LAZY", RTLD_LAZY},     {"NOW", RTLD_NOW},           {"GLOBAL", RTLD_GLOBAL},     {"LOCAL", RTLD_LOCAL},
             {"NOLOAD", RTLD_NOLOAD}, {"NODELETE", RTLD_NODELETE}, {"DEEPBIND", RTLD_DEEPBIND}, {"NONE", 0},
             {"BAD", 0x800000}};
  int flags = 0;
  char *rest = NULL, copy[100];
  snprintf(copy, sizeof copy, "%s", words);
  for (char *word = strtok_r(copy, "|", &rest); word; word = strtok_r(NULL, "|", &rest))
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
      if (strcmp(word, all[i].name) == 0)
        flags |= all[i].value;
  return flags;
}

static void do_open(char **a) {
  void *handle = handles[(int)*a[1]] = dlopen(strcmp(a[2], "-") == 0       ? NULL
                                              : strcmp(a[2], "EMPTY") == 0 ? ""
                                                                           : a[2],
                                              flags_of(a[3]));
  printf("open %s %s:", base_name(a[2]), a[3]);
  if (handle)
    printf(" ok\n");
  else
    tell_error();
}
static void do_close(char **a) {
  int result = dlclose(handle_of(a[1]));
  printf("close %s: %d", a[1], result);
  if (result)
    tell_error();
  else
    printf("\n");
}
static void *symbol(char **a, const char *version) {
  dlerror();
  void *found = version ? dlvsym(handle_of(a[1]), a[2], version) : dlsym(handle_of(a[1]), a[2]);
  printf("%s %s %s:", a[0], a[1], a[2]);
  if (!found)
    tell_error();
  return found;
}
static void do_sym(char **a) {
  if (symbol(a, NULL))
    printf(" found\n");
}
static void do_call(char **a) {
  function f = (function)symbol(a, NULL);
  if (f)
    printf(" %d\n", f(atoi(a[3])));
}
static void do_vsym(char **a) {
  if (symbol(a, a[3]))
    printf(" found %s\n", a[3]);
}
static void do_vcall(char **a) {
  function f = (function)symbol(a, a[3]);
  if (f)
    printf(" %s %d\n", a[3], f(atoi(a[4])));
}
static void do_read(char **a) {
  int *data = symbol(a, NULL);
  if (data)
    printf(" %d\n", *data);
}
static void do_write(char **a) {
  int *data = symbol(a, NULL);
  if (data)
    printf(" %d\n", *data = atoi(a[3]));
}
static void do_same(char **a) { printf("same %s %s: %d\n", a[1], a[2], handle_of(a[1]) == handle_of(a[2])); }

static void tell_addr(const char *label, char *address, int result, Dl_info *info) {
  printf("%s %d", label, result);
  if (result)
    printf(" %s %s +%ld, base %d", base_name(info->dli_fname), info->dli_sname ? info->dli_sname : "(none)",
           info->dli_saddr ? (long)(address - (char *)info->dli_saddr) : -1L,
           memcmp(info->dli_fbase, ELFMAG, SELFMAG) == 0);
  printf("\n");
}
static void do_addr(char **a) {
  char *address = symbol(a, NULL);
  Dl_info info;
  if (!address)
    return;
  address += a[3] ? atol(a[3]) : 0;
  tell_addr("", address, dladdr(address, &info), &info);
}
static void do_addr1(char **a) {
  char *address = symbol(a, NULL);
  Dl_info info;
  struct link_map *map = NULL;
  Elf64_Sym *entry = NULL;
  if (!address)
    return;
  tell_addr("", address, dladdr1(address, &info, (void **)&map, RTLD_DL_LINKMAP), &info);
  printf("  map %s", map ? base_name(map->l_name) : "none");
  dladdr1(address, &info, (void **)&entry, RTLD_DL_SYMENT);
  printf(", symbol of type %d, binding %d, size %ld\n", entry ? ELF64_ST_TYPE(entry->st_info) : -1,
         entry ? ELF64_ST_BIND(entry->st_info) : -1, entry ? (long)entry->st_size : -1L);
}

static int list_one(struct dl_phdr_info *info, size_t size, void *data) {
  printf("  %s, loads", base_name(info->dlpi_name));
  int loads = 0;
  for (int i = 0; i < info->dlpi_phnum; i++)
    loads += info->dlpi_phdr[i].p_type == PT_LOAD;
  printf(" %d, tls %d %d\n", loads, info->dlpi_tls_modid != 0, info->dlpi_tls_data != NULL);
  return 0;
}
static void do_list(char **a) {
  printf("list\n");
  dl_iterate_phdr(list_one, NULL);
}
static int count_one(struct dl_phdr_info *info, size_t size, void *data) {
  memcpy(data, info, sizeof *info);
  return 17;
}
static void do_count(char **a) {
  static unsigned long long adds, subs;
  struct dl_phdr_info info = {0};
  int result = dl_iterate_phdr(count_one, &info);
  printf("count: stopped with %d, adds +%lld, subs +%lld\n", result, adds ? info.dlpi_adds - adds : 0,
         adds ? info.dlpi_subs - subs : 0);
  adds = info.dlpi_adds, subs = info.dlpi_subs;
}
static void do_map(char **a) {
  struct link_map *map = handle_of(a[1]), *first = map;
  printf("map %s: %s\n", a[1], base_name(map->l_name));
  while (first->l_prev)
    first = first->l_prev;
  for (struct link_map *m = first; m; m = m->l_next)
    printf("  %s, dynamic %d, back %d\n", base_name(m->l_name), m->l_ld != NULL,
           !m->l_next || m->l_next->l_prev == m);
}
static void do_info(char **a) {
  struct link_map *map = NULL;
  Lmid_t namespace = 77;
  char origin[4096] = "";
  int results[3] = {dlinfo(handle_of(a[1]), RTLD_DI_LINKMAP, &map), dlinfo(handle_of(a[1]), RTLD_DI_LMID, &namespace),
                    dlinfo(handle_of(a[1]), RTLD_DI_ORIGIN, origin)};
  printf("info %s: %d %d %d, %s, namespace %ld, origin %s, handle is map %d", a[1], results[0], results[1],
         results[2], map ? base_name(map->l_name) : "none", (long)namespace, origin, (void *)map == handle_of(a[1]));
  printf(", bad request %d", dlinfo(handle_of(a[1]), 999, &map));
  tell_error();
}
static void do_serinfo(char **a) {
  Dl_serinfo size;
  int result = dlinfo(handle_of(a[1]), RTLD_DI_SERINFOSIZE, &size);
  Dl_serinfo *all = malloc(size.dls_size);
  all->dls_size = size.dls_size, all->dls_cnt = size.dls_cnt;
  printf("serinfo %s: %d %d, %u\n", a[1], result, dlinfo(handle_of(a[1]), RTLD_DI_SERINFO, all), all->dls_cnt);
  for (unsigned i = 0; i < all->dls_cnt; i++)
    printf("  %s\n", all->dls_serpath[i].dls_name); // dls_flags: glibc leaves them 0
  free(all);
}
static void do_mapped(char **a) {
  FILE *maps = fopen("/proc/self/maps", "r");
  char line[4096];
  int found = 0;
  while (fgets(line, sizeof line, maps))
    found |= strstr(line, a[1]) != NULL;
  fclose(maps);
  printf("mapped %s: %d\n", a[1], found);
}
static void do_error(char **a) {
  printf("error:");
  tell_error();
}
static void do_find(char **a) {
  char *address = symbol(a, NULL);
  struct dl_find_object found;
  int result = address ? _dl_find_object(address, &found) : -2;
  printf(" %d", result);
  if (result == 0)
    printf(" %s inside %d, eh_frame %d", base_name(found.dlfo_link_map->l_name),
           address >= (char *)found.dlfo_map_start && address < (char *)found.dlfo_map_end,
           found.dlfo_eh_frame != NULL);
  printf(", nowhere %d\n", _dl_find_object((void *)8, &found));
}

static void run(char **words);
static void *run_thread(void *words) {
  run(words);
  return NULL;
}
static void do_thread(char **a) {
  pthread_t thread;
  printf("thread ");
  pthread_create(&thread, NULL, run_thread, a + 1);
  pthread_join(thread, NULL);
}
static void do_fork(char **a) {
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    printf("fork ");
    run(a + 1);
    fflush(stdout);
    _exit(0);
  }
  int status;
  waitpid(child, &status, 0);
  printf("child left %d\n", status);
}

static const struct {
  const char *name;
  void (*run)(char **);
} commands[] = {{"open", do_open},     {"close", do_close}, {"sym", do_sym},     {"call", do_call},
                {"vsym", do_vsym},     {"vcall", do_vcall}, {"read", do_read},   {"write", do_write},
                {"same", do_same},     {"addr", do_addr},   {"addr1", do_addr1}, {"list", do_list},
                {"count", do_count},   {"map", do_map},     {"info", do_info},   {"serinfo", do_serinfo},
                {"mapped", do_mapped}, {"error", do_error}, {"find", do_find},   {"thread", do_thread},
                {"fork", do_fork}};

static void run(char **words) {
  for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
    if (strcmp(words[0], commands[i].name) == 0)
      return commands[i].run(words);
  printf("unknown command %s\n", words[0]);
  exit(2);
}

int dlscript_own(int x) { return x + 1000; }
int dlscript_data = 33;

int main(int argc, char **argv) {
  static struct link_map none;
  handles['X'] = &none;
  for (int i = 1; i < argc; i++) {
    char *words[10] = {0}, *rest = NULL;
    int count = 0;
    for (char *word = strtok_r(argv[i], " ", &rest); word && count < 9; word = strtok_r(NULL, " ", &rest))
      words[count++] = word;
    run(words);
  }
}
