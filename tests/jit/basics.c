/* One object, by itself: its handle, its symbols, and what dl functions tell of it. */
#include "jit_test.h"
#include <execinfo.h>

/* --- handle and names ---------------------------------------------------------------------------------------- */

static void handle(void) {
  size_t objects = loaded_objects();
  ldx_jit *jit = make_jit("libjit-handle.so", 0);
  SAME(loaded_objects(), objects + 1);
  void *f = publish_function(jit, "answer", 42);
  CHECK(find(jit, "answer") == f);
  SAME(((function *)f)(), 42);

  void *again = dlopen("libjit-handle.so", RTLD_NOW | RTLD_NOLOAD);
  CHECK(again == (void *)jit);
  CHECK(find(again, "answer") == f);
  SAME(dlclose(again), 0);
  CHECK(find(jit, "answer") == f); /* it was opened twice */

  CHECK(found_nowhere(RTLD_DEFAULT, "answer"));
  CHECK(found_nowhere(jit, "nobody"));
  CHECK(found_nowhere(jit, "printf")); /* it depends on nothing */
  SAME(ldx_jit_delete(jit), 0);
  SAME(loaded_objects(), objects);
  CHECK(!dlopen("libjit-handle.so", RTLD_NOW | RTLD_NOLOAD));
}

static void path(void) {
  ldx_jit *jit = make_jit("libjit-path.so", 0);
  struct link_map *map = map_of(jit);
  char begin[64];
  int number = -1, fd = -1;
  snprintf(begin, sizeof begin, "/proc/%d/fd/", getpid());
  CHECK(!strncmp(map->l_name, begin, strlen(begin)));
  CHECK(sscanf(map->l_name, "/proc/%d/fd/%d", &number, &fd) == 2 && number == getpid());
  CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);

  char head[4] = "", link[256] = "";
  FILE *f = fopen(map->l_name, "r");
  CHECK(f && fread(head, 1, 4, f) == 4 && !memcmp(head, ELFMAG, SELFMAG));
  if (f)
    fclose(f);
  CHECK(readlink(map->l_name, link, sizeof link - 1) > 0 && strstr(link, "libjit-path.so"));

  void *by_path = dlopen(map->l_name, RTLD_NOW | RTLD_NOLOAD);
  CHECK(by_path == (void *)jit);
  if (by_path)
    dlclose(by_path);
  Lmid_t ns = -2;
  size_t module = 1;
  char origin[256] = "";
  CHECK(dlinfo(jit, RTLD_DI_LMID, &ns) == 0 && ns == LM_ID_BASE);
  CHECK(dlinfo(jit, RTLD_DI_TLS_MODID, &module) == 0 && module == 0);
  CHECK(dlinfo(jit, RTLD_DI_ORIGIN, origin) == 0 && !strncmp(origin, begin, strlen(begin) - 1));
  SAME(ldx_jit_delete(jit), 0);
}

static void global(void) {
  ldx_jit *jit = make_jit("libjit-global.so", LDX_JIT_GLOBAL), *other = make_jit("libjit-global2.so", LDX_JIT_GLOBAL);
  void *f = publish_function(jit, "jit_everybody", 1);
  void *late = publish_function(other, "jit_everybody", 2);
  CHECK(find(RTLD_DEFAULT, "jit_everybody") == f); /* the first one */
  CHECK(find(other, "jit_everybody") == late);
  void *program = dlopen(NULL, RTLD_NOW);
  CHECK(find(program, "jit_everybody") == f);
  SAME(ldx_jit_delete(jit), 0);
  CHECK(find(RTLD_DEFAULT, "jit_everybody") == f); /* the program, which asked for it, is bound to it for good */
  CHECK(find(other, "jit_everybody") == late);
  ldx_jit *brief = make_jit("libjit-brief.so", LDX_JIT_GLOBAL);
  publish_function(brief, "jit_brief", 4);
  SAME(ldx_jit_delete(brief), 0);
  CHECK(found_nowhere(RTLD_DEFAULT, "jit_brief"));

  /* What was loaded first goes first. */
  jit = make_jit("libjit-global3.so", LDX_JIT_GLOBAL);
  void *strlen_before = find(RTLD_DEFAULT, "strlen"), *mine = publish_function(jit, "strlen", 3);
  CHECK(find(RTLD_DEFAULT, "strlen") == strlen_before);
  CHECK(find(jit, "strlen") == mine);
}

