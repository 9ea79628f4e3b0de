/* Others' say in a search: tools that steer it, and who keeps the journal. Private to no layer: the loader fills the
 * table, search/ calls it. NULL in struct ldx_library_search: nobody has anything to say. */
#ifndef LDX_SEARCH_GUIDE_H
#define LDX_SEARCH_GUIDE_H

#include <ldx/steer.h>

#include "search/library.h"

/* A launch cache. */
struct ldx_search_cache {
  /* The file that is known to be the answer (heap), of the first level from *level on that has one; *level becomes
   * the next one. NULL: none; *nowhere is then the errno value when it is known that there is none. */
  char *(*find)(const struct ldx_find_request *r, uint32_t *level, int *nowhere);
  /* Whether what was opened is what the answer means; f->stat is filled in. */
  bool (*holds)(const struct ldx_find_request *r, struct ldx_library_file *f);
  /* An errno value when it is known that nothing is there. */
  int (*absent)(const char *path);
  /* The search depends on this file: nothing could be opened there, or it was passed over (an errno value), or what
   * it says counts (0). With a slash at the end: a folder that is missing. */
  void (*depends)(const char *path, int error);
  /* The search has come to this end. `steered`: tools had other bytes or another path. */
  void (*ended)(const struct ldx_find_request *r, const struct ldx_library_file *f, bool steered);
  void (*nowhere)(const struct ldx_find_request *r, int error);
  /* Time will pass before the next search. */
  void (*settle)(void);
};

struct ldx_guide {
  /* A list of folders begins; a file was tried: error 0 when it will do. */
  void (*list)(const struct ldx_find_request *r, const char *source, const char *owner);
  void (*tried)(const struct ldx_find_request *r, const char *path, const char *source, int error);

  /* What to try instead of the candidate (heap), or NULL: as it is. LDX_DENY: see diag. */
  enum ldx_verdict (*path)(const struct ldx_find_request *r, const char *candidate, char **out, struct ldx_diag *d);
  /* Bytes instead of the file: a descriptor. */
  enum ldx_verdict (*image)(const struct ldx_find_request *r, const char *path, int *fd, struct ldx_diag *d);
  /* The folders to search instead of a list (heap text); source "" is asked first, and is an empty list. */
  enum ldx_verdict (*folders)(const struct ldx_find_request *r, const char *source, const char *owner,
                              const char *folders, char **out, struct ldx_diag *d);
  /* An algorithm instead of the one in force. LDX_PASS: none. LDX_STOP: it has found nothing. */
  enum ldx_verdict (*search)(const struct ldx_find_request *r, ldx_search *s, struct ldx_diag *d);
  /* A file that is known to be the answer (heap), from a cache or a record: NULL, none. source tells from where. */
  char *(*known)(const struct ldx_find_request *r, const char **source, struct ldx_diag *d);
  const struct ldx_search_cache *cache; /* NULL: none */
};

static inline const struct ldx_search_cache *ldx_search_cache(const struct ldx_library_search *s) {
  return s->guide ? s->guide->cache : NULL;
}

#endif
