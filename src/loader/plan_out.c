#include "loader/plan_out.h"

#include <stdarg.h>
#include <string.h>

#include "base/print.h"
#include "base/sys.h"
#include "loader/context.h"

void ldx_out_flush(struct ldx_out *o) {
  for (size_t done = 0; done < o->used && !o->error;) {
    long n = sys_write(o->fd, o->buf + done, o->used - done);
    if (ldx_sys_failed(n))
      o->error = (int)-n;
    else
      done += (size_t)n;
  }
  o->used = 0;
}

void ldx_out_bytes(struct ldx_out *o, const char *bytes, size_t n) {
  while (n) {
    size_t part = sizeof o->buf - o->used;
    if (part > n)
      part = n;
    memcpy(o->buf + o->used, bytes, part);
    o->used += part;
    bytes += part;
    n -= part;
    if (o->used == sizeof o->buf)
      ldx_out_flush(o);
  }
}

static void put(struct ldx_out *o, const char *text) { ldx_out_bytes(o, text, strlen(text)); }

void ldx_out(struct ldx_out *o, const char *fmt, ...) {
  char stack[1024], *text = stack;
  va_list ap, again;
  va_start(ap, fmt);
  va_copy(again, ap);
  size_t n = ldx_vformat(stack, sizeof stack, fmt, ap);
  if (n >= sizeof stack && (text = ldx_new(n + 1)))
    ldx_vformat(text, n + 1, fmt, again);
  va_end(again);
  va_end(ap);
  if (text)
    put(o, text);
  if (text != stack)
    ldx_delete(text);
}

/* Length of the UTF-8 character at `p`, 0 when there is none (RFC 3629). */
static size_t character(const unsigned char *p) {
  size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;
  for (size_t i = 1; i < n; i++)
    if ((p[i] & 0xc0) != 0x80)
      return 0;
  bool longer = (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xf0 && p[1] < 0x90); /* than it need be */
  bool no_character = (p[0] == 0xed && p[1] >= 0xa0) || (p[0] == 0xf4 && p[1] >= 0x90);
  return longer || no_character ? 0 : n;
}

static void put_string(struct ldx_out *o, const char *text) {
  const unsigned char *p = (const unsigned char *)text;
  put(o, "\"");
  while (*p) {
    size_t n = character(p);
    if (!n)
      ldx_out(o, "\\udc%02x", *p);
    else if (*p == '"' || *p == '\\')
      ldx_out(o, "\\%c", *p);
    else if (*p < ' ' || *p == 0x7f)
      ldx_out(o, "\\u%04x", *p);
    else
      ldx_out_bytes(o, (const char *)p, n);
    p += n ? n : 1;
  }
  put(o, "\"");
}

static void begin(struct ldx_out *o, const char *key) {
  bool line = o->depth && o->depth <= LDX_JSON_INLINE;
  if (o->more)
    put(o, line ? "," : ", ");
  if (line)
    ldx_out(o, "\n%*s", (int)(2 * o->depth), "");
  o->more = true;
  if (!key)
    return;
  put_string(o, key);
  put(o, ": ");
}

void ldx_json_open(struct ldx_out *o, const char *key, char bracket) {
  begin(o, key);
  ldx_out_bytes(o, &bracket, 1);
  o->depth++;
  o->more = false;
}

void ldx_json_close(struct ldx_out *o, char bracket) {
  bool line = o->more && o->depth <= LDX_JSON_INLINE;
  o->depth--;
  if (line)
    ldx_out(o, "\n%*s", (int)(2 * o->depth), "");
  ldx_out_bytes(o, &bracket, 1);
  o->more = true;
  if (!o->depth)
    put(o, "\n");
}

void ldx_json_text(struct ldx_out *o, const char *key, const char *text) {
  begin(o, key);
  if (text)
    put_string(o, text);
  else
    put(o, "null");
}

void ldx_json_number(struct ldx_out *o, const char *key, int64_t value) {
  begin(o, key);
  ldx_out(o, "%ld", (long)value);
}

void ldx_json_place(struct ldx_out *o, const char *key, int64_t value, bool given) {
  if (given)
    ldx_json_number(o, key, value);
  else
    ldx_json_text(o, key, NULL);
}

void ldx_json_address(struct ldx_out *o, const char *key, uint64_t value) {
  begin(o, key);
  ldx_out(o, "\"0x%lx\"", value);
}

void ldx_json_bytes(struct ldx_out *o, const char *key, const void *bytes, size_t n) {
  const unsigned char *p = bytes;
  begin(o, key);
  put(o, n ? "\"" : "null");
  for (size_t i = 0; i < n; i++)
    ldx_out(o, "%02x", p[i]);
  if (n)
    put(o, "\"");
}

void ldx_json_bool(struct ldx_out *o, const char *key, bool value) {
  begin(o, key);
  put(o, value ? "true" : "false");
}
