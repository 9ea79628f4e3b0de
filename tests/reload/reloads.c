/* Symbols that change while the object is in use.
 *
 * reloads MODE LIBRARY [USER] */
#include "tables.h"

#include <execinfo.h>
#include <pthread.h>
#include <stdint.h>

static void *open_it(const char *library) {
  void *h = dlopen(library, RTLD_NOW | RTLD_RELOADABLE | RTLD_GLOBAL);
  NEED(h);
  return h;
}

static const char *name_at(const void *addr) {
  Dl_info i;
  NEED(dladdr(addr, &i));
  return i.dli_sname ? i.dli_sname : "";
}

/* One symbol gets another name, by tables in memory that was .bss. */
static void rename_to(void *h, int slot, const char *from, const char *to) {
  char *where = (char *)get(h, "room") + slot * (128 << 10);
  struct tables t = make_tables(h, where, from, to);
  install(h, &t);
}

/* libc reads the tables by itself. */
static bool is_known_to_libc(void *addr, const char *name) {
  void *in = (char *)addr + 1;
  char **text = backtrace_symbols(&in, 1), what[64];
  sprintf(what, "(%s+0x1)", name);
  bool is = text && strstr(text[0], what);
  if (!is && text)
    printf("%s\n", text[0]);
  free(text);
  return is;
}

static int renames(const char *library, const char *user) {
  void *h = open_it(library), *alpha = get(h, "alpha"), *room = get(h, "room");
  struct link_map before = *map_of(h);
  char original[4096], path[4096];
  strcpy(original, before.l_name);
  strcpy(path, path_of(h));
  NEED(is_known_to_libc(alpha, "alpha"));
  NEED(!dlopen(user, RTLD_NOW) && dlerror());
  rename_to(h, 0, "alpha", "omega");
  NEED(dlsym(h, "alpha") == alpha && !dlsym(h, "omega")); /* not yet */
  NEED(ldx_reload(h) == 0);
  NEED(dlsym(h, "omega") == alpha && !dlsym(h, "alpha") && !strcmp(name_at(alpha), "omega"));
  NEED(is_known_to_libc(alpha, "omega"));
  NEED(dlsym(RTLD_DEFAULT, "omega") == alpha && get(h, "room") == room && call(h, "stays") == 4);
  struct link_map after = *map_of(h);
  NEED(after.l_addr == before.l_addr && after.l_ld == before.l_ld && after.l_next == before.l_next);
  NEED(!strcmp(after.l_name, path) && !strcmp(path_of(h), path));
  NEED(dlopen(original, RTLD_NOW | RTLD_NOLOAD) == h && dlopen("libreload.so", RTLD_NOW | RTLD_NOLOAD) == h);
  void *u = dlopen(user, RTLD_NOW);
  NEED(u && call(u, "use") == 1);
  printf("%s\n", path);
  wait_for_line();
  rename_to(h, 1, "omega", "psi");
  NEED(ldx_reload(h) == 0 && dlsym(h, "psi") == alpha && !dlsym(h, "omega") && call(u, "use") == 1);
  rename_to(h, 2, "psi", "alpha");
  NEED(ldx_reload(h) == 0 && dlsym(h, "alpha") == alpha && !strcmp(name_at(alpha), "alpha"));
  NEED(!strcmp(map_of(h)->l_name, path)); /* of two names, in turn */
  return 0;
}

/* A function that had no name outside gets one. */
static int adds(const char *library) {
  void *h = open_it(library);
  int (*local)(int) = (int (*)(int))get(h, "calls_local");
  void *code = *(void **)get(h, "local_function_pointer");
  struct tables t = make_tables(h, get(h, "room"), "", "added");
  add_symbol(&t, "added", (uintptr_t)code - map_of(h)->l_addr);
  install(h, &t);
  NEED(!dlsym(h, "added") && ldx_reload(h) == 0);
  NEED(dlsym(h, "added") == code && ((int (*)(int))code)(5) == 6 && local(5) == 7);
  NEED(!strcmp(name_at(code), "added") && is_known_to_libc(code, "added"));
  return 0;
}

static int versions(const char *library) {
  void *h = open_it(library), *alpha = dlvsym(h, "alpha", "ONE");
  NEED(alpha && !dlvsym(h, "omega", "ONE"));
  rename_to(h, 0, "alpha", "omega");
  NEED(ldx_reload(h) == 0);
  NEED(dlvsym(h, "omega", "ONE") == alpha && !dlvsym(h, "omega", "TWO") && !dlvsym(h, "alpha", "ONE"));
  NEED(dlsym(h, "omega") == alpha);
  return 0;
}

/* Another name for the bucket that the old one is in. */
static void find_name(const char *old, uint32_t buckets, char *out) {
  uint32_t bucket = sysv_hash(old) % buckets;
  size_t last = strlen(old) - 1;
  strcpy(out, old);
  for (char a = 'a'; a <= 'z'; a++)
    for (char b = 'a'; b <= 'z'; b++) {
      out[0] = a;
      out[last] = b;
      if (strcmp(out, old) && sysv_hash(out) % buckets == bucket)
        return;
    }
  NEED(!"a name of the same bucket");
}

