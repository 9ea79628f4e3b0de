// What dlmopen() does under the system loader too: told, and compared.  ./plain TOPIC
#include "check.h"

static void state(const char *what, struct link_map *map) {
  tell("%s:", what);
  for (map = list_of(map); map; map = map->l_next) {
    const char *base = base_name(map->l_name);
    if (strncmp(base, "libns-", 6) == 0 || strcmp(base, "(program)") == 0)
      tell(" %s", base);
  }
  tell("\n");
}

static void attempt(const char *what, Lmid_t ns, const char *name, int mode) {
  void *handle = dlmopen(ns, name, mode);
  tell("%s: %s", what, handle ? "ok" : why());
  if (handle)
    tell(", namespace %ld", (long)namespace_of(handle));
  tell("\n");
}

static void numbers(void) {
  void *handles[8]; // more than this the system loader's static TLS does not hold
  for (int i = 0; i < 8; i++) {
    handles[i] = OPEN(LM_ID_NEWLM, "./libns-one.so", RTLD_NOW);
    tell("namespace %ld\n", (long)namespace_of(handles[i]));
  }
  static const int order[] = {3, 7, 1, 0, 5};
  for (int i = 0; i < 5; i++)
    tell("close %d\n", dlclose(handles[order[i]]));
  for (int i = 0; i < 3; i++) {
    handles[order[i]] = OPEN(LM_ID_NEWLM, "./libns-one.so", RTLD_NOW);
    tell("again namespace %ld, value %d\n", (long)namespace_of(handles[order[i]]),
         FIND(handles[order[i]], int (*)(void), "bump")());
  }
}

static void refused(void) {
  attempt("-2", -2, "./libns-one.so", RTLD_NOW);
  attempt("-77", -77, "./libns-one.so", RTLD_NOW);
  attempt("1", 1, "./libns-one.so", RTLD_NOW);
  attempt("15", 15, "./libns-one.so", RTLD_NOW);
  attempt("16", 16, "./libns-one.so", RTLD_NOW);
  attempt("1000000", 1000000, "./libns-one.so", RTLD_NOW);
  attempt("no name in the base", LM_ID_BASE, NULL, RTLD_NOW);
  attempt("empty name in the base", LM_ID_BASE, "", RTLD_NOW);
  attempt("no name in a new one", LM_ID_NEWLM, NULL, RTLD_NOW);
  attempt("no name in no one", 9, NULL, RTLD_NOW);
  attempt("no mode", LM_ID_NEWLM, "./libns-one.so", 0);
  attempt("no mode in the base", LM_ID_BASE, "./libns-one.so", 0);
  attempt("unknown mode", LM_ID_NEWLM, "./libns-one.so", RTLD_NOW | 0x800000);
  attempt("missing", LM_ID_NEWLM, "./libns-none.so", RTLD_NOW);
  attempt("not loaded yet", LM_ID_NEWLM, "./libns-one.so", RTLD_NOW | RTLD_NOLOAD);
  attempt("undefined symbol", LM_ID_NEWLM, "./libns-wants.so", RTLD_NOW);
  attempt("the program", LM_ID_NEWLM, "./plain", RTLD_NOW);
  void *first = OPEN(LM_ID_NEWLM, "./libns-one.so", RTLD_NOW);
  tell("after all that, namespace %ld\n", (long)namespace_of(first));
  attempt("there", namespace_of(first), "./libns-one.so", RTLD_NOW | RTLD_NOLOAD);
  attempt("not there", namespace_of(first), "./libns-two.so", RTLD_NOW | RTLD_NOLOAD);
  attempt("missing there", namespace_of(first), "./libns-none.so", RTLD_NOW);
  attempt("undefined there", namespace_of(first), "./libns-wants.so", RTLD_NOW);
  state("objects", first);
}

