// Checks that hold or are told, and what every test of namespaces asks.
#pragma once
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "ldx/dlfcn.h"

static int checks_done, checks_failed;

__attribute__((format(printf, 1, 2))) static inline void tell(const char *format, ...) {
  char text[4096];
  va_list args;
  va_start(args, format);
  int length = vsnprintf(text, sizeof text, format, args);
  va_end(args);
  if (length >= (int)sizeof text)
    length = sizeof text - 1;
  if (write(1, text, length) != length)
    _exit(99);
}

#define CHECK(condition)                                                                                             \
  do {                                                                                                               \
    checks_done++;                                                                                                   \
    if (!(condition)) {                                                                                              \
      checks_failed++;                                                                                               \
      tell("%s:%d: does not hold: %s\n", strrchr("/" __FILE__, '/') + 1, __LINE__, #condition);                      \
    }                                                                                                                \
  } while (0)

static inline int finish(void) {
  if (checks_done && !checks_failed)
    tell("all held\n");
  return checks_done == 0 || checks_failed;
}

static inline const char *why(void) {
  const char *text = dlerror();
  return text ? text : "(no error)";
}

static inline void *must(void *value, const char *what) {
  if (!value) {
    tell("cannot go on, %s: %s\n", what, why());
    exit(98);
  }
  return value;
}
#define OPEN(ns, name, mode) must(dlmopen(ns, name, mode), name)
#define FIND(handle, type, name) ((type)must(dlsym(handle, name), name))

static inline const char *base_name(const char *path) {
  const char *slash = path ? strrchr(path, '/') : NULL;
  return !path ? "(null)" : slash ? slash + 1 : *path ? path : "(program)";
}

static inline Lmid_t namespace_of(void *handle) {
  Lmid_t ns = -77;
  dlinfo(handle, RTLD_DI_LMID, &ns);
  return ns;
}

// The object in which an address lies: for code behind a proxy, the real one.
static inline struct link_map *object_of(const void *address) {
  Dl_info info;
  struct link_map *map = NULL;
  return dladdr1(address, &info, (void **)&map, RTLD_DL_LINKMAP) ? map : NULL;
}

static inline int is_proxy(struct link_map *map) { return object_of(map->l_ld) != map; }

static inline struct link_map *first_of(struct link_map *map) {
  while (map->l_prev)
    map = map->l_prev;
  return map;
}

// The whole list of a namespace, found from any object of it. In ldx what is no proxy does not lead back to one; but
// where there is anything else, the loader stands by a proxy.
static inline struct link_map *list_of(struct link_map *map) {
  struct link_map *loader =
      (struct link_map *)dlmopen(namespace_of(map), "ld-linux-x86-64.so.2", RTLD_LAZY | RTLD_NOLOAD);
  if (loader)
    dlclose(loader);
  else
    dlerror();
  return first_of(loader ? loader : map);
}

static inline struct link_map *named_in(struct link_map *map, const char *name) {
  for (map = list_of(map); map && strcmp(base_name(map->l_name), base_name(name)) != 0;)
    map = map->l_next;
  return map;
}

// Where the system loader always gives a namespace a libc of its own, ldx does when it is asked to.
static inline int isolate(void) { return dlsym(RTLD_DEFAULT, "dl_iterate_ns_phdr") ? RTLD_ISOLATE : 0; }

typedef int (*ns_walk)(Lmid_t, int (*)(struct dl_phdr_info *, size_t, void *), void *);
static inline ns_walk walker(void) {
  return (ns_walk)must(dlsym(RTLD_DEFAULT, "dl_iterate_ns_phdr"), "dl_iterate_ns_phdr");
}
