/* The grammar is checked here, with a place for each fault; jsmn, which is more lenient, then only cuts. */
#include "hooks/policy_json.h"

#include <string.h>

#include "hooks/policy.h"

#ifndef LDX_JSMN_HEADER
#define LDX_JSMN_HEADER <jsmn.h>
#endif
#define JSMN_STATIC
#define JSMN_STRICT
#define JSMN_PARENT_LINKS
#include LDX_JSMN_HEADER

_Static_assert(sizeof(struct json_token) == sizeof(jsmntok_t) &&
                   offsetof(struct json_token, start) == offsetof(jsmntok_t, start) &&
                   offsetof(struct json_token, size) == offsetof(jsmntok_t, size) &&
                   offsetof(struct json_token, parent) == offsetof(jsmntok_t, parent) &&
                   (int)JSON_OBJECT == (int)JSMN_OBJECT && (int)JSON_PLAIN == (int)JSMN_PRIMITIVE,
               "a token is jsmn's");

struct check {
  const unsigned char *text;
  size_t size, at;
  uint32_t tokens;
  struct json_fault *fault;
};

static bool wrong(struct check *c, size_t offset, const char *text) {
  *c->fault = (struct json_fault){offset, text};
  return false;
}

/* The byte at hand; 0 at the end, which no rule accepts. */
static unsigned char peek(const struct check *c) { return c->at < c->size ? c->text[c->at] : 0; }

static void skip_space(struct check *c) {
  while (peek(c) == ' ' || peek(c) == '\t' || peek(c) == '\n' || peek(c) == '\r')
    c->at++;
}

static int hex_digit(unsigned char ch) {
  if (ch >= '0' && ch <= '9')
    return ch - '0';
  ch |= 32;
  return ch >= 'a' && ch <= 'f' ? ch - 'a' + 10 : -1;
}

/* Four digits from `at` on; -1: they are not. */
static int hex_unit(const unsigned char *text, size_t size, size_t at) {
  int value = 0;
  for (size_t i = at; i < at + 4; i++) {
    int digit = i < size ? hex_digit(text[i]) : -1;
    if (digit < 0)
      return -1;
    value = value << 4 | digit;
  }
  return value;
}

static bool check_unicode_escape(struct check *c) {
  size_t start = c->at;
  int unit = hex_unit(c->text, c->size, c->at + 2);
  if (unit < 0)
    return wrong(c, start, "\\u needs four hexadecimal digits");
  c->at += 6;
  if (unit >> 11 != 0xd800 >> 11)
    return true;
  int low = peek(c) == '\\' && c->at + 1 < c->size && c->text[c->at + 1] == 'u'
                ? hex_unit(c->text, c->size, c->at + 2)
                : -1;
  if (unit >= 0xdc00 || low < 0xdc00 || low > 0xdfff)
    return wrong(c, start, "half of a surrogate pair");
  c->at += 6;
  return true;
}

static bool check_escape(struct check *c) {
  unsigned char ch = c->at + 1 < c->size ? c->text[c->at + 1] : 0;
  if (ch == 'u')
    return check_unicode_escape(c);
  if (!ch || !strchr("\"\\/bfnrt", ch))
    return wrong(c, c->at, "unknown escape in a string");
  c->at += 2;
  return true;
}

/* How many bytes the UTF-8 character at `at` has (RFC 3629: shortest form, no surrogates); 0: it is none. */
static size_t utf8_length(const unsigned char *p, size_t room) {
  unsigned char b = p[0];
  if (b < 0x80)
    return 1;
  size_t n = b >= 0xc2 && b <= 0xdf ? 2 : b >= 0xe0 && b <= 0xef ? 3 : b >= 0xf0 && b <= 0xf4 ? 4 : 0;
  if (!n || n > room)
    return 0;
  for (size_t i = 1; i < n; i++)
    if (p[i] >> 6 != 2)
      return 0;
  bool overlong = (b == 0xe0 && p[1] < 0xa0) || (b == 0xf0 && p[1] < 0x90);
  bool outside = (b == 0xed && p[1] > 0x9f) || (b == 0xf4 && p[1] > 0x8f);
  return overlong || outside ? 0 : n;
}