static void stable(void) {
  ldx_jit *jit = make_jit("libjit-stable.so", LDX_JIT_GLOBAL);
  struct link_map *map = map_of(jit), before = *map;
  void *first = publish_function(jit, "first", -1);
  static void *all[10000];
  for (int i = 0; i < 10000; i++) {
    char name[32];
    snprintf(name, sizeof name, "function_%d", i);
    all[i] = returns(jit, i);
    SAME(bind_function(jit, name, all[i]), 0);
    SAME(ldx_jit_publish(jit), 0);
    if (i % 100 == 0) {
      CHECK(find(jit, name) == all[i]);
      CHECK(find(jit, "first") == first);
      void *handle = dlopen("libjit-stable.so", RTLD_NOW | RTLD_NOLOAD);
      CHECK(handle == (void *)jit);
      dlclose(handle);
    }
  }
  struct link_map *after = map_of(jit);
  CHECK(after == map && after->l_addr == before.l_addr && after->l_ld == before.l_ld &&
        !strcmp(after->l_name, before.l_name));
  for (int i = 0; i < 10000; i++) {
    char name[32];
    Dl_info info;
    snprintf(name, sizeof name, "function_%d", i);
    CHECK(find(jit, name) == all[i]);
    SAME(((function *)all[i])(), i);
    CHECK(dladdr(all[i], &info) && info.dli_saddr == all[i] && !strcmp(info.dli_sname, name));
  }
}

/* --- what is collected, and what is published ------------------------------------------------------------------ */

static void staged(void) {
  ldx_jit *jit = make_jit("libjit-staged.so", LDX_JIT_GLOBAL);
  void *a = returns(jit, 1), *b = returns(jit, 2);
  SAME(ldx_jit_publish(jit), 0); /* of nothing */
  SAME(ldx_jit_discard(jit), 0);
  SAME(bind_function(jit, "f", a), 0);
  CHECK(found_nowhere(jit, "f") && found_nowhere(RTLD_DEFAULT, "f"));
  Dl_info info;
  CHECK(dladdr(a, &info) && !info.dli_sname);
  SAME(ldx_jit_publish(jit), 0);
  CHECK(find(jit, "f") == a);

  SAME(bind_function(jit, "f", b), 0); /* again */
  CHECK(find(jit, "f") == a);
  CHECK(dladdr(a, &info) && info.dli_sname && !strcmp(info.dli_sname, "f"));
  CHECK(dladdr(b, &info) && !info.dli_sname);
  SAME(ldx_jit_publish(jit), 0);
  CHECK(find(jit, "f") == b);
  CHECK(dladdr(b, &info) && info.dli_sname && !strcmp(info.dli_sname, "f"));
  CHECK(dladdr(a, &info) && !info.dli_sname);

  SAME(ldx_jit_unbind(jit, "f", NULL), 0);
  CHECK(find(jit, "f") == b);
  SAME(ldx_jit_publish(jit), 0);
  CHECK(found_nowhere(jit, "f"));
  CHECK(dladdr(b, &info) && !info.dli_sname);
  SAME(((function *)b)(), 2); /* the block is still there */
}

static void discarded(void) {
  ldx_jit *jit = make_jit("libjit-discarded.so", 0);
  void *a = publish_function(jit, "kept", 1), *b = publish_function(jit, "removed", 2), *c = returns(jit, 3);
  SAME(bind_function(jit, "kept", c), 0);
  SAME(ldx_jit_unbind(jit, "removed", NULL), 0);
  SAME(bind_function(jit, "added", c), 0);
  SAME(ldx_jit_discard(jit), 0);
  SAME(ldx_jit_publish(jit), 0);
  CHECK(find(jit, "kept") == a);
  CHECK(find(jit, "removed") == b);
  CHECK(found_nowhere(jit, "added"));
  SAME(ldx_jit_free(jit, c), 0); /* nothing is staged in it any more */
  SAME(ldx_jit_unbind(jit, "added", NULL), -ENOENT);
}

/* The last word of a batch counts. */
static void batch(void) {
  ldx_jit *jit = make_jit("libjit-batch.so", 0);
  void *at[8];
  for (int i = 0; i < 8; i++)
    at[i] = returns(jit, i);
  SAME(bind_function(jit, "twice", at[0]), 0);
  SAME(bind_function(jit, "twice", at[1]), 0);
  SAME(bind_function(jit, "never", at[2]), 0);
  SAME(ldx_jit_unbind(jit, "never", NULL), 0);
  SAME(ldx_jit_unbind(jit, "never", NULL), -ENOENT);
  SAME(bind_function(jit, "back", at[3]), 0);
  SAME(ldx_jit_publish(jit), 0);
  CHECK(find(jit, "twice") == at[1]);
  CHECK(found_nowhere(jit, "never"));
  SAME(ldx_jit_unbind(jit, "back", NULL), 0);
  SAME(bind_function(jit, "back", at[4]), 0);
  SAME(ldx_jit_publish(jit), 0);
  CHECK(find(jit, "back") == at[4]);
  SAME(ldx_jit_unbind(jit, "twice", NULL), 0);
  SAME(ldx_jit_publish(jit), 0);
  CHECK(found_nowhere(jit, "twice"));
  SAME(ldx_jit_unbind(jit, "twice", NULL), -ENOENT);
  SAME(bind_function(jit, "twice", at[5]), 0); /* a name that was there before */
  SAME(ldx_jit_publish(jit), 0);
  CHECK(find(jit, "twice") == at[5]);
}

