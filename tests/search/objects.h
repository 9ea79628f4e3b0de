/* Objects for tests of the search: from files, without mapping them, or made up. */
#ifndef LDX_TESTS_SEARCH_OBJECTS_H
#define LDX_TESTS_SEARCH_OBJECTS_H

#include "search/library.h"

/* The dynamic section of the file at `path` as an object named `name`; NULL when it has none. */
struct ldx_object *object_from_file(struct ldx_heap *heap, const char *path, const char *name);

/* An object with no more than a name and, where not NULL, DT_RPATH, DT_RUNPATH and flags. */
struct ldx_object *object_made_up(struct ldx_heap *heap, enum ldx_object_kind kind, const char *name,
                                  const char *rpath, const char *runpath, uint64_t flags_1);

#endif