static void isolation(void) {
  void *base = OPEN(LM_ID_BASE, "./libns-one.so", RTLD_NOW | RTLD_GLOBAL), *handles[3];
  for (int i = 0; i < 3; i++) {
    handles[i] = OPEN(LM_ID_NEWLM, "./libns-one.so", RTLD_NOW);
    void *more = OPEN(namespace_of(handles[i]), "./libns-two.so", RTLD_NOW);
    tell("same object %d, more %d\n", handles[i] == base, namespace_of(more) == namespace_of(handles[i]));
    for (int bumps = 0; bumps <= i; bumps++)
      FIND(handles[i], int (*)(void), "bump")();
    *FIND(handles[i], int *, "local") += i;
    void *(*default_symbol)(const char *) = FIND(handles[i], void *(*)(const char *), "default_symbol");
    tell("default finds value %d, two's given %d, main %d\n", default_symbol("value") != NULL,
         default_symbol("given") != NULL, default_symbol("main") != NULL);
    tell("from more: %s %d\n", FIND(more, const char *(*)(void), "name")(),
         FIND(more, void *(*)(const char *), "default_symbol")("value") != NULL);
    tell("opened again: same %d\n", dlmopen(namespace_of(handles[i]), "./libns-one.so", RTLD_NOW) == handles[i]);
  }
  tell("bumps %d", FIND(base, int (*)(void), "bump")());
  for (int i = 0; i < 3; i++)
    tell(" %d", FIND(handles[i], int (*)(void), "bump")());
  tell("\nlocals %d", *FIND(base, int *, "local"));
  for (int i = 0; i < 3; i++)
    tell(" %d", *FIND(handles[i], int *, "local"));
  tell("\ndefault in the program: %d %d\n", dlsym(RTLD_DEFAULT, "bump") == dlsym(base, "bump"),
       dlsym(RTLD_DEFAULT, "given") != NULL);
}

static void order(void) {
  tell("open:");
  void *top = OPEN(LM_ID_NEWLM, "./libns-top.so", RTLD_NOW);
  state("\nobjects", top);
  tell("in the same:");
  void *two = OPEN(namespace_of(top), "./libns-two.so", RTLD_NOW);
  state("\nobjects", top);
  tell("in another:");
  void *other = OPEN(LM_ID_NEWLM, "./libns-top.so", RTLD_NOW);
  tell("\nin the base:");
  void *base = OPEN(LM_ID_BASE, "./libns-top.so", RTLD_NOW);
  tell("\nclose:");
  tell(" %d", dlclose(top));
  state("\nobjects", two);
  tell("uses %d\n", FIND(other, int (*)(void), "uses")());
  tell("close:");
  tell(" %d\nclose in the base:", dlclose(other));
  tell(" %d\nexit:", dlclose(base));
}

static void within(void) {
  void *one = OPEN(LM_ID_NEWLM, "./libns-one.so", RTLD_NOW);
  Lmid_t ns = namespace_of(one);
  void *(*open_from_here)(const char *, int) = FIND(one, void *(*)(const char *, int), "open_from_here");
  void *(*open_in)(Lmid_t, const char *, int) = FIND(one, void *(*)(Lmid_t, const char *, int), "open_in");
  int (*close_from_here)(void *) = FIND(one, int (*)(void *), "close_from_here");
  char *(*error_from_here)(void) = FIND(one, char *(*)(void), "error_from_here");
  void *two = must(open_from_here("./libns-two.so", RTLD_NOW), "two");
  tell("stays: %d, again %d\n", namespace_of(two) == ns, dlmopen(ns, "./libns-two.so", RTLD_NOW) == two);
  tell("in the base: %d\n", dlopen("./libns-two.so", RTLD_NOW | RTLD_NOLOAD) != NULL);
  void *base = must(open_in(LM_ID_BASE, "./libns-two.so", RTLD_NOW), "base");
  tell("into the base: %ld\n", (long)namespace_of(base));
  void *another = must(open_in(LM_ID_NEWLM, "./libns-two.so", RTLD_NOW), "another");
  tell("into another: %ld\n", (long)namespace_of(another));
  void *own = must(open_in(ns, "./libns-top.so", RTLD_NOW), "own");
  tell("into its own: %ld\n", (long)namespace_of(own) - (long)ns);
  void *next = FIND(two, void *(*)(const char *), "next_symbol")("value");
  tell("next: %d\n", next != NULL);
  tell("missing: %d", open_from_here("./libns-none.so", RTLD_NOW) != NULL);
  const char *text = error_from_here();
  tell(" %s\n", text ? text : "(none)");
  void *(*find_from_here)(void *, const char *) = FIND(two, void *(*)(void *, const char *), "find_from_here");
  error_from_here = FIND(two, char *(*)(void), "error_from_here");
  tell("symbol: %d", find_from_here(one, "none") != NULL);
  text = error_from_here();
  tell(" %s\n", text ? text : "(none)");
  tell("close:");
  tell(" %d\n", close_from_here(own));
  tell("close:");
  tell(" %d %d\n", close_from_here(two), dlclose(two));
  tell("close:");
  tell(" %d\n", close_from_here(another));
  state("objects", one);
  tell("exit:");
}