/* Nothing of the arguments is kept. */
static void copies(void) {
  char name[] = "a_name", version[] = "V1", object[] = "libjit-copies.so";
  ldx_jit *jit = make_jit(object, 0);
  void *f = returns(jit, 1);
  struct ldx_jit_symbol s = {
      .size = sizeof s, .name = name, .version = version, .addr = f, .bytes = 6, .type = STT_FUNC};
  SAME(ldx_jit_bind(jit, &s), 0);
  memset(&s, 0xff, sizeof s);
  memset(name, 'x', sizeof name - 1);
  memset(version, 'x', sizeof version - 1);
  memset(object, 'x', sizeof object - 1);
  SAME(ldx_jit_publish(jit), 0);
  CHECK(dlvsym(jit, "a_name", "V1") == f);
  CHECK(dlopen("libjit-copies.so", RTLD_NOLOAD | RTLD_NOW) == (void *)jit);
}

/* --- symbols of every kind ------------------------------------------------------------------------------------ */

static void types(void) {
  ldx_jit *jit = make_jit("libjit-types.so", LDX_JIT_GLOBAL);
  int *data = ldx_jit_alloc(jit, 4 * sizeof *data, 8, LDX_JIT_DATA);
  const char *text = ldx_jit_alloc(jit, 16, 1, LDX_JIT_RODATA);
  MUST(data && text);
  for (int i = 0; i < 4; i++)
    SAME(data[i], 0);
  SAME(text[0], 0);
  data[1] = 17;
  strcpy(ldx_jit_writable(jit, text), "a text");
  SAME(strcmp(text, "a text"), 0);
  SAME(bind_as(jit, "variable", NULL, data, 4 * sizeof *data, STT_OBJECT, 0), 0);
  SAME(bind_as(jit, "text", NULL, (void *)text, 7, STT_OBJECT, LDX_JIT_WEAK), 0);
  SAME(bind_as(jit, "label", NULL, &data[2], 0, STT_NOTYPE, 0), 0);
  SAME(ldx_jit_publish(jit), 0);
  CHECK(find(jit, "variable") == data);
  CHECK(find(jit, "text") == text); /* dlsym takes weak ones as any other */
  CHECK(find(RTLD_DEFAULT, "text") == text);
  CHECK(find(jit, "label") == &data[2]);
  Dl_info info;
  const ElfW(Sym) *sym = NULL;
  CHECK(dladdr1(&data[1], &info, (void **)&sym, RTLD_DL_SYMENT) && info.dli_saddr == data && sym &&
        ELF64_ST_TYPE(sym->st_info) == STT_OBJECT && ELF64_ST_BIND(sym->st_info) == STB_GLOBAL && sym->st_size == 16);
  sym = NULL;
  CHECK(dladdr1(text, &info, (void **)&sym, RTLD_DL_SYMENT) && sym && ELF64_ST_BIND(sym->st_info) == STB_WEAK);
}

static void absolute(void) {
  ldx_jit *jit = make_jit("libjit-absolute.so", LDX_JIT_GLOBAL);
  static int outside;
  SAME(bind_as(jit, "outside", NULL, &outside, sizeof outside, STT_OBJECT, 0), 0);
  SAME(bind_as(jit, "number", NULL, (void *)0x1234, 0, STT_NOTYPE, 0), 0);
  SAME(bind_as(jit, "function_of_libc", NULL, (void *)getppid, 0, STT_FUNC, 0), 0);
  SAME(ldx_jit_publish(jit), 0);
  CHECK(find(jit, "outside") == &outside);
  CHECK(find(RTLD_DEFAULT, "number") == (void *)0x1234);
  CHECK(find(jit, "function_of_libc") == (void *)getppid);
  Dl_info info;
  CHECK(dladdr(&outside, &info) && (!info.dli_sname || strcmp(info.dli_sname, "outside")));
  CHECK(dladdr((void *)getppid, &info) && info.dli_sname && strcmp(info.dli_sname, "function_of_libc"));
}

/* An indirect function's symbol leads to a resolver, which is JIT code as well. */
static void indirect(void) {
  ldx_jit *jit = make_jit("libjit-indirect.so", LDX_JIT_GLOBAL);
  void *chosen = returns(jit, 77);
  unsigned char code[] = {0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0xc3}; /* mov $chosen,%rax; ret */
  memcpy(code + 2, &chosen, 8);
  void *resolver = put_code(jit, code, sizeof code);
  SAME(bind_as(jit, "indirect", NULL, resolver, sizeof code, STT_GNU_IFUNC, 0), 0);
  SAME(ldx_jit_publish(jit), 0);
  CHECK(find(jit, "indirect") == chosen);
  CHECK(find(RTLD_DEFAULT, "indirect") == chosen);
}

