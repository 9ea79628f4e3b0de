/* What search/ keeps for a process; private to search/. */
#ifndef LDX_SEARCH_STATE_H
#define LDX_SEARCH_STATE_H

#include "search/dirs.h"
#include "search/hwcaps.h"
#include "search/ldcache.h"
#include "search/library.h"

#define LDX_DST_LIB "lib/x86_64-linux-gnu" /* what $LIB means on Debian */
#define LDX_CACHE_FILE "/etc/ld.so.cache"

/* The folders that are always searched; each ends with a slash. */
extern const char *const ldx_system_dirs[];
extern const size_t ldx_system_dir_count;

struct ldx_search_state {
  bool have_hwcaps, have_paths;
  struct ldx_object *program; /* of the base namespace; NULL before it is known */
  struct ldx_hwcaps hwcaps;
  struct ldx_dir *dirs; /* every folder ever named, each once */
  struct ldx_search_dirs *system, *library_path;
  struct ldx_ldcache cache;
  const char *musl_folders; /* the system's, by musl's rules; NULL: not asked for yet */
};

/* NULL when out of memory. */
struct ldx_search_state *ldx_search_state(struct ldx_library_search *s);
const struct ldx_hwcaps *ldx_search_hwcaps(struct ldx_library_search *s);
struct ldx_hwcaps_input ldx_hwcaps_input(const struct ldx_library_search *s);

/* The folders of DT_RPATH or DT_RUNPATH of an object, of LD_LIBRARY_PATH, and the default ones. NULL when there
 * are none that count. *oom is set when memory ran out. What is needed to know them (the CPU's abilities, the
 * system folders, the program's path and LD_LIBRARY_PATH, in that order: it decides whose a folder is that
 * several name) is set up by the first of these calls that has any folders to tell. */
struct ldx_search_dirs *ldx_object_rpath(struct ldx_library_search *s, struct ldx_object *o, bool *oom);
struct ldx_search_dirs *ldx_object_runpath(struct ldx_library_search *s, struct ldx_object *o, bool *oom);
struct ldx_search_dirs *ldx_library_path(struct ldx_library_search *s, bool *oom);
struct ldx_search_dirs *ldx_default_path(struct ldx_library_search *s, bool *oom);

#endif