/* A name is changed where it is. */
static int in_place(const char *library) {
  void *h = open_it(library), *alpha = get(h, "alpha");
  char *strings = table_of(h, DT_STRTAB), name[8];
  uint32_t *hash = table_of(h, DT_HASH);
  size_t size = entry(h, DT_STRSZ)->d_un.d_val;
  char *at = memmem(strings, size, "\0alpha", 7);
  NEED(at++);
  find_name("alpha", hash[0], name);
  strcpy(writable(h, at), name);
  NEED(!strcmp(at, name));
  NEED(ldx_reload(h) == 0);
  NEED(dlsym(h, name) == alpha && !dlsym(h, "alpha") && !strcmp(name_at(alpha), name));
  memset(writable(h, memmem(strings, size, "libreload.so", 12)), 'x', 3); /* names that it is known by stay */
  NEED(dlopen("libreload.so", RTLD_NOW | RTLD_NOLOAD) == h && !dlopen("xxxreload.so", RTLD_NOW | RTLD_NOLOAD));
  return 0;
}

static char *protection_at(const void *addr, char line[5000]) {
  FILE *maps = fopen("/proc/self/maps", "r");
  unsigned long low, high;
  while (fgets(line, 5000, maps))
    if (sscanf(line, "%lx-%lx", &low, &high) == 2 && (unsigned long)addr >= low && (unsigned long)addr < high) {
      fclose(maps);
      return strchr(line, ' ') + 1;
    }
  fclose(maps);
  return NULL;
}

static int aliases(const char *library) {
  char line[5000];
  void *h = open_it(library), *gamma = get(h, "gamma_"), *out;
  unsigned char *code = memchr(gamma, 3, 16), *view = writable(h, gamma);
  NEED(code && call(h, "gamma_") == 3);
  NEED(!strncmp(protection_at(gamma, line), "r-xp", 4) && !strncmp(protection_at(view, line), "rw-s", 4));
  NEED(!strncmp(protection_at(get(h, "counter"), line), "rw-s", 4));
  NEED(!strncmp(protection_at(map_of(h)->l_ld, line), "r--p", 4)); /* as loaders leave it */
  view[code - (unsigned char *)gamma] = 33;
  NEED(call(h, "gamma_") == 33);
  NEED(writable(h, gamma) == view);
  NEED(ldx_reload_alias(h, &line, &out) == -EINVAL && dlerror());
  NEED(ldx_reload_alias(h, (void *)(map_of(h)->l_addr - 1), &out) == -EINVAL && dlerror());
  NEED(ldx_reload(h) == 0 && call(h, "gamma_") == 33 && !protection_at(view, line));
  printf("%lx\n", (unsigned long)view - (unsigned long)gamma);
  return 0;
}

/* --- readers meanwhile --- */

struct search {
  void *handle, *stays, *alpha;
  volatile int stop;
  long found;
};

static void *search(void *arg) {
  struct search *s = arg;
  while (!s->stop) {
    NEED(dlsym(s->handle, "stays") == s->stays);
    const char *name = name_at(s->alpha);
    NEED(!strcmp(name, "alpha") || !strcmp(name, "first") || !strcmp(name, "second"));
    void *p = dlsym(s->handle, "first");
    NEED(!p || p == s->alpha);
    __atomic_add_fetch(&s->found, 1, __ATOMIC_RELAXED);
  }
  return NULL;
}

static int threads(const char *library) {
  enum { THREADS = 3, ROUNDS = 400 };
  void *h = open_it(library);
  struct search s = {.handle = h, .stays = get(h, "stays"), .alpha = get(h, "alpha")};
  char *room = get(h, "room");
  struct tables first = make_tables(h, room, "alpha", "first");
  struct tables second = make_tables(h, room + (128 << 10), "alpha", "second");
  pthread_t th[THREADS];
  for (int i = 0; i < THREADS; i++)
    NEED(pthread_create(&th[i], NULL, search, &s) == 0);
  for (int i = 0; i < ROUNDS || s.found < 1000; i++) {
    install(h, i % 2 ? &second : &first);
    NEED(ldx_reload(h) == 0);
    NEED(dlsym(h, i % 2 ? "second" : "first") == s.alpha && !dlsym(h, i % 2 ? "first" : "second"));
  }
  s.stop = 1;
  for (int i = 0; i < THREADS; i++)
    pthread_join(th[i], NULL);
  return 0;
}

/* --- damaged tables --- */

static void refuse(void *h, const char *what) {
  int r = ldx_reload(h);
  const char *why = dlerror();
  if (r != -ENOEXEC || !why || !strstr(why, "libreload"))
    printf("%s: %d %s\n", what, r, why ? why : "");
  NEED(r == -ENOEXEC);
  NEED(call(h, "alpha") == 1 && call(h, "stays") == 4 && !dlsym(h, "omega"));
}