static void versions(void) {
  ldx_jit *jit = make_jit("libjit-versions.so", LDX_JIT_GLOBAL);
  void *plain = returns(jit, 0), *one = returns(jit, 1), *two = returns(jit, 2), *lone = returns(jit, 3);
  SAME(bind_as(jit, "f", NULL, plain, 6, STT_FUNC, 0), 0);
  SAME(bind_as(jit, "f", "V1", one, 6, STT_FUNC, 0), 0);
  SAME(bind_as(jit, "f", "V2", two, 6, STT_FUNC, 0), 0);
  SAME(bind_as(jit, "lone", "V2", lone, 6, STT_FUNC, 0), 0);
  SAME(ldx_jit_publish(jit), 0);
  CHECK(dlvsym(jit, "f", "V1") == one);
  CHECK(dlvsym(jit, "f", "V2") == two);
  CHECK(dlvsym(RTLD_DEFAULT, "f", "V2") == two);
  CHECK(!dlvsym(jit, "lone", "V1"));
  CHECK(!dlvsym(jit, "lone", "V3"));
  CHECK(dlvsym(jit, "lone", "V2") == lone);
  CHECK(find(jit, "lone") == lone);
  CHECK(find(jit, "f") == plain);

  /* Each is a symbol of its own. */
  void *other = returns(jit, 4);
  SAME(bind_as(jit, "f", "V1", other, 6, STT_FUNC, 0), 0);
  SAME(ldx_jit_unbind(jit, "f", "V2"), 0);
  SAME(ldx_jit_unbind(jit, "f", "V3"), -ENOENT);
  SAME(ldx_jit_unbind(jit, "lone", NULL), -ENOENT);
  SAME(ldx_jit_publish(jit), 0);
  CHECK(dlvsym(jit, "f", "V1") == other);
  void *v2 = dlvsym(jit, "f", "V2");
  CHECK(!v2 || v2 == plain); /* a symbol without a version satisfies any */
  CHECK(find(jit, "f") == plain);
}

static void many_versions(void) {
  ldx_jit *jit = make_jit("libjit-many-versions.so", 0);
  enum { COUNT = 300 };
  void *at[COUNT];
  char version[32];
  for (int i = 0; i < COUNT; i++) {
    snprintf(version, sizeof version, "VERSION_%d", i);
    at[i] = returns(jit, i);
    SAME(bind_as(jit, "f", version, at[i], 6, STT_FUNC, 0), 0);
    if (i % 7 == 0)
      SAME(ldx_jit_publish(jit), 0);
  }
  SAME(ldx_jit_publish(jit), 0);
  for (int i = 0; i < COUNT; i++) {
    snprintf(version, sizeof version, "VERSION_%d", i);
    CHECK(dlvsym(jit, "f", version) == at[i]);
  }
}

static void names(void) {
  ldx_jit *jit = make_jit("libjit-names.so", LDX_JIT_GLOBAL);
  static char longest[70000];
  memset(longest, 'n', sizeof longest - 1);
  const char *all[] = {"x", "_Z1fIiEvT_", "a name with spaces", "\xc3\xa4\xff", "name@VERSION", longest};
  enum { COUNT = sizeof all / sizeof *all };
  void *at[COUNT];
  for (int i = 0; i < COUNT; i++) {
    at[i] = returns(jit, i);
    SAME(bind_function(jit, all[i], at[i]), 0);
  }
  SAME(ldx_jit_publish(jit), 0);
  for (int i = 0; i < COUNT; i++) {
    Dl_info info;
    CHECK(find(jit, all[i]) == at[i]);
    CHECK(dladdr(at[i], &info) && info.dli_sname && !strcmp(info.dli_sname, all[i]));
  }
}

