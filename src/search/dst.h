/* Dynamic string tokens: $ORIGIN, $LIB, $PLATFORM, with or without braces (gABI ch. 5 "Substitution
 * Sequences"; ld.so(8)). */
#ifndef LDX_SEARCH_DST_H
#define LDX_SEARCH_DST_H

#include "search/library.h"

/* True when the text has a token that would be expanded. */
bool ldx_has_dst(const char *text);

/* The text with all tokens replaced as they mean to `o`; "" when one of them must not or cannot be (an unknown
 * origin; under AT_SECURE an $ORIGIN that is not alone at the start, or leads out of the system folders).
 * A heap copy; NULL when out of memory. */
char *ldx_expand_dst(struct ldx_library_search *s, struct ldx_object *o, const char *text);

/* True when the path, with "." and ".." resolved as text, begins with a system folder. */
bool ldx_path_is_trusted(const char *path);

#endif
