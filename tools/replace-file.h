/* Whole files: read, and written atomically under the final name. */
#ifndef LDX_TOOLS_REPLACE_FILE_H
#define LDX_TOOLS_REPLACE_FILE_H

#include <stdbool.h>
#include <stddef.h>

/* Reads a regular file into malloc'ed memory. False: told on stderr. */
bool read_whole_file(const char *path, char **bytes, size_t *size);

/* Writes `bytes` to a temporary file beside `path`, gives it mode, owner and extended attributes of the file
 * `like`, and renames it to `path`. A symbolic link is followed. False: told on stderr, `path` untouched. */
bool replace_file(const char *path, const char *like, const char *bytes, size_t size);

#endif
