/* From tokens to data, by the table of keys. All faults of a text are told, not the first only. */
#include "hooks/policy_read.h"

#include <ldx/event.h>
#include <string.h>

#include "base/print.h"
#include "base/text.h"

enum { MAX_FAULTS = 20, MESSAGE = 2048 };

/* One line, whatever the texts that are quoted in it hold. */
static void send(const struct ldx_policy_reader *r, char *message) {
  for (char *p = message; *p; p++)
    if ((unsigned char)*p < ' ' || *p == 127)
      *p = '?';
  if (r->fault)
    r->fault(r->arg, message);
}

void policy_tell(const struct ldx_policy_reader *r, const char *where, const char *fmt, ...) {
  char message[MESSAGE];
  va_list ap;
  va_start(ap, fmt);
  size_t n = ldx_format(message, sizeof message, "%.*s: ", 1024, where);
  ldx_vformat(message + n, sizeof message - n, fmt, ap);
  va_end(ap);
  send(r, message);
}

static size_t token_offset(const struct policy_reading *g, uint32_t token) {
  const struct json_token *t = &g->json.tokens[token];
  return (size_t)t->start - (t->kind == JSON_STRING);
}

bool policy_fault(struct policy_reading *g, uint32_t token, const char *fmt, ...) {
  char message[MESSAGE];
  if (g->faults++ >= MAX_FAULTS)
    return false;
  struct json_position p = json_position(&g->json, token_offset(g, token));
  va_list ap;
  va_start(ap, fmt);
  size_t n = ldx_format(message, sizeof message, "%.*s:%u:%u: ", 1024, g->file, p.line, p.column);
  ldx_vformat(message + n, sizeof message - n, fmt, ap);
  va_end(ap);
  send(g->reader, message);
  return false;
}

static bool no_memory(struct policy_reading *g, uint32_t token) {
  return policy_fault(g, token, "cannot allocate memory");
}

const char *policy_where(struct policy_reading *g, uint32_t token) {
  struct json_position p = json_position(&g->json, token_offset(g, token));
  size_t room = strlen(g->file) + 24;
  char *out = policy_alloc(g->policy, room);
  if (out)
    ldx_format(out, room, "%s:%u:%u", g->file, p.line, p.column);
  else
    no_memory(g, token);
  return out;
}

/* --- words of messages --- */

static const char *kind_name(const struct policy_reading *g, uint32_t token) {
  switch (g->json.tokens[token].kind) {
  case JSON_OBJECT:
    return "an object";
  case JSON_ARRAY:
    return "a list";
  case JSON_STRING:
    return "a text";
  default:
    break;
  }
  char c = g->json.text[g->json.tokens[token].start];
  return c == 'n' ? "null" : c == 't' || c == 'f' ? "true or false" : "a number";
}

static bool expect(struct policy_reading *g, const char *key, uint32_t token, enum json_kind kind, const char *what) {
  if (g->json.tokens[token].kind == kind)
    return true;
  return policy_fault(g, token, "\"%s\" must be %s, not %s", key, what, kind_name(g, token));
}

/* How many letters must be changed, added or taken away; more than `most` need not be told apart. */
static size_t distance(const char *a, size_t n, const char *b, size_t m) {
  enum { LONGEST = 32 };
  size_t row[LONGEST + 1];
  if (n > LONGEST || m > LONGEST)
    return LONGEST;
  for (size_t j = 0; j <= m; j++)
    row[j] = j;
  for (size_t i = 1; i <= n; i++) {
    size_t corner = row[0];
    row[0] = i;
    for (size_t j = 1; j <= m; j++) {
      size_t change = corner + (a[i - 1] != b[j - 1]), least = row[j] < row[j - 1] ? row[j] : row[j - 1];
      corner = row[j];
      row[j] = change < least + 1 ? change : least + 1;
    }
  }
  return row[m];
}

