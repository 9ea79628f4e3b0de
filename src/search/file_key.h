/* Keys: by what a file is known to be the one that it was. Private to those who keep launch caches. */
#ifndef LDX_SEARCH_FILE_KEY_H
#define LDX_SEARCH_FILE_KEY_H

#include <sys/stat.h>

#include "base/io.h"
#include "search/cache_file.h"

/* What can be read of an ELF file without mapping it. */
struct ldx_file_identity {
  uint8_t build_id[LDX_CACHE_KEY_SIZE];
  uint32_t build_id_size; /* 0: it has none */
  char soname[256];       /* "": it has none */
  struct ldx_digest versions;
};

/* Damage only means that less is known. */
void ldx_file_identify(struct ldx_heap *heap, struct ldx_io *io, int fd, uint64_t size,
                       struct ldx_file_identity *out);

/* A file without build-id or soname is known by its state: out->kind tells. */
void ldx_file_key(struct ldx_heap *heap, struct ldx_io *io, int fd, const struct stat *st, enum ldx_key_kind kind,
                  struct ldx_file_key *out);
bool ldx_same_key(const struct ldx_file_key *a, const struct ldx_file_key *b);

/* "path", "build-id", "content", "soname", "tool"; 0: no such kind. */
enum ldx_key_kind ldx_key_kind_of(const char *name);
const char *ldx_key_kind_name(enum ldx_key_kind kind);

#endif
