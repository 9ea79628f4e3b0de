/* JSON text (RFC 8259), checked to the letter and cut into tokens. */
#ifndef LDX_HOOKS_POLICY_JSON_H
#define LDX_HOOKS_POLICY_JSON_H

#include "base/heap.h"
#include "base/span.h"

enum json_kind { JSON_OBJECT = 1, JSON_ARRAY = 2, JSON_STRING = 3, JSON_PLAIN = 4 /* number, true, false, null */ };

/* Start and end are offsets in the text; a string's are those between its quotes. */
struct json_token {
  enum json_kind kind;
  int start, end;
  int size; /* keys of an object, elements of an array */
  int parent;
};

struct json_position {
  uint32_t offset, line, column; /* line and column from 1; columns count characters, not bytes */
};

struct json {
  const char *text;
  size_t size;
  struct json_token *tokens; /* heap; in the order of the text, an object's keys each followed by its value */
  uint32_t count;
  struct json_position last; /* where the last question about a position ended */
};

struct json_fault {
  size_t offset;
  const char *text;
};

/* False with *fault when the text is no JSON, or larger or deeper than a policy may be. */
bool json_read(struct json *j, struct ldx_heap *heap, const char *text, size_t size, struct json_fault *fault);
void json_free(struct json *j, struct ldx_heap *heap);

/* The token behind `token` and all that is in it. */
uint32_t json_next(const struct json *j, uint32_t token);
struct json_position json_position(struct json *j, size_t offset);
/* The characters that a string stands for, NUL-terminated; returns their number, or SIZE_MAX when the string has the
 * character NUL. `out` has room for as many bytes as the string has in the text, and one. */
size_t json_decode(const struct json *j, uint32_t token, char *out);

#endif