static size_t near_enough(size_t n) { return n < 4 ? 1 : n < 8 ? 2 : 3; }

static bool unknown_key(struct policy_reading *g, enum policy_shape shape, uint32_t token, const char *key) {
  size_t n = strlen(key), best = near_enough(n) + 1;
  const char *like = NULL;
  for (size_t i = 0; i < policy_field_count; i++) {
    const struct policy_field *f = &policy_fields[i];
    size_t d = f->shape == shape ? distance(key, n, f->key, strlen(f->key)) : best;
    if (d < best) {
      best = d;
      like = f->key;
    }
  }
  if (like)
    return policy_fault(g, token, "unknown key \"%s\" (did you mean \"%s\"?)", key, like);
  return policy_fault(g, token, "unknown key \"%s\"", key);
}

static bool unknown_word(struct policy_reading *g, const char *key, uint32_t token, const char *text,
                         enum policy_words words) {
  size_t n = strlen(text), best = near_enough(n) + 1, length, like_length = 0;
  const char *like = NULL, *word;
  for (uint32_t i = 1; (word = policy_word(words, i, &length)), length; i++) {
    size_t d = distance(text, n, word, length);
    if (d < best) {
      best = d;
      like = word;
      like_length = length;
    }
  }
  if (like)
    return policy_fault(g, token, "\"%s\" must be one of %s, not \"%s\" (did you mean \"%.*s\"?)", key,
                        policy_words_text(words), text, (int)like_length, like);
  return policy_fault(g, token, "\"%s\" must be one of %s, not \"%s\"", key, policy_words_text(words), text);
}

/* --- single values --- */

static const char *read_text(struct policy_reading *g, const char *key, uint32_t token, bool may_be_empty) {
  if (!expect(g, key, token, JSON_STRING, "a text"))
    return NULL;
  const struct json_token *t = &g->json.tokens[token];
  char *out = policy_alloc(g->policy, (size_t)(t->end - t->start) + 1);
  if (!out) {
    no_memory(g, token);
    return NULL;
  }
  size_t n = json_decode(&g->json, token, out);
  if (n == SIZE_MAX)
    policy_fault(g, token, "\"%s\" must not hold \\u0000", key);
  else if (!n && !may_be_empty)
    policy_fault(g, token, "\"%s\" must not be empty", key);
  else
    return out;
  return NULL;
}

static bool read_path(struct policy_reading *g, const char *key, uint32_t token, bool template, const char **to) {
  const char *text = read_text(g, key, token, false);
  bool unset = false;
  *to = text ? policy_expand(g, token, text, template, &unset) : NULL;
  if (unset)
    policy_fault(g, token, "\"%s\" names a variable that has no value: \"%s\"", key, text);
  return *to;
}

/* A whole number of JSON; false: it is none, or beyond 18 digits. */
static bool parse_whole(const char *p, size_t n, int64_t *out) {
  bool negative = n && *p == '-';
  int64_t v = 0;
  if (n - negative > 18)
    return false;
  for (size_t i = negative; i < n; i++) {
    if (p[i] < '0' || p[i] > '9')
      return false;
    v = v * 10 + (p[i] - '0');
  }
  *out = negative ? -v : v;
  return true;
}

static bool read_number(struct policy_reading *g, const struct policy_field *f, uint32_t token, int64_t *to) {
  const struct json_token *t = &g->json.tokens[token];
  struct policy_range_of range = policy_range((enum policy_range)f->detail);
  char first = g->json.text[t->start];
  if (t->kind != JSON_PLAIN || (first != '-' && (first < '0' || first > '9')))
    return policy_fault(g, token, "\"%s\" must be a number, not %s", f->key, kind_name(g, token));
  bool ok = parse_whole(g->json.text + t->start, (size_t)(t->end - t->start), to);
  if (ok && *to >= range.least && *to <= range.most && (!range.power_of_two || ldx_is_pow2((uint64_t)*to)))
    return true;
  if (range.least == range.most)
    return policy_fault(g, token, "\"%s\" must be %ld", f->key, (long)range.least);
  return policy_fault(g, token, "\"%s\" must be a %s from %ld to %ld", f->key,
                      range.power_of_two ? "power of two" : "whole number", (long)range.least, (long)range.most);
}