/* An address that is a jump, for ever. */
static void follows(void) {
  ldx_jit *jit = make_jit("libjit-follows.so", LDX_JIT_GLOBAL);
  void *one = returns(jit, 1), *two = returns(jit, 2);
  SAME(bind_as(jit, "f", NULL, one, 6, STT_FUNC, LDX_JIT_FOLLOWS), 0);
  SAME(ldx_jit_publish(jit), 0);
  function *f = (function *)find(jit, "f");
  MUST(f);
  SAME(f(), 1);
  SAME(bind_as(jit, "f", NULL, two, 6, STT_FUNC, LDX_JIT_FOLLOWS), 0);
  SAME(f(), 1);
  SAME(ldx_jit_discard(jit), 0);
  SAME(f(), 1);
  SAME(bind_as(jit, "f", NULL, two, 6, STT_FUNC, LDX_JIT_FOLLOWS), 0);
  SAME(ldx_jit_publish(jit), 0);
  CHECK(find(jit, "f") == (void *)f);
  SAME(f(), 2);
  SAME(ldx_jit_free(jit, one), 0);
  SAME(ldx_jit_free(jit, two), -EBUSY);

  /* To code that is not the object's. */
  SAME(bind_as(jit, "f", NULL, (void *)getppid, 0, STT_FUNC, LDX_JIT_FOLLOWS), 0);
  SAME(ldx_jit_publish(jit), 0);
  SAME(f(), getppid());
  SAME(ldx_jit_free(jit, two), 0);

  /* Names of both the jump and the code. */
  void *three = returns(jit, 3);
  SAME(bind_as(jit, "f", NULL, three, 6, STT_FUNC, LDX_JIT_FOLLOWS), 0);
  SAME(ldx_jit_publish(jit), 0);
  Dl_info info;
  CHECK(dladdr((void *)f, &info) && info.dli_sname && !strcmp(info.dli_sname, "f"));

  /* Variables cannot. */
  int *data = ldx_jit_alloc(jit, 4, 4, LDX_JIT_DATA);
  CHECK(bind_as(jit, "data", NULL, data, 4, STT_OBJECT, LDX_JIT_FOLLOWS) < 0);
  SAME(ldx_jit_unbind(jit, "f", NULL), 0);
  SAME(ldx_jit_publish(jit), 0);
  CHECK(found_nowhere(jit, "f"));
  SAME(f(), 3); /* what was bound to it keeps its address */
}

/* --- what dl functions tell ---------------------------------------------------------------------------------------
 */

static void addresses(void) {
  ldx_jit *jit = make_jit("libjit-addresses.so", 0);
  char *block = ldx_jit_alloc(jit, 64, 16, LDX_JIT_CODE);
  MUST(block);
  SAME(bind_as(jit, "low", NULL, block, 16, STT_FUNC, 0), 0);
  SAME(bind_as(jit, "high", NULL, block + 32, 16, STT_FUNC, 0), 0);
  SAME(bind_as(jit, "inner", NULL, block + 40, 4, STT_FUNC, 0), 0);
  SAME(ldx_jit_publish(jit), 0);
  struct link_map *map = map_of(jit), *told = NULL;
  static const struct {
    int offset;
    const char *name; /* NULL: none */
  } wanted[] = {{0, "low"},   {15, "low"},  {16, NULL},    {31, NULL},
                {32, "high"}, {39, "high"}, {40, "inner"}, {43, "inner"}};
  for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
    Dl_info info = {0};
    CHECK(dladdr(block + wanted[i].offset, &info));
    CHECK(info.dli_fname && !strcmp(info.dli_fname, map->l_name));
    CHECK(info.dli_fbase == (void *)map->l_addr);
    const char *name = info.dli_sname;
    if (wanted[i].name ? !name || strcmp(name, wanted[i].name) : name != NULL)
      wrong(__FILE__, __LINE__, "at %d: %s", wanted[i].offset, name ? name : "(none)");
    CHECK(dladdr1(block + wanted[i].offset, &info, (void **)&told, RTLD_DL_LINKMAP) && told == map);
  }
  Dl_info info;
  void *alias = ldx_jit_writable(jit, block);
  CHECK(!dladdr(alias, &info) || strcmp(info.dli_fname, map->l_name)); /* the other view belongs to nobody */
}

struct seen {
  const void *code;
  const char *name;
  const ElfW(Phdr) * phdr;
  int count, phnum;
  bool holds, writable_code, dynamic, frames;
  unsigned long long adds, subs;
};
static int see(struct dl_phdr_info *info, size_t size, void *arg) {
  struct seen *s = arg;
  (void)size;
  s->adds = info->dlpi_adds;
  s->subs = info->dlpi_subs;
  if (strcmp(info->dlpi_name, s->name))
    return 0;
  s->count++;
  s->phdr = info->dlpi_phdr;
  s->phnum = info->dlpi_phnum;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) *p = &info->dlpi_phdr[i];
    s->holds |=
        p->p_type == PT_LOAD && p->p_flags & PF_X && (uintptr_t)s->code - info->dlpi_addr - p->p_vaddr < p->p_memsz;
    s->writable_code |= (p->p_flags & (PF_W | PF_X)) == (PF_W | PF_X);
    s->dynamic |= p->p_type == PT_DYNAMIC;
    s->frames |= p->p_type == PT_GNU_EH_FRAME;
  }
  return 0;
}

