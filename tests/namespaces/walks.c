// dl_iterate_ns_phdr(), and dl_iterate_phdr() besides it.
#include "check.h"

struct seen {
  int count, ours, duplicates, sizes;
  ElfW(Addr) addresses[200];
  char names[4000];
};

static int see(struct dl_phdr_info *info, size_t size, void *data) {
  struct seen *s = data;
  for (int i = 0; i < s->count; i++)
    s->duplicates += s->addresses[i] == info->dlpi_addr && info->dlpi_addr;
  s->addresses[s->count++ % 200] = info->dlpi_addr;
  s->sizes += size == sizeof *info;
  s->ours += strncmp(base_name(info->dlpi_name), "libns-", 6) == 0;
  strcat(strcat(s->names, " "), base_name(info->dlpi_name));
  return 0;
}

static struct seen walk(Lmid_t ns) {
  struct seen s = {0};
  CHECK(walker()(ns, see, &s) == 0);
  CHECK(s.count > 0 && s.sizes == s.count && s.duplicates == 0);
  return s;
}

static int stop(struct dl_phdr_info *info, size_t size, void *data) {
  (void)info, (void)size;
  return ++*(int *)data == 1 ? 42 : 0;
}

static int never(struct dl_phdr_info *info, size_t size, void *data) {
  (void)info, (void)size;
  ++*(int *)data;
  return 0;
}

static int open_more(struct dl_phdr_info *info, size_t size, void *data) {
  (void)info, (void)size;
  void **opened = data;
  if (!*opened)
    *opened = dlmopen(LM_ID_NEWLM, "./libns-two.so", RTLD_NOW);
  return 0;
}

int main(void) {
  CHECK(dl_iterate_ns_phdr == walker()); // a weak reference finds it too
  void *one = OPEN(LM_ID_NEWLM, "./libns-one.so", RTLD_NOW), *top = OPEN(LM_ID_NEWLM, "./libns-top.so", RTLD_NOW);
  struct seen base = walk(LM_ID_BASE), plain = {0}, first = walk(namespace_of(one)), second = walk(namespace_of(top));
  dl_iterate_phdr(see, &plain);
  CHECK(plain.count == base.count && strcmp(plain.names, base.names) == 0);
  CHECK(memcmp(plain.addresses, base.addresses, sizeof plain.addresses) == 0);
  CHECK(base.ours == 0);
  CHECK(first.ours == 1 && strstr(first.names, "libns-one.so"));
  CHECK(second.ours == 2 && strstr(second.names, "libns-top.so") && strstr(second.names, "libns-two.so"));
  // From within, the plain one means the caller's namespace.
  struct seen within = {0};
  FIND(top, int (*)(int (*)(struct dl_phdr_info *, size_t, void *), void *), "iterate_from_here")(see, &within);
  CHECK(strcmp(within.names, second.names) == 0);
  int calls = 0;
  CHECK(walker()(namespace_of(top), stop, &calls) == 42 && calls == 1);
  static const Lmid_t none[] = {-1, -2, 3, 16, 1000000};
  for (unsigned i = 0; i < sizeof none / sizeof *none; i++) {
    calls = 0;
    CHECK(walker()(none[i], never, &calls) == -1 && calls == 0);
  }
  void *opened = NULL;
  CHECK(walker()(namespace_of(one), open_more, &opened) == 0 && opened != NULL);
  CHECK(walk(namespace_of(opened)).ours == 1);
  Lmid_t gone = namespace_of(opened);
  CHECK(dlclose(opened) == 0);
  calls = 0;
  CHECK(walker()(gone, never, &calls) == -1 && calls == 0);
  OPEN(namespace_of(one), "./libns-two.so", RTLD_NOW);
  CHECK(walk(namespace_of(one)).ours == 2);
  struct seen isolated = walk(namespace_of(OPEN(LM_ID_NEWLM, "./libns-one.so", RTLD_NOW | RTLD_ISOLATE)));
  CHECK(strstr(isolated.names, "libc.so.6") && isolated.ours == 1);
  return finish();
}