static bool read_errno(struct policy_reading *g, const struct policy_field *f, uint32_t token, int64_t *to) {
  const char *text = read_text(g, f->key, token, false);
  int value = text ? policy_errno_value(text) : 0;
  *to = value;
  if (value < 0)
    return policy_fault(g, token, "\"%s\" must be the name of an error, as EACCES, not \"%s\"", f->key, text);
  return text;
}

static bool read_switch(struct policy_reading *g, const struct policy_field *f, uint32_t token, uint8_t *to) {
  const struct json_token *t = &g->json.tokens[token];
  char c = g->json.text[t->start];
  if (t->kind != JSON_PLAIN || (c != 't' && c != 'f'))
    return policy_fault(g, token, "\"%s\" must be true or false, not %s", f->key, kind_name(g, token));
  *to = c == 't' ? LDX_SWITCH_ON : LDX_SWITCH_OFF;
  return true;
}

static bool read_word(struct policy_reading *g, const struct policy_field *f, uint32_t token, uint32_t *to) {
  enum policy_words words = (enum policy_words)f->detail;
  const char *text = read_text(g, f->key, token, false), *word;
  size_t n = text ? strlen(text) : 0, length;
  if (!text)
    return false;
  for (uint32_t i = 1; (word = policy_word(words, i, &length)), length; i++)
    if (length == n && !memcmp(word, text, n)) {
      *to = i;
      return true;
    }
  return unknown_word(g, f->key, token, text, words);
}

/* --- words with a text behind a colon --- */

static size_t hex_digits(char *s) {
  size_t n = 0;
  for (; s[n]; n++) {
    bool digit = s[n] >= '0' && s[n] <= '9', letter = (s[n] | 32) >= 'a' && (s[n] | 32) <= 'f';
    if (!digit && !letter)
      return 0;
    if (letter)
      s[n] |= 32;
  }
  return n;
}

/* Which allowed word the text begins with; *tail is what follows a colon. 0: none. */
static uint32_t find_choice(enum policy_words words, const char *text, const char **tail) {
  const char *word;
  size_t length;
  for (uint32_t i = 1; (word = policy_word(words, i, &length)), length; i++) {
    bool open = word[length - 1] == ':', any = *word == '*';
    *tail = text + (open ? length : 0);
    if (any || (!strncmp(text, word, length) && (open || !text[length])))
      return i;
  }
  return 0;
}

static bool check_allowed(struct policy_reading *g, uint32_t token, const struct ldx_policy_choice *c, char *tail) {
  if (c->is == LDX_ALLOW_PATH)
    return strchr(tail, '/') ||
           policy_fault(g, token, "\"%s\" is no sha256:..., no build-id:... and no path with a slash", tail);
  size_t digits = hex_digits(tail);
  if (c->is == LDX_ALLOW_SHA256)
    return digits == 64 || policy_fault(g, token, "sha256: must be followed by 64 hexadecimal digits");
  return (digits >= 2 && digits <= 128 && digits % 2 == 0) ||
         policy_fault(g, token, "build-id: must be followed by an even number of hexadecimal digits");
}

