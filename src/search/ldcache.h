/* The file that ldconfig(8) writes: a sorted list of library names and where they are. Its bytes are not
 * trusted: every offset is checked, and a damaged file only means that less is found.
 *
 * Formats: "glibc-ld.so.cache1.1", optionally behind the older "ld.so-1.7.0", or the older alone. */
#ifndef LDX_SEARCH_LDCACHE_H
#define LDX_SEARCH_LDCACHE_H

#include <sys/types.h>

#include "base/span.h"
#include "search/hwcaps.h"

struct ldx_ldcache {
  struct ldx_span file;    /* the whole file; empty when there is no usable one */
  struct ldx_span strings; /* what key and value offsets are relative to */
  struct ldx_span entries;
  uint32_t entry_size, count;
  const uint8_t *extension; /* the extension directory, checked; NULL: none */
  uint32_t section_count;

  bool current; /* mapped (or found missing) and not doubted since */
  dev_t dev;
  ino_t ino;
  int64_t size, mtime, mtime_nsec;
};

/* Finds the tables in the bytes of a cache file (8-byte aligned). False when it is not one. */
bool ldx_ldcache_parse(struct ldx_span file, struct ldx_ldcache *out);

/* Maps the file unless the mapping is current; a doubted one is kept when the file has not changed. */
struct ldx_fd_batch;
struct ldx_io;
void ldx_ldcache_load(struct ldx_ldcache *c, const char *path, struct ldx_io *io, struct ldx_fd_batch *closing);
void ldx_ldcache_unload(struct ldx_ldcache *c, struct ldx_io *io);

/* What the CPU can do is only asked when entries differ in it. */
typedef const struct ldx_hwcaps *ldx_hwcaps_source(void *arg);

/* The path for a library name, inside the file's bytes, or NULL. */
const char *ldx_ldcache_find(const struct ldx_ldcache *c, const char *name, ldx_hwcaps_source *hwcaps, void *arg);

#endif
