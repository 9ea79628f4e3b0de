/* Buffered output, and JSON text (RFC 8259) through it. Names of files may hold any bytes: what is no UTF-8 is
 * written as \udc80 to \udcff, one for each byte, which Python's "surrogateescape" turns back. */
#ifndef LDX_LOADER_PLAN_OUT_H
#define LDX_LOADER_PLAN_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LDX_OUT_SIZE = 16384, LDX_JSON_INLINE = 3 /* what lies deeper stands on one line */ };

struct ldx_out {
  int fd;
  int error; /* errno value of the first write that failed */
  size_t used;
  uint32_t depth;
  bool more; /* something stands before, at this depth */
  char buf[LDX_OUT_SIZE];
};

void ldx_out_bytes(struct ldx_out *o, const char *bytes, size_t n);
void ldx_out(struct ldx_out *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void ldx_out_flush(struct ldx_out *o);

/* Values; `key` is NULL inside arrays. A NULL text is null. */
void ldx_json_open(struct ldx_out *o, const char *key, char bracket);
void ldx_json_close(struct ldx_out *o, char bracket);
void ldx_json_text(struct ldx_out *o, const char *key, const char *text);
void ldx_json_number(struct ldx_out *o, const char *key, int64_t value);
/* As text, because not every reader keeps 64 bits of a number. */
void ldx_json_address(struct ldx_out *o, const char *key, uint64_t value);
void ldx_json_bytes(struct ldx_out *o, const char *key, const void *bytes, size_t n); /* hex digits; none: null */
void ldx_json_bool(struct ldx_out *o, const char *key, bool value);
/* A number, or null. */
void ldx_json_place(struct ldx_out *o, const char *key, int64_t value, bool given);

#endif