static void program_headers(void) {
  struct seen before = {.name = "?"}, s;
  dl_iterate_phdr(see, &before);
  ldx_jit *jit = make_jit("libjit-headers.so", 0);
  s = (struct seen){.code = publish_function(jit, "f", 1), .name = strdup(map_of(jit)->l_name)};
  dl_iterate_phdr(see, &s);
  SAME(s.count, 1);
  CHECK(s.phdr && s.holds && !s.writable_code && s.dynamic && s.frames);
  SAME(s.adds, before.adds + 1);
  SAME(s.subs, before.subs);
  for (int i = 0; i < 100; i++)
    publish_function(jit, "f", i);
  dl_iterate_phdr(see, &s);
  SAME(s.adds, before.adds + 1); /* it is still the same object */
  SAME(ldx_jit_delete(jit), 0);
  dl_iterate_phdr(see, &s);
  SAME(s.count, 2);
  SAME(s.subs, before.subs + 1);
}

/* A program that reads the tables by itself, as crash reporters do (gABI ch. 5, "Hash Table"). */
static unsigned long elf_hash(const char *name) {
  unsigned long h = 0, g;
  for (const unsigned char *p = (const unsigned char *)name; *p; p++) {
    h = (h << 4) + *p;
    if ((g = h & 0xf0000000))
      h ^= g >> 24;
    h &= ~g;
  }
  return h;
}
static ElfW(Addr) entry_of(const struct link_map *map, ElfW(Sxword) tag) {
  for (const ElfW(Dyn) *d = map->l_ld; d->d_tag; d++)
    if (d->d_tag == tag)
      return d->d_un.d_ptr < map->l_addr && tag != DT_SONAME && tag != DT_STRSZ ? d->d_un.d_ptr + map->l_addr
                                                                                : d->d_un.d_ptr;
  return 0;
}
static void *find_by_hand(const struct link_map *map, const char *name) {
  const uint32_t *hash = (const uint32_t *)entry_of(map, DT_HASH);
  const ElfW(Sym) *symbols = (const ElfW(Sym) *)entry_of(map, DT_SYMTAB);
  const char *strings = (const char *)entry_of(map, DT_STRTAB);
  MUST(hash && symbols && strings);
  uint32_t buckets = hash[0], chains = hash[1];
  for (uint32_t i = hash[2 + elf_hash(name) % buckets]; i; i = hash[2 + buckets + i]) {
    CHECK(i < chains);
    if (symbols[i].st_shndx && !strcmp(strings + symbols[i].st_name, name))
      return (void *)(map->l_addr + symbols[i].st_value);
  }
  return NULL;
}
static void tables(void) {
  ldx_jit *jit = make_jit("libjit-tables.so", 0);
  struct link_map *map = map_of(jit);
  CHECK(!strcmp((const char *)entry_of(map, DT_STRTAB) + entry_of(map, DT_SONAME), "libjit-tables.so"));
  for (int i = 0; i < 5000; i++) {
    char name[32];
    snprintf(name, sizeof name, "f%d", i);
    void *f = publish_function(jit, name, i);
    if (i % 97 == 0 || i < 10)
      CHECK(find_by_hand(map, name) == f);
  }
  SAME(ldx_jit_unbind(jit, "f17", NULL), 0);
  SAME(ldx_jit_publish(jit), 0);
  CHECK(!find_by_hand(map, "f17"));
  CHECK(find_by_hand(map, "f18") == find(jit, "f18"));
}

/* --- unwinding ---------------------------------------------------------------------------------------------------
 */

static void *stack[64];
static int depth;
static void take_stack(void) { depth = backtrace(stack, 64); }

static bool stack_has(const void *low, size_t size) {
  for (int i = 0; i < depth; i++)
    if ((uintptr_t)stack[i] - (uintptr_t)low < size)
      return true;
  return false;
}
static bool stack_names(const char *name) {
  char **lines = backtrace_symbols(stack, depth);
  bool found = false;
  for (int i = 0; i < depth; i++)
    found |= strstr(lines[i], name) != NULL;
  free(lines);
  return found;
}

static const unsigned char calls_argument[] = {
    0x55, 0x48, 0x89, 0xe5, /* push %rbp; mov %rsp,%rbp */
    0xff, 0xd7,             /* call *%rdi */
    0x5d, 0xc3,             /* pop %rbp; ret */
};

__attribute__((noinline)) static void call_through(void *code, void (*then)(void)) {
  ((void (*)(void (*)(void)))code)(then);
  __asm__ volatile("");
}

static void with_frame_pointer(void) {
  ldx_jit *jit = make_jit("libjit-frame.so", 0);
  void *f = put_code(jit, calls_argument, sizeof calls_argument);
  SAME(bind_as(jit, "frame_function", NULL, f, sizeof calls_argument, STT_FUNC, 0), 0);
  SAME(ldx_jit_frame(jit, f, sizeof calls_argument, LDX_JIT_FRAME_POINTER), 0);
  SAME(ldx_jit_publish(jit), 0);
  call_through(f, take_stack);
  CHECK(stack_has(f, sizeof calls_argument) && stack_has((void *)call_through, 64) &&
        stack_has((void *)with_frame_pointer, 1024));
  CHECK(stack_names("(frame_function+0x6)"));
}

