/* Folders and lists of folders. A folder is known once for the process, with what was learnt about it. */
#ifndef LDX_SEARCH_DIRS_H
#define LDX_SEARCH_DIRS_H

#include "search/hwcaps.h"

enum ldx_dir_status { LDX_DIR_UNKNOWN, LDX_DIR_MISSING, LDX_DIR_EXISTS };
enum { LDX_PROBE_UNKNOWN = 255 }; /* above every errno */

struct ldx_dir {
  struct ldx_dir *next;
  const char *what;  /* whose list named it first: a constant */
  const char *where; /* the object whose list that was, or NULL */
  const char *path;  /* ends with a slash; "" is the working folder */
  uint32_t len;
  bool relative; /* nothing can be learnt about it: the working folder may change */
  /* By subfolder: tried before? (Decides what later searches try, and hence tell.) */
  uint8_t *status;
  /* By group of subfolders: 0 is there, an errno value: is not, or LDX_PROBE_UNKNOWN. Saves system calls. */
  uint8_t probe[LDX_MAX_GROUPS];
};

struct ldx_search_dirs {
  bool spent; /* none of the folders exists: the list is not searched any more */
  uint32_t count;
  struct ldx_dir *at[];
};

struct ldx_library_search;
struct ldx_object;

/* How a list of folders is written. */
struct ldx_dir_list {
  const char *text, *separators;
  const char *what, *where;
  struct ldx_object *object; /* to whom tokens refer */
};

/* Reads a list: tokens expanded, slashes at the end normalised, doubles left out. NULL when out of memory;
 * the list may be empty. */
struct ldx_search_dirs *ldx_read_dirs(struct ldx_library_search *s, const struct ldx_dir_list *list);

/* 0 when the folder has that group of subfolders (see hwcaps.h), else the errno value that opening a file in
 * it gives. Asks the kernel once for a folder with an absolute path. */
struct ldx_io;
int ldx_probe_dir(const struct ldx_hwcaps *h, struct ldx_io *io, struct ldx_dir *d, uint32_t group);

#endif
