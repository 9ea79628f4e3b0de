/* Other ways to look for a library than the usual one; private to search/. */
#ifndef LDX_SEARCH_ALGORITHMS_H
#define LDX_SEARCH_ALGORITHMS_H

#include "search/dirs.h"
#include "search/finding.h"

/* What a record or a cache knows; *nowhere: that there is no such library. */
enum verdict ldx_search_known(struct finding *f, bool *nowhere);
/* By the algorithm in force. */
enum verdict ldx_search_algorithm(struct finding *f);

/* The folders of a list, separated by colons (heap); NULL: out of memory. */
char *ldx_folders_text(struct ldx_library_search *s, const struct ldx_search_dirs *l);

#endif