/* The same with frames in the format of .eh_frame: CIE, then an FDE, pointers relative to where they lie. */
static size_t make_frames(unsigned char *out, uintptr_t where, const void *code, uint32_t size) {
  static const unsigned char cie[] = {
      20,   0, 0, 0,    0, 0, 0, 0, 1, 'z', 'R', 0, 1, 0x78, 16, 1, 0x1b, /* pcrel sdata4 */
      0x0c, 7, 8, 0x90, 1, 0, 0,                                          /* CFA = rsp + 8; rip at CFA - 8 */
  };
  static const unsigned char rules[] = {
      0x41, 0x0e, 16, 0x86, 2, /* after push: CFA = rsp + 16; rbp at CFA - 16 */
      0x43, 0x0d, 6,           /* after mov: CFA by rbp */
      0x43, 0x0c, 7,  8,       /* after pop: CFA = rsp + 8 */
      0,    0,    0,
  };
  memcpy(out, cie, sizeof cie);
  unsigned char *fde = out + sizeof cie;
  uint32_t length = 4 + 4 + 4 + 1 + sizeof rules, back = sizeof cie + 4;
  int32_t begin = (int32_t)((uintptr_t)code - (where + sizeof cie + 8));
  memcpy(fde, &length, 4);
  memcpy(fde + 4, &back, 4);
  memcpy(fde + 8, &begin, 4);
  memcpy(fde + 12, &size, 4);
  fde[16] = 0;
  memcpy(fde + 17, rules, sizeof rules);
  return sizeof cie + 4 + length;
}

static void with_frames(void) {
  ldx_jit *jit = make_jit("libjit-frames.so", 0);
  void *f = put_code(jit, calls_argument, sizeof calls_argument);
  unsigned char frames[128] = {0};
  uintptr_t where = (uintptr_t)f + 4096;
  size_t size = make_frames(frames, where, f, sizeof calls_argument);
  SAME(bind_as(jit, "frames_function", NULL, f, sizeof calls_argument, STT_FUNC, 0), 0);
  SAME(ldx_jit_frames(jit, frames, size, (void *)where), 0);
  memset(frames, 0xff, sizeof frames);
  SAME(ldx_jit_publish(jit), 0);
  call_through(f, take_stack);
  CHECK(stack_has(f, sizeof calls_argument) && stack_has((void *)call_through, 64) &&
        stack_has((void *)with_frames, 1024));
  CHECK(stack_names("(frames_function+0x6)"));

  /* The same code anew, in another place: a frame that moved is found where it is now, and only there. */
  SAME(ldx_jit_unbind(jit, "frames_function", NULL), 0);
  SAME(ldx_jit_publish(jit), 0);
  SAME(ldx_jit_free(jit, f), 0);
  ldx_jit_alloc(jit, 64, 16, LDX_JIT_CODE);
  f = put_code(jit, calls_argument, sizeof calls_argument);
  SAME(ldx_jit_frame(jit, f, sizeof calls_argument, LDX_JIT_FRAME_POINTER), 0);
  SAME(ldx_jit_publish(jit), 0);
  call_through(f, take_stack);
  CHECK(stack_has(f, sizeof calls_argument) && stack_has((void *)call_through, 64) &&
        stack_has((void *)with_frames, 1024));
}

static volatile bool leaf_seen;
static void in_leaf(int number, siginfo_t *info, void *context) {
  (void)number, (void)info, (void)context;
  take_stack();
  leaf_seen = true;
}
__attribute__((noinline)) static int call_leaf(void *f) {
  int r = ((function *)f)();
  __asm__ volatile("");
  return r;
}
static void leaf(void) {
  ldx_jit *jit = make_jit("libjit-leaf.so", 0);
  unsigned char code[] = {0xcc, 0xb8, 5, 0, 0, 0, 0xc3}; /* int3; mov $5,%eax; ret */
  struct sigaction action = {.sa_sigaction = in_leaf, .sa_flags = SA_SIGINFO};
  MUST(sigaction(SIGTRAP, &action, NULL) == 0);
  void *f = put_code(jit, code, sizeof code);
  SAME(ldx_jit_frame(jit, f, sizeof code, LDX_JIT_FRAME_LEAF), 0);
  SAME(ldx_jit_publish(jit), 0);
  void *warm[4];
  backtrace(warm, 4); /* loads libgcc_s */
  SAME(call_leaf(f), 5);
  CHECK(leaf_seen && stack_has(f, sizeof code) && stack_has((void *)call_leaf, 64) && stack_has((void *)leaf, 1024));
}

