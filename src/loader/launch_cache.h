/* The launch cache: what earlier starts have learnt about where libraries are (docs/cache.md).
 *
 * Levels are files, nearest first. Nothing here runs unless a cache is asked for: --cache, LDX_CACHE, "cache" of the
 * policy. Under the writer lock. */
#ifndef LDX_LOADER_LAUNCH_CACHE_H
#define LDX_LOADER_LAUNCH_CACHE_H

#include "loader/load.h"
#include "search/cache_file.h"
#include "search/file_key.h"
#include "search/places.h"

#define LDX_CACHE_BESIDE "/.ldx-cache"          /* in the program's folder */
#define LDX_CACHE_SYSTEM "/var/cache/ldx/cache" /* root's */
#define LDX_CACHE_NAME "cache"                  /* of the file, where a folder is named */

enum ldx_level_state { LDX_LEVEL_UNREAD, LDX_LEVEL_UNCHECKED, LDX_LEVEL_SOUND, LDX_LEVEL_STALE, LDX_LEVEL_NONE };

struct ldx_cache_level {
  char *path;   /* heap; of the file */
  bool create;  /* when it is not there */
  bool refused; /* cannot be written, or is not to be touched */
  enum ldx_level_state state;
  struct ldx_record_view record; /* unless state is UNREAD or NONE */
  uint32_t hint;                 /* the entry behind the last answer: requests come in the same order each time */
};

enum { LDX_CACHE_LEVELS = 8 };

struct ldx_launch_cache {
  struct ldx_cache_level levels[LDX_CACHE_LEVELS];
  uint32_t level_count;
  enum ldx_key_kind key;
  const char *key_tool; /* whose key, or NULL */
  const char *program;  /* its file: absolute, without links */
  char *settings;       /* search_context.h */
  bool readonly;
  bool changed; /* the draft has what no file has */
  struct ldx_places places;
  struct ldx_draft draft;
  struct ldx_digest context;            /* of the search under way */
  const struct ldx_cache_entry *answer; /* that is being tried */
};

/* Start-up: when a cache is asked for. */
void ldx_launch_cache_begin(void);

/* launch_cache_levels.c */
void ldx_cache_set_levels(struct ldx_launch_cache *c);
/* Whether the file's owner and mode make its contents worth believing. */
bool ldx_cache_trusted(const struct stat *st);
/* The entry for the search under way, from a level's record that holds; NULL: none. */
const struct ldx_cache_entry *ldx_level_answer(struct ldx_launch_cache *c, struct ldx_cache_level *l);
/* Once. */
void ldx_level_read(struct ldx_launch_cache *c, struct ldx_cache_level *l);
/* A step of the journal, when there is one. */
void ldx_note_cache(const struct ldx_cache_level *l, const char *answer, const char *why);

/* launch_cache_save.c: puts the draft into the nearest level that can be written. */
void ldx_launch_cache_save(struct ldx_launch_cache *c);

#endif