static bool check_choice(struct policy_reading *g, enum policy_words words, uint32_t token,
                         struct ldx_policy_choice *c, const char *text, char *tail) {
  int64_t number = 0;
  bool open = tail != text;
  if (open && !*tail)
    return policy_fault(g, token, "\"%s\" must be followed by something", text);
  if (words == WORDS_ALLOW)
    return check_allowed(g, token, c, tail);
  if (words == WORDS_LOG && c->is == LDX_LOG_FD) {
    if (!parse_whole(tail, strlen(tail), &number) || number < 0 || number > 1 << 20)
      return policy_fault(g, token, "fd: must be followed by a number");
    c->number = (int32_t)number;
  }
  bool is_path = (words == WORDS_LOG && c->is == LDX_LOG_FILE) ||
                 (words == WORDS_PROVIDE && (c->is == LDX_PROVIDE_FILE || c->is == LDX_PROVIDE_MEMFD));
  bool unset = false;
  c->text = open ? tail : NULL;
  if (is_path && !(c->text = policy_expand(g, token, tail, false, &unset)) && unset)
    policy_fault(g, token, "names a variable that has no value: \"%s\"", tail);
  return c->text || !open;
}

static bool read_choice(struct policy_reading *g, const char *key, enum policy_words words, uint32_t token,
                        struct ldx_policy_choice *to) {
  const char *text = read_text(g, key, token, false), *tail;
  if (!text)
    return false;
  struct ldx_policy_choice c = {.is = find_choice(words, text, &tail), .where = policy_where(g, token)};
  if (!c.is)
    return unknown_word(g, key, token, text, words);
  c.text = words == WORDS_ALLOW ? tail : NULL;
  if (!c.where || !check_choice(g, words, token, &c, text, (char *)tail))
    return false;
  *to = c;
  return true;
}

/* --- lists --- */

static bool is_replace(const struct policy_reading *g, uint32_t token) {
  static const char word[] = "!replace";
  const struct json_token *t = &g->json.tokens[token];
  return t->kind == JSON_STRING && t->end - t->start == sizeof word - 1 &&
         !memcmp(g->json.text + t->start, word, sizeof word - 1);
}

typedef bool read_element(struct policy_reading *g, const char *key, uint8_t detail, uint32_t token,
                          struct policy_list *list);

static bool read_list(struct policy_reading *g, const char *key, uint8_t detail, uint32_t token, void *to,
                      read_element *element) {
  struct policy_list *list = to;
  if (!expect(g, key, token, JSON_ARRAY, "a list"))
    return false;
  bool ok = true, first = true;
  uint32_t end = json_next(&g->json, token);
  for (uint32_t e = token + 1; e < end; e = json_next(&g->json, e), first = false) {
    if (!is_replace(g, e))
      ok &= element(g, key, detail, e, list);
    else if (first)
      *list = (struct policy_list){0};
    else
      ok = policy_fault(g, e, "\"!replace\" must be the first element");
  }
  return ok;
}

static bool keep_text(struct policy_reading *g, uint32_t token, struct policy_list *list, const char *text) {
  struct ldx_policy_text *t = policy_append(g->policy, list, sizeof *t);
  if (!t)
    return no_memory(g, token);
  *t = (struct ldx_policy_text){text, policy_where(g, token)};
  return t->where;
}

static bool text_element(struct policy_reading *g, const char *key, uint8_t detail, uint32_t token,
                         struct policy_list *list) {
  const char *text = read_text(g, key, token, detail);
  return text && keep_text(g, token, list, text);
}

static bool path_element(struct policy_reading *g, const char *key, uint8_t detail, uint32_t token,
                         struct policy_list *list) {
  const char *text = read_text(g, key, token, false);
  bool unset = false;
  const char *path = text ? policy_expand(g, token, text, false, &unset) : NULL;
  return unset || (path && keep_text(g, token, list, path));
}

static bool event_element(struct policy_reading *g, const char *key, uint8_t detail, uint32_t token,
                          struct policy_list *list) {
  const char *text = read_text(g, key, token, false), *name;
  if (!text)
    return false;
  for (uint32_t i = 1; (name = ldx_event_name(i)); i++)
    if (ldx_glob(text, strlen(text), name))
      return keep_text(g, token, list, text);
  return policy_fault(g, token, "\"%s\" is the name of no event", text);
}