static int tell_object(struct dl_phdr_info *info, size_t size, void *data) {
  (void)size, (void)data;
  if (strncmp(base_name(info->dlpi_name), "libns-", 6) == 0)
    tell(" %s", base_name(info->dlpi_name));
  return 0;
}

static void iterate(void) {
  void *one = OPEN(LM_ID_NEWLM, "./libns-one.so", RTLD_NOW), *two = OPEN(LM_ID_BASE, "./libns-two.so", RTLD_NOW);
  OPEN(namespace_of(one), "./libns-top.so", RTLD_NOW);
  tell("from the program:");
  dl_iterate_phdr(tell_object, NULL);
  tell("\nfrom the namespace:");
  FIND(one, int (*)(int (*)(struct dl_phdr_info *, size_t, void *), void *), "iterate_from_here")(tell_object, NULL);
  tell("\nfrom the base's library:");
  FIND(two, int (*)(int (*)(struct dl_phdr_info *, size_t, void *), void *), "iterate_from_here")(tell_object, NULL);
  tell("\n");
  struct dl_find_object found;
  void *code = dlsym(one, "value");
  tell("found: %d", _dl_find_object(code, &found));
  tell(" %d, map %d\n", found.dlfo_eh_frame != NULL, found.dlfo_link_map == one);
  Dl_info info;
  tell("address: %d", dladdr(code, &info));
  tell(" %s %s, map %d\n", base_name(info.dli_fname), info.dli_sname, object_of(code) == one);
}

static void infos(void) {
  void *one = OPEN(LM_ID_NEWLM, "$ORIGIN/libns-one.so", RTLD_NOW);
  char origin[4096] = "";
  struct link_map *map = NULL;
  Dl_serinfo size = {0};
  size_t module = 0;
  const ElfW(Phdr) *segments = NULL;
  tell("origin %d %s\n", dlinfo(one, RTLD_DI_ORIGIN, origin), origin);
  int result = dlinfo(one, RTLD_DI_LINKMAP, &map);
  tell("map %d %d\n", result, map == one);
  result = dlinfo(one, RTLD_DI_SERINFOSIZE, &size);
  tell("search %d %u\n", result, size.dls_cnt);
  result = dlinfo(one, RTLD_DI_TLS_MODID, &module);
  tell("TLS %d %d\n", result, module != 0);
  tell("segments %d\n", dlinfo(one, RTLD_DI_PHDR, &segments) > 3);
  tell("name %s\n", base_name(map->l_name));
}

static void modes(void) {
  void *kept = OPEN(LM_ID_NEWLM, "./libns-one.so", RTLD_NOW | RTLD_NODELETE);
  Lmid_t ns = namespace_of(kept);
  tell("close of what stays: %d\n", dlclose(kept));
  tell("there still: %d\n", dlmopen(ns, "./libns-one.so", RTLD_NOW | RTLD_NOLOAD) == kept);
  void *lazy = OPEN(LM_ID_NEWLM, "./libns-wants.so", RTLD_LAZY);
  tell("lazily: %s\n", FIND(lazy, const char *(*)(void), "name")());
  void *deep = OPEN(ns, "./libns-top.so", RTLD_NOW | RTLD_DEEPBIND);
  tell("deepbind: %d\n", FIND(deep, int (*)(void), "uses")());
  void *one = OPEN(LM_ID_NEWLM, "./libns-one.so", RTLD_NOW),
       *two = OPEN(namespace_of(one), "./libns-two.so", RTLD_NOW);
  tell("not promoted: %d\n", FIND(one, void *(*)(const char *), "default_symbol")("given") != NULL);
  (void)two;
}

int main(int argc, char **argv) {
  static const struct {
    const char *name;
    void (*run)(void);
  } topics[] = {{"numbers", numbers}, {"refused", refused}, {"isolation", isolation}, {"order", order},
                {"within", within},   {"iterate", iterate}, {"infos", infos},         {"modes", modes}};
  for (unsigned i = 0; argc > 1 && i < sizeof topics / sizeof *topics; i++)
    if (strcmp(argv[1], topics[i].name) == 0)
      return topics[i].run(), 0;
  return 2;
}
