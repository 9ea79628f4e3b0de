// Without flags, every namespace uses the one libc of the process: allocator, errno, streams, keys, locale, threads.
#include "check.h"
#include <locale.h>

static int called;
static void call_back(void) { called++; }

static void one_libc(void *one, void *two) {
  CHECK(FIND(one, void *(*)(void), "address_of_free")() == (void *)free);
  CHECK(FIND(two, void *(*)(void), "address_of_free")() == (void *)free);
  CHECK(FIND(one, int *(*)(void), "address_of_errno")() == &errno);
  CHECK(FIND(one, FILE * (*)(void), "output")() == stdout);
  CHECK(FIND(one, pthread_t(*)(void), "self")() == pthread_self());
  struct link_map *libc = named_in(one, "libc.so.6");
  CHECK(libc && is_proxy(libc) && namespace_of(libc) == namespace_of(one));
  CHECK(libc && libc->l_addr == object_of((void *)free)->l_addr);
  CHECK(dlmopen(namespace_of(one), "libc.so.6", RTLD_LAZY | RTLD_NOLOAD) == libc);
  CHECK(dlsym(libc, "free") == (void *)free);
  CHECK(dlvsym(libc, "memcpy", "GLIBC_2.14") == dlvsym(RTLD_DEFAULT, "memcpy", "GLIBC_2.14"));
}

static void across(void *one, void *two) {
  void *(*allocate)(size_t) = FIND(one, void *(*)(size_t), "allocate");
  void (*release)(void *) = FIND(two, void (*)(void *), "release");
  for (int i = 0; i < 1000; i++) {
    char *block = allocate(i * 37 + 1), *more = malloc(i * 11 + 1);
    memset(block, i, i * 37 + 1);
    if (i & 1)
      free(block), release(more);
    else
      release(block), free(more);
  }
  CHECK(setlocale(LC_ALL, "C") != NULL && FIND(one, const char *(*)(const char *), "set_locale")("C.UTF-8") != NULL);
  CHECK(strcmp(setlocale(LC_ALL, NULL), "C.UTF-8") == 0);
  pthread_key_t *key = FIND(one, pthread_key_t * (*)(void), "key")();
  CHECK(key && pthread_setspecific(*key, one) == 0 && pthread_getspecific(*key) == one);
  pthread_key_t *other = FIND(two, pthread_key_t * (*)(void), "key")();
  CHECK(other && *other != *key);
  setenv("SEEN_EVERYWHERE", "yes", 1);
  CHECK(strcmp(FIND(one, char *(*)(const char *), "getenv")("SEEN_EVERYWHERE"), "yes") == 0);
}

static void threads(void *one, void *two) {
  CHECK(FIND(one, int (*)(void (*)(void)), "in_thread")(call_back) == 1);
  CHECK(FIND(two, int (*)(void (*)(void)), "in_thread")(call_back) == 1);
  CHECK(called == 2);
  errno = 3;
  *FIND(two, int *(*)(void), "address_of_errno")() = 4;
  CHECK(errno == 4);
}

// The libc's own group, and no other library, is shared. What a library of the namespace needs of it is there.
static void group(void *one) {
  static const char *names[] = {"libpthread.so.0", "libdl.so.2", "librt.so.1", "libm.so.6"};
  for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
    struct link_map *map = dlmopen(namespace_of(one), names[i], RTLD_NOW);
    CHECK(map != NULL);
    if (map && i < 3)
      CHECK(is_proxy(map));
  }
  struct link_map *loader = NULL;
  for (struct link_map *map = list_of(one); map; map = map->l_next)
    if (strstr(base_name(map->l_name), "ld-linux") || strstr(base_name(map->l_name), "ldx"))
      loader = map;
  CHECK(!loader || is_proxy(loader));
}

// Private libraries are private: one's state is not the other's.
static void own(void *one, void *two, void *base) {
  CHECK(FIND(one, int (*)(void), "bump")() == 1);
  CHECK(FIND(one, int (*)(void), "bump")() == 2);
  CHECK(FIND(two, int (*)(void), "bump")() == 1);
  CHECK(FIND(base, int (*)(void), "bump")() == 1);
  CHECK(FIND(one, int *, "local") != FIND(two, int *, "local"));
  *FIND(one, int *, "local") = 9;
  CHECK(*FIND(two, int *, "local") == 5 && *FIND(base, int *, "local") == 5);
  CHECK(FIND(one, int *(*)(void), "local_address")() == FIND(one, int *, "local"));
}

int main(void) {
  void *base = OPEN(LM_ID_BASE, "./libns-one.so", RTLD_NOW);
  void *one = OPEN(LM_ID_NEWLM, "./libns-one.so", RTLD_NOW), *two = OPEN(LM_ID_NEWLM, "./libns-one.so", RTLD_NOW);
  CHECK(namespace_of(one) != namespace_of(two) && namespace_of(one) != 0);
  one_libc(one, two);
  across(one, two);
  threads(one, two);
  group(one);
  own(one, two, base);
  CHECK(dlclose(one) == 0);
  void *block = FIND(two, void *(*)(size_t), "allocate")(100);
  free(block);
  CHECK(FIND(two, int (*)(void (*)(void)), "in_thread")(call_back) == 1);
  return finish();
}
