/* A temporary folder tree with files that look like libraries to the search (it reads no more than headers). */
#ifndef LDX_TESTS_SEARCH_TREE_H
#define LDX_TESTS_SEARCH_TREE_H

#include <stddef.h>

struct tree {
  char root[64];
};

/* cmocka set-up and tear-down: *state is the tree. */
int tree_make(void **state);
int tree_remove(void **state);

/* ROOT/path; valid until 15 more calls. */
const char *at(const struct tree *t, const char *path);
/* Replaces every '@' by the root; the same validity. */
const char *expand(const struct tree *t, const char *text);

void add_folder(const struct tree *t, const char *path);
void add_file(const struct tree *t, const char *path, const void *bytes, size_t size);
/* An ELF file that the search accepts; folders are made as needed. */
void add_library(const struct tree *t, const char *path);
/* The same with one byte of the header changed. */
void add_odd_library(const struct tree *t, const char *path, size_t offset, unsigned char value);

#endif
