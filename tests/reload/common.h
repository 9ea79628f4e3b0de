/* What the programs of this folder share: errors end them with a line. */
#ifndef COMMON_H
#define COMMON_H

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <link.h>
#include <ldx/dlfcn.h>
#include <ldx/reload.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define NEED(condition)                                                                                              \
  do                                                                                                                 \
    if (!(condition)) {                                                                                              \
      const char *why_ = dlerror();                                                                                  \
      printf("%s:%d: not so: %s (%s)\n", __FILE__, __LINE__, #condition, why_ ? why_ : "");                          \
      fflush(stdout);                                                                                                \
      _exit(1);                                                                                                      \
    }                                                                                                                \
  while (0)

static inline void *get(void *handle, const char *name) {
  void *p = dlsym(handle, name);
  NEED(p);
  return p;
}

static inline int call(void *handle, const char *name) { return ((int (*)(void))get(handle, name))(); }

static inline struct link_map *map_of(void *handle) {
  struct link_map *m;
  NEED(dlinfo(handle, RTLD_DI_LINKMAP, &m) == 0);
  return m;
}

static inline const char *path_of(void *handle) {
  static char path[4096];
  NEED(ldx_reload_path(handle, path, sizeof path) > 0);
  return path;
}

static inline Elf64_Dyn *entry(void *handle, long tag) {
  for (Elf64_Dyn *d = map_of(handle)->l_ld; d->d_tag; d++)
    if (d->d_tag == tag)
      return d;
  return NULL;
}

/* Where the object's tables lie; musl leaves link-time addresses. */
static inline void *table_of(void *handle, long tag) {
  uintptr_t base = map_of(handle)->l_addr, at = entry(handle, tag)->d_un.d_ptr;
  return (void *)(at < base ? at + base : at);
}

/* The byte at p, where it can be written. */
static inline void *writable(void *handle, const void *p) {
  void *out = NULL;
  NEED(ldx_reload_alias(handle, p, &out) == 0);
  NEED(out && out != p);
  return out;
}

static inline void wait_for_line(void) {
  char line[16];
  fflush(stdout);
  if (!fgets(line, sizeof line, stdin))
    _exit(3);
}

#endif