static bool choice_element(struct policy_reading *g, const char *key, uint8_t detail, uint32_t token,
                           struct policy_list *list) {
  struct ldx_policy_choice c;
  if (!read_choice(g, key, (enum policy_words)detail, token, &c))
    return false;
  struct ldx_policy_choice *to = policy_append(g->policy, list, sizeof c);
  if (!to)
    return no_memory(g, token);
  *to = c;
  return true;
}

static bool pair_element(struct policy_reading *g, const char *key, uint8_t detail, uint32_t token,
                         struct policy_list *list) {
  const struct json_token *t = &g->json.tokens[token];
  if (t->kind != JSON_ARRAY || t->size != 2)
    return policy_fault(g, token, "each element of \"%s\" must be a list of two names", key);
  const char *first = read_text(g, key, token + 1, false), *second = read_text(g, key, token + 2, false);
  if (!first || !second)
    return false;
  if (!strcmp(first, second))
    return policy_fault(g, token, "\"%s\" cannot come before itself", first);
  struct ldx_policy_pair *pair = policy_append(g->policy, list, sizeof *pair);
  if (!pair)
    return no_memory(g, token);
  *pair = (struct ldx_policy_pair){first, second, policy_where(g, token)};
  return pair->where;
}

static bool object_element(struct policy_reading *g, const char *key, uint8_t detail, uint32_t token,
                           struct policy_list *list) {
  if (g->json.tokens[token].kind != JSON_OBJECT)
    return policy_fault(g, token, "each element of \"%s\" must be an object, not %s", key, kind_name(g, token));
  void *to = policy_append(g->policy, list, policy_shape_size((enum policy_shape)detail));
  return to ? policy_read_object(g, (enum policy_shape)detail, token, to) : no_memory(g, token);
}

bool policy_read_paths(struct policy_reading *g, const char *key, uint32_t token, ldx_policy_texts *to) {
  return read_list(g, key, 0, token, to, path_element);
}

/* --- objects --- */

static bool read_value(struct policy_reading *g, const struct policy_field *f, uint32_t token, void *to) {
  const char **text = to;
  switch ((enum policy_kind)f->kind) {
  case POLICY_TEXT:
  case POLICY_REMARK:
    return (*text = read_text(g, f->key, token, f->kind == POLICY_REMARK));
  case POLICY_PATH:
  case POLICY_TEMPLATE:
    return read_path(g, f->key, token, f->kind == POLICY_TEMPLATE, to);
  case POLICY_NUMBER:
    return read_number(g, f, token, to);
  case POLICY_ERRNO:
    return read_errno(g, f, token, to);
  case POLICY_SWITCH:
    return read_switch(g, f, token, to);
  case POLICY_WORD:
    return read_word(g, f, token, to);
  case POLICY_CHOICE:
    return read_choice(g, f->key, (enum policy_words)f->detail, token, to);
  case POLICY_TEXTS:
  case POLICY_REMARKS:
    return read_list(g, f->key, f->kind == POLICY_REMARKS, token, to, text_element);
  case POLICY_PATHS:
    return policy_read_paths(g, f->key, token, to);
  case POLICY_EVENTS:
    return read_list(g, f->key, 0, token, to, event_element);
  case POLICY_PAIRS:
    return read_list(g, f->key, 0, token, to, pair_element);
  case POLICY_CHOICES:
    return read_list(g, f->key, f->detail, token, to, choice_element);
  case POLICY_OBJECT:
    return expect(g, f->key, token, JSON_OBJECT, "an object") &&
           policy_read_object(g, (enum policy_shape)f->detail, token, to);
  case POLICY_OBJECTS:
    return read_list(g, f->key, f->detail, token, to, object_element);
  }
  return false;
}