static bool check_string(struct check *c) {
  size_t start = c->at++;
  while (c->at < c->size) {
    unsigned char ch = c->text[c->at];
    if (ch == '"') {
      c->at++;
      return true;
    }
    if (ch == '\n')
      break;
    if (ch < 0x20)
      return wrong(c, c->at, "control character in a string");
    size_t n = utf8_length(c->text + c->at, c->size - c->at);
    if (!n)
      return wrong(c, c->at, "not UTF-8");
    if (ch != '\\')
      c->at += n;
    else if (!check_escape(c))
      return false;
  }
  return wrong(c, start, "string without an end");
}

static size_t skip_digits(struct check *c) {
  size_t start = c->at;
  while (peek(c) >= '0' && peek(c) <= '9')
    c->at++;
  return c->at - start;
}

static bool check_number(struct check *c) {
  size_t start = c->at;
  c->at += peek(c) == '-';
  bool zero = peek(c) == '0', ok;
  size_t digits = skip_digits(c);
  ok = digits && !(zero && digits > 1);
  if (ok && peek(c) == '.') {
    c->at++;
    ok = skip_digits(c);
  }
  if (ok && (peek(c) | 32) == 'e') {
    c->at++;
    c->at += peek(c) == '+' || peek(c) == '-';
    ok = skip_digits(c);
  }
  return ok || wrong(c, start, "not a JSON number");
}

static bool check_word(struct check *c) {
  static const char words[][6] = {"true", "false", "null"};
  for (size_t i = 0; i < LDX_COUNT(words); i++) {
    size_t n = strlen(words[i]);
    if (c->size - c->at >= n && !memcmp(c->text + c->at, words[i], n)) {
      c->at += n;
      return true;
    }
  }
  if (peek(c) == '/')
    return wrong(c, c->at, "JSON has no comments");
  return wrong(c, c->at, c->at < c->size ? "expected a value" : "the text ends where a value is expected");
}

static bool check_value(struct check *c, unsigned depth);

static bool check_key(struct check *c) {
  if (peek(c) != '"')
    return wrong(c, c->at, "expected a key in double quotes");
  c->tokens++;
  if (!check_string(c))
    return false;
  skip_space(c);
  if (peek(c) != ':')
    return wrong(c, c->at, "expected \":\" behind the key");
  c->at++;
  skip_space(c);
  return true;
}

/* Object or array, up to and with its end. */
static bool check_container(struct check *c, unsigned depth) {
  bool object = peek(c) == '{';
  unsigned char end = object ? '}' : ']';
  if (depth == LDX_POLICY_MAX_DEPTH)
    return wrong(c, c->at, "nested too deeply");
  c->at++;
  skip_space(c);
  if (peek(c) == end) {
    c->at++;
    return true;
  }
  for (;;) {
    if ((object && !check_key(c)) || !check_value(c, depth + 1))
      return false;
    skip_space(c);
    if (peek(c) == end) {
      c->at++;
      return true;
    }
    if (peek(c) != ',')
      return wrong(c, c->at, object ? "expected \",\" or \"}\"" : "expected \",\" or \"]\"");
    size_t comma = c->at++;
    skip_space(c);
    if (peek(c) == end)
      return wrong(c, comma, "comma behind the last element");
  }
}

static bool check_value(struct check *c, unsigned depth) {
  unsigned char ch = peek(c);
  c->tokens++;
  if (ch == '{' || ch == '[')
    return check_container(c, depth);
  if (ch == '"')
    return check_string(c);
  return ch == '-' || (ch >= '0' && ch <= '9') ? check_number(c) : check_word(c);
}

