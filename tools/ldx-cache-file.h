/* Launch caches for ldx-cache: whole files, by the loader's own reader, and what is stale in them. */
#ifndef LDX_CACHE_FILE_TOOL_H
#define LDX_CACHE_FILE_TOOL_H

#include "search/cache_file.h"
#include "search/file_key.h"
#include "search/places.h"

struct cache {
  char *path;
  void *bytes;
  struct ldx_cache_view view;
  const char *fault; /* NULL: it is sound; "" : there is none */
};

struct session {
  struct ldx_heap heap;
  struct ldx_places places;
};

void cache_read(struct session *s, const char *path, struct cache *out);
void cache_free(struct session *s, struct cache *c);

/* Why a record's answers are not believed: NULL, they are. The text lives until the next call. */
const char *record_fault(struct session *s, const struct ldx_record_view *r);
const char *entry_fault(struct session *s, const struct ldx_record_view *r, const struct ldx_cache_entry *e);
/* "LD_LIBRARY_PATH" -> "/opt/lib"; NULL: the record has none. In a buffer of the caller. */
const char *record_setting(const struct ldx_record_view *r, const char *name, char *buf, size_t size);
/* In hexadecimal, for people. */
const char *key_text(const struct ldx_file_key *k, char buf[2 * LDX_CACHE_KEY_SIZE + 1]);

/* Takes the records out for which `drop` is true; how many, or -1 with errno. */
int cache_drop(struct session *s, const char *path, bool (*drop)(void *arg, const struct ldx_record_view *r),
               void *arg);

#endif