/* Many functions, whose frames come in an order of their own. */
static void many_frames(void) {
  ldx_jit *jit = make_jit("libjit-many-frames.so", 0);
  enum { COUNT = 3000 };
  static void *at[COUNT];
  for (int i = 0; i < COUNT; i++)
    at[i] = put_code(jit, calls_argument, sizeof calls_argument);
  for (int i = 0; i < COUNT; i++) {
    SAME(ldx_jit_frame(jit, at[i * 7 % COUNT], sizeof calls_argument, LDX_JIT_FRAME_POINTER), 0);
    if (i % 50 == 0) {
      SAME(ldx_jit_publish(jit), 0);
      call_through(at[i * 7 % COUNT], take_stack);
      CHECK(stack_has((void *)call_through, 64));
    }
  }
  SAME(ldx_jit_publish(jit), 0);
  for (int i = 0; i < COUNT; i += 11) {
    call_through(at[i], take_stack);
    CHECK(stack_has(at[i], sizeof calls_argument) && stack_has((void *)call_through, 64));
  }
}

/* Unwinders in other libraries ask libgcc; the jump of a symbol that follows has no frame of its own, but is code. */
static void found_by_libgcc(void) {
  struct bases {
    void *text, *data, *function;
  } bases;
  void *libgcc = dlopen("libgcc_s.so.1", RTLD_NOW);
  MUST(libgcc);
  const void *(*find_frame)(void *, struct bases *) =
      (const void *(*)(void *, struct bases *))dlsym(libgcc, "_Unwind_Find_FDE");
  MUST(find_frame);
  ldx_jit *jit = make_jit("libjit-libgcc.so", 0);
  char *f = put_code(jit, calls_argument, sizeof calls_argument), *bare = returns(jit, 1);
  CHECK(!find_frame(f + 4, &bases));
  SAME(ldx_jit_frame(jit, f, sizeof calls_argument, LDX_JIT_FRAME_POINTER), 0);
  CHECK(!find_frame(f + 4, &bases)); /* not yet published */
  SAME(bind_as(jit, "f", NULL, f, sizeof calls_argument, STT_FUNC, LDX_JIT_FOLLOWS), 0);
  SAME(ldx_jit_publish(jit), 0);
  CHECK(find_frame(f + 4, &bases) && bases.function == f);
  CHECK(find_frame(f, &bases) && find_frame(f + sizeof calls_argument - 1, &bases));
  CHECK(!find_frame(f + sizeof calls_argument, &bases));
  CHECK(!find_frame(bare, &bases));
  void *jump = find(jit, "f");
  CHECK(jump != (void *)f && find_frame(jump, &bases) && bases.function == jump);

  SAME(ldx_jit_unbind(jit, "f", NULL), 0);
  SAME(ldx_jit_publish(jit), 0);
  CHECK(find_frame(f + 4, &bases)); /* frames belong to the block */
  SAME(ldx_jit_free(jit, f), 0);
  CHECK(!find_frame(f + 4, &bases));
}

static void found_by_address(void) {
  ldx_jit *jit = make_jit("libjit-found.so", 0);
  char *f = put_code(jit, calls_argument, sizeof calls_argument);
  int *data = ldx_jit_alloc(jit, 4, 4, LDX_JIT_DATA);
  SAME(ldx_jit_frame(jit, f, sizeof calls_argument, LDX_JIT_FRAME_POINTER), 0);
  SAME(ldx_jit_publish(jit), 0);
  struct link_map *map = map_of(jit);
  struct dl_find_object o;
  const void *const inside[] = {f, f + 7, data, (void *)map->l_ld};
  for (size_t i = 0; i < sizeof inside / sizeof *inside; i++) {
    memset(&o, 0, sizeof o);
    SAME(_dl_find_object((void *)inside[i], &o), 0);
    CHECK(o.dlfo_link_map == map && (char *)o.dlfo_map_start <= f && f < (char *)o.dlfo_map_end);
    CHECK(o.dlfo_eh_frame);
  }
  SAME(_dl_find_object(ldx_jit_writable(jit, f), &o), -1);
  SAME(ldx_jit_delete(jit), 0);
  SAME(_dl_find_object(f, &o), -1);
}

CASES({"handle", handle}, {"path", path}, {"global", global}, {"stable", stable}, {"staged", staged},
      {"discarded", discarded}, {"batch", batch}, {"copies", copies}, {"types", types}, {"absolute", absolute},
      {"indirect", indirect}, {"versions", versions}, {"many-versions", many_versions}, {"names", names},
      {"follows", follows}, {"addresses", addresses}, {"program-headers", program_headers}, {"tables", tables},
      {"with-frame-pointer", with_frame_pointer}, {"with-frames", with_frames}, {"leaf", leaf},
      {"many-frames", many_frames}, {"found-by-libgcc", found_by_libgcc}, {"found-by-address", found_by_address})