static void refuse_value(void *h, long tag, uint64_t value) {
  Elf64_Dyn *d = entry(h, tag), was;
  char what[64];
  if (!d)
    return;
  was = *(Elf64_Dyn *)writable(h, d);
  sprintf(what, "tag %#lx value %#lx", tag, (unsigned long)value);
  set_entry(h, d, tag, value);
  refuse(h, what);
  *(Elf64_Dyn *)writable(h, d) = was;
}

static void refuse_word(void *h, uint32_t *at, uint32_t value) {
  uint32_t was = *at, *w = writable(h, at);
  *w = value;
  refuse(h, "word");
  *w = was;
}

static int damaged(const char *library) {
  void *h = open_it(library);
  static const uint64_t far[] = {~0ull, 1ull << 46, 0x7ffffffffff8};
  static const long tables[] = {DT_STRTAB, DT_SYMTAB, DT_VERSYM, DT_VERDEF};
  for (size_t i = 0; i < 3; i++)
    for (size_t k = 0; k < 4; k++)
      refuse_value(h, tables[k], far[i]);
  refuse_value(h, DT_SYMTAB, ((Elf64_Dyn *)writable(h, entry(h, DT_SYMTAB)))->d_un.d_ptr + 1);
  refuse_value(h, DT_SYMENT, 23);
  refuse_value(h, DT_STRSZ, 0);
  refuse_value(h, DT_STRSZ, ~0ull);
  refuse_value(h, DT_STRSZ, entry(h, DT_STRSZ)->d_un.d_val - 1 - strlen("built"));
  refuse_value(h, DT_RELASZ, 7);
  refuse_value(h, DT_INIT, ~7ull);
  refuse_value(h, entry(h, DT_GNU_HASH) ? DT_GNU_HASH : DT_HASH, ~7ull);
  uint32_t *hash = table_of(h, entry(h, DT_GNU_HASH) ? DT_GNU_HASH : DT_HASH);
  refuse_word(h, &hash[0], 0);
  refuse_word(h, &hash[0], ~0u);
  refuse_word(h, entry(h, DT_GNU_HASH) ? &hash[2] : &hash[1], ~0u);
  if (entry(h, DT_GNU_HASH))
    refuse_word(h, &hash[3], 77);
  NEED(ldx_reload(h) == 0 && call(h, "alpha") == 1);
  return 0;
}

/* Tables of random bytes: refused or not, nothing is touched that is not the object's. */
static uint64_t next_random(uint64_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return *state;
}

static void look_around(void *h, void *in) {
  static const char *const names[] = {"alpha", "stays", "omega", "room", "", "_ITM_none"};
  Dl_info i;
  for (size_t k = 0; k < sizeof names / sizeof *names; k++)
    dlsym(h, names[k]);
  dlvsym(h, "alpha", "ONE");
  dladdr(in, &i);
  dlerror();
}

static int random_tables(const char *library) {
  enum { ROUNDS = 3000, SLOT = 128 << 10 };
  void *h = open_it(library), *alpha = get(h, "alpha");
  char *room = get(h, "room"), *work = room + 2 * SLOT;
  struct tables sound = make_tables(h, room, "alpha", "omega");
  struct tables model = make_tables(h, room + SLOT, "alpha", "omega");
  struct tables t = make_tables(h, work, "alpha", "omega");
  size_t size = (size_t)(t.strings + t.strings_size - work);
  uint64_t state = 88172645463325252ull;
  int accepted = 0, refused = 0;
  for (int i = 0; i < ROUNDS; i++) {
    install(h, &sound); /* what is searched is never changed */
    NEED(ldx_reload(h) == 0 && dlsym(h, "omega") == alpha);
    memcpy(work, model.symbols, size);
    for (int k = 0; k < 4; k++) {
      uint64_t r = next_random(&state);
      work[r % size] = (char)(r >> 32);
    }
    if (i % 4 == 0)
      t.hash[next_random(&state) % 4] = (uint32_t)next_random(&state);
    install(h, &t);
    int r = ldx_reload(h);
    NEED(r == 0 || r == -ENOEXEC);
    accepted += r == 0;
    refused += r != 0;
    look_around(h, alpha);
  }
  NEED(accepted > 100 && refused > 100);
  return 0;
}

int main(int argc, char **argv) {
  const char *mode = argv[1], *library = argc > 2 ? argv[2] : NULL;
#define MODE(name, does)                                                                                             \
  if (!strcmp(mode, name))                                                                                           \
    return does;
  MODE("renames", renames(library, argv[3]))
  MODE("adds", adds(library))
  MODE("versions", versions(library))
  MODE("in-place", in_place(library))
  MODE("aliases", aliases(library))
  MODE("threads", threads(library))
  MODE("damaged", damaged(library))
  MODE("random", random_tables(library))
  return 2;
}