static bool check_text(struct check *c) {
  if (c->size > LDX_POLICY_MAX_SIZE)
    return wrong(c, 0, "larger than 1 MiB");
  if (c->size >= 3 && !memcmp(c->text, "\xef\xbb\xbf", 3))
    return wrong(c, 0, "begins with a byte order mark");
  skip_space(c);
  if (!check_value(c, 0))
    return false;
  skip_space(c);
  if (c->at < c->size)
    return wrong(c, c->at, peek(c) == '/' ? "JSON has no comments" : "text behind the end");
  return c->tokens <= LDX_POLICY_MAX_TOKENS || wrong(c, 0, "has too many values");
}

bool json_read(struct json *j, struct ldx_heap *heap, const char *text, size_t size, struct json_fault *fault) {
  struct check c = {.text = (const unsigned char *)text, .size = size, .fault = fault};
  *j = (struct json){.text = text, .size = size, .last = {0, 1, 1}};
  if (!check_text(&c))
    return false;
  j->tokens = ldx_heap_alloc(heap, c.tokens * sizeof *j->tokens);
  if (!j->tokens)
    return wrong(&c, 0, "cannot allocate memory");
  jsmn_parser parser;
  jsmn_init(&parser);
  int n = jsmn_parse(&parser, text, size, (jsmntok_t *)j->tokens, c.tokens);
  if (n != (int)c.tokens || j->tokens[0].kind == JSON_PLAIN || j->tokens[0].kind == JSON_STRING)
    return wrong(&c, 0, "is not an object");
  j->count = (uint32_t)n;
  return true;
}

void json_free(struct json *j, struct ldx_heap *heap) {
  ldx_heap_free(heap, j->tokens);
  *j = (struct json){0};
}

uint32_t json_next(const struct json *j, uint32_t token) {
  int end = j->tokens[token].end;
  for (token++; token < j->count && j->tokens[token].start < end;)
    token++;
  return token;
}

struct json_position json_position(struct json *j, size_t offset) {
  struct json_position p = offset >= j->last.offset ? j->last : (struct json_position){0, 1, 1};
  for (; p.offset < offset && p.offset < j->size; p.offset++) {
    if (j->text[p.offset] == '\n')
      p = (struct json_position){p.offset, p.line + 1, 1};
    else
      p.column += (unsigned char)j->text[p.offset] >> 6 != 2; /* one for each character, at its first byte */
  }
  return j->last = p;
}

static char *put_utf8(char *out, uint32_t ch) {
  static const unsigned char marks[] = {0, 0, 0xc0, 0xe0, 0xf0};
  unsigned n = ch < 0x80 ? 1 : ch < 0x800 ? 2 : ch < 0x10000 ? 3 : 4;
  for (unsigned i = n; i-- > 1; ch >>= 6)
    out[i] = (char)(0x80 | (ch & 0x3f));
  out[0] = (char)(marks[n] | ch);
  return out + n;
}

/* The character of a checked \u escape; *at moves behind it. */
static uint32_t decode_unit(const struct json *j, size_t *at) {
  const unsigned char *text = (const unsigned char *)j->text;
  uint32_t unit = (uint32_t)hex_unit(text, j->size, *at + 2);
  *at += 6;
  if (unit >> 11 != 0xd800 >> 11)
    return unit;
  uint32_t low = (uint32_t)hex_unit(text, j->size, *at + 2);
  *at += 6;
  return 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
}

size_t json_decode(const struct json *j, uint32_t token, char *out) {
  static const char escapes[] = "b\bf\fn\nr\rt\t";
  size_t at = (size_t)j->tokens[token].start, end = (size_t)j->tokens[token].end;
  char *p = out;
  while (at < end) {
    char ch = j->text[at];
    if (ch != '\\') {
      *p++ = ch;
      at++;
    } else if (j->text[at + 1] == 'u') {
      uint32_t unit = decode_unit(j, &at);
      if (!unit)
        return SIZE_MAX;
      p = put_utf8(p, unit);
    } else {
      const char *known = escapes;
      while (*known && *known != j->text[at + 1])
        known += 2;
      *p++ = *known ? known[1] : j->text[at + 1];
      at += 2;
    }
  }
  *p = '\0';
  return (size_t)(p - out);
}
