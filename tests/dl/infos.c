// dlinfo(): every request, of every kind of object.
#include "tell.h"
#include <pthread.h>

static void tell_search(void *handle) {
  Dl_serinfo size = {0};
  int result = dlinfo(handle, RTLD_DI_SERINFOSIZE, &size);
  Dl_serinfo *all = calloc(1, size.dls_size + 1000);
  tell("  search %d: %u folders, %zu bytes", result, size.dls_cnt, size.dls_size);
  *all = size;
  tell(", %d\n", dlinfo(handle, RTLD_DI_SERINFO, all));
  for (unsigned i = 0; i < all->dls_cnt; i++)
    tell("    %s %u\n", all->dls_serpath[i].dls_name, all->dls_serpath[i].dls_flags);
  free(all);
}

static void tell_tls(void *handle) {
  size_t module = 77;
  void *block = &module;
  int results[] = {dlinfo(handle, RTLD_DI_TLS_MODID, &module), dlinfo(handle, RTLD_DI_TLS_DATA, &block)};
  tell("  TLS %d %d: module %s, block %s\n", results[0], results[1], module ? "some" : "none",
       block ? "some" : "none");
}

static void *in_thread(void *handle) {
  tell("in a thread:\n");
  tell_tls(handle);
  int *data = dlsym(handle, "tls_data");
  tell("  after the first use:\n");
  tell_tls(handle);
  void *block = NULL;
  dlinfo(handle, RTLD_DI_TLS_DATA, &block);
  tell("  within the block: %d\n", data && (char *)data >= (char *)block && (char *)data < (char *)block + 4096);
  return NULL;
}

static void tell_all(const char *what, void *handle) {
  struct link_map *map = NULL;
  Lmid_t namespace = 77;
  char origin[4096] = "-";
  const ElfW(Phdr) *segments = NULL;
  tell("%s:\n", what);
  int map_result = dlinfo(handle, RTLD_DI_LINKMAP, &map), namespace_result = dlinfo(handle, RTLD_DI_LMID, &namespace);
  tell("  map %d %s %d, namespace %d %ld\n", map_result, map ? base_name(map->l_name) : "-", (void *)map == handle,
       namespace_result, namespace);
  int result = dlinfo(handle, RTLD_DI_ORIGIN, origin);
  tell("  origin %d %s\n", result, origin);
  result = dlinfo(handle, RTLD_DI_PHDR, &segments);
  int dynamic = 0;
  for (int i = 0; i < result; i++)
    dynamic += segments[i].p_type == PT_DYNAMIC && map->l_addr + segments[i].p_vaddr == (ElfW(Addr))map->l_ld;
  tell("  segments %d, dynamic %d\n", result, dynamic);
  tell_search(handle);
  tell_tls(handle);
}

static void tell_refused(void *handle) {
  char room[8192];
  static const struct {
    int request;
    const char *name;
  } requests[] = {{RTLD_DI_CONFIGADDR, "CONFIGADDR"},
                  {RTLD_DI_PROFILENAME, "PROFILENAME"},
                  {RTLD_DI_PROFILEOUT, "PROFILEOUT"},
                  {0, "0"},
                  {-1, "-1"},
                  {12, "12"},
                  {999, "999"}};
  for (unsigned i = 0; i < sizeof requests / sizeof *requests; i++) {
    int result = dlinfo(handle, requests[i].request, room);
    tell("%d ", result);
    tell_why_twice(requests[i].name);
  }
  dlerror();
  dlinfo(handle, RTLD_DI_LMID, room);
  tell("after success: %s\n", why());
}

int main(void) {
  void *program = dlopen(NULL, RTLD_LAZY);
  void *handle = must_open("./libdl-symbols.so", RTLD_LAZY), *plain = must_open("./libdl-a.so", RTLD_LAZY);
  void *absolute = must_open("$ORIGIN/x/libdl-b.so", RTLD_LAZY), *libc = must_open("libc.so.6", RTLD_LAZY);
  tell_all("program", program);
  tell_all("library with TLS", handle);
  *(int *)must_find(handle, "tls_data") = 1;
  tell_all("the same, used", handle);
  tell_all("library without", plain);
  tell_all("library of a folder", absolute);
  tell_all("libc", libc);
  pthread_t thread;
  pthread_create(&thread, NULL, in_thread, handle);
  pthread_join(thread, NULL);
  tell_refused(plain);
}
