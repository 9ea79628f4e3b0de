/* Where musl looks for a library: LD_LIBRARY_PATH, then DT_RUNPATH or else DT_RPATH of the object that needs it, of
 * whoever needed that, and so on, then the folders of /etc/ld-musl-ARCH.path. A program of another libc can be
 * searched for in this way, too. */
#ifndef LDX_SEARCH_MUSL_H
#define LDX_SEARCH_MUSL_H

#include "search/library.h"

/* A list of folders, separated by colons or newlines, and whose it is. False ends the walk. */
typedef bool ldx_musl_each_list(void *arg, const char *source, const struct ldx_object *owner, const char *list);

/* Calls `each` with one list after the other; false when memory ran out. */
bool ldx_musl_lists(struct ldx_library_search *s, const struct ldx_find_request *r, ldx_musl_each_list *each,
                    void *arg);

#endif