/* The table's row for a key, and its number among the rows of the shape; NULL: unknown. */
static const struct policy_field *find_field(enum policy_shape shape, const char *key, uint32_t *number) {
  *number = 0;
  for (size_t i = 0; i < policy_field_count; i++) {
    if (policy_fields[i].shape != shape)
      continue;
    if (!strcmp(policy_fields[i].key, key))
      return &policy_fields[i];
    ++*number;
  }
  return NULL;
}

static bool check_required(struct policy_reading *g, enum policy_shape shape, uint32_t token, uint32_t seen) {
  bool ok = true;
  uint32_t number = 0;
  for (size_t i = 0; i < policy_field_count; i++) {
    const struct policy_field *f = &policy_fields[i];
    if (f->shape != shape)
      continue;
    if ((f->flags & POLICY_REQUIRED) && !(seen >> number & 1))
      ok = policy_fault(g, token, "needs the key \"%s\"", f->key);
    number++;
  }
  return ok;
}

/* The key's characters, cut to what can still be told apart from all known ones. */
static void decode_key(struct policy_reading *g, uint32_t token, char key[65]) {
  const struct json_token *t = &g->json.tokens[token];
  struct json_token cut = *t;
  if (t->end - t->start > 64)
    cut.end = cut.start + 64;
  memcpy(key, g->json.text + cut.start, (size_t)(cut.end - cut.start));
  key[cut.end - cut.start] = '\0';
  if (t->end - t->start <= 64 && strchr(key, '\\') && json_decode(&g->json, token, key) == SIZE_MAX)
    strcpy(key, "\\u0000");
}

static bool read_entry(struct policy_reading *g, enum policy_shape shape, uint32_t token, char *to, uint32_t *seen) {
  char key[65];
  uint32_t number;
  decode_key(g, token, key);
  const struct policy_field *f = find_field(shape, key, &number);
  if (!f)
    return unknown_key(g, shape, token, key);
  if (*seen >> number & 1)
    return policy_fault(g, token, "the key \"%s\" is there twice", key);
  *seen |= 1u << number;
  if (shape == SHAPE_POLICY && f->kind == POLICY_PATHS && !strcmp(key, "include"))
    return true; /* done before all others */
  return read_value(g, f, token + 1, to + f->offset);
}

static uint32_t count_wildcards(const char *glob) {
  uint32_t n = 0;
  for (; *glob; glob++)
    n += *glob == '*' || *glob == '?';
  return n;
}

static bool check_rewrite(struct policy_reading *g, uint32_t token, const struct ldx_policy_rewrite *rule) {
  uint32_t there = count_wildcards(rule->when.match);
  for (const char *p = rule->to; (p = strchr(p, '$')); p += 2)
    if (p[1] > '0' && p[1] <= '9' && (uint32_t)(p[1] - '0') > there)
      return policy_fault(g, policy_value_of(g, token, "to"), "$%c stands for nothing: \"match\" has %u wildcard%s",
                          p[1], there, there == 1 ? "" : "s");
  return true;
}

uint32_t policy_value_of(const struct policy_reading *g, uint32_t object, const char *key) {
  uint32_t end = json_next(&g->json, object);
  size_t n = strlen(key);
  for (uint32_t t = object + 1; t < end; t = json_next(&g->json, t + 1)) {
    const struct json_token *k = &g->json.tokens[t];
    if ((size_t)(k->end - k->start) == n && !memcmp(g->json.text + k->start, key, n))
      return t + 1;
  }
  return 0;
}

bool policy_read_object(struct policy_reading *g, enum policy_shape shape, uint32_t token, void *to) {
  uint32_t seen = 0, end = json_next(&g->json, token);
  bool ok = true;
  if (shape != SHAPE_POLICY && !(*(const char **)to = policy_where(g, token)))
    return false;
  for (uint32_t key = token + 1; key < end; key = json_next(&g->json, key + 1))
    ok &= read_entry(g, shape, key, to, &seen);
  ok &= check_required(g, shape, token, seen);
  return ok && (shape != SHAPE_REWRITE || check_rewrite(g, token, to));
}
