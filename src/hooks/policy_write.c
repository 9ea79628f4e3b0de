/* From data back to JSON text, by the same table; and the layout of such text. */
#include <string.h>

#include "base/print.h"
#include "hooks/policy_read.h"

/* Text that grows. */
struct text {
  struct ldx_heap *heap;
  char *at;
  size_t length, room;
  bool failed;
};

static void put(struct text *t, const char *s, size_t n) {
  while (!t->failed && t->room - t->length <= n)
    t->failed = !ldx_heap_grow(t->heap, (void **)&t->at, &t->room, 1, 4096);
  if (t->failed)
    return;
  memcpy(t->at + t->length, s, n);
  t->length += n;
}

static void puts_(struct text *t, const char *s) { put(t, s, strlen(s)); }

static char *finish(struct text *t) {
  put(t, "", 1);
  if (!t->failed)
    return t->at;
  ldx_heap_free(t->heap, t->at);
  return NULL;
}

static void put_string(struct text *t, const char *prefix, size_t prefix_length, const char *s) {
  char escape[8];
  put(t, "\"", 1);
  put(t, prefix, prefix_length);
  for (; *s; s++)
    if (*s == '"' || *s == '\\')
      put(t, escape, ldx_format(escape, sizeof escape, "\\%c", *s));
    else if ((unsigned char)*s < ' ')
      put(t, escape, ldx_format(escape, sizeof escape, "\\u%04x", (unsigned)*s));
    else
      put(t, s, 1);
  put(t, "\"", 1);
}

static void put_text(struct text *t, const char *s) { put_string(t, "", 0, s); }

static void put_choice(struct text *t, enum policy_words words, const struct ldx_policy_choice *c) {
  size_t length;
  const char *word = policy_word(words, c->is, &length);
  put_string(t, word, *word == '*' ? 0 : length, c->text ? c->text : "");
}

static void put_number(struct text *t, int64_t v) {
  char digits[24];
  put(t, digits, ldx_format(digits, sizeof digits, "%ld", (long)v));
}

static void put_object(struct text *t, enum policy_shape shape, const char *from);

static void put_element(struct text *t, const struct policy_field *f, const char *from, uint32_t i) {
  const struct ldx_policy_text *texts = (const void *)from;
  const struct ldx_policy_pair *pair = (const struct ldx_policy_pair *)from + i;
  switch ((enum policy_kind)f->kind) {
  case POLICY_PAIRS:
    puts_(t, "[");
    put_text(t, pair->first);
    puts_(t, ",");
    put_text(t, pair->second);
    puts_(t, "]");
    break;
  case POLICY_CHOICES:
    put_choice(t, (enum policy_words)f->detail, (const struct ldx_policy_choice *)from + i);
    break;
  case POLICY_OBJECTS:
    put_object(t, (enum policy_shape)f->detail, from + i * policy_shape_size((enum policy_shape)f->detail));
    break;
  default:
    put_text(t, texts[i].text);
  }
}

static void put_list(struct text *t, const struct policy_field *f, const char *from) {
  const struct policy_list *list = (const void *)from;
  puts_(t, "[");
  for (uint32_t i = 0; i < list->count; i++) {
    puts_(t, i ? "," : "");
    put_element(t, f, list->at, i);
  }
  puts_(t, "]");
}

static void put_value(struct text *t, const struct policy_field *f, const char *from) {
  size_t length;
  const char *word;
  switch ((enum policy_kind)f->kind) {
  case POLICY_TEXT:
  case POLICY_REMARK:
  case POLICY_PATH:
  case POLICY_TEMPLATE:
    put_text(t, *(const char *const *)from);
    break;
  case POLICY_NUMBER:
    put_number(t, *(const int64_t *)from);
    break;
  case POLICY_ERRNO:
    put_text(t, policy_errno_name(*(const int64_t *)from));
    break;
  case POLICY_SWITCH:
    puts_(t, *(const uint8_t *)from == LDX_SWITCH_ON ? "true" : "false");
    break;
  case POLICY_WORD:
    word = policy_word((enum policy_words)f->detail, *(const uint32_t *)from, &length);
    put_string(t, word, length, "");
    break;
  case POLICY_CHOICE:
    put_choice(t, (enum policy_words)f->detail, (const void *)from);
    break;
  case POLICY_OBJECT:
    put_object(t, (enum policy_shape)f->detail, from);
    break;
  default:
    put_list(t, f, from);
  }
}

static bool is_given(const struct policy_field *f, const char *from) {
  switch ((enum policy_kind)f->kind) {
  case POLICY_TEXT:
  case POLICY_REMARK:
  case POLICY_PATH:
  case POLICY_TEMPLATE:
  case POLICY_OBJECT: /* begins with its place */
    return *(const char *const *)from;
  case POLICY_NUMBER:
  case POLICY_ERRNO:
    return *(const int64_t *)from;
  case POLICY_SWITCH:
    return *(const uint8_t *)from;
  case POLICY_WORD:
    return *(const uint32_t *)from;
  case POLICY_CHOICE:
    return ((const struct ldx_policy_choice *)from)->is;
  default:
    return ((const struct policy_list *)from)->count;
  }
}

static void put_object(struct text *t, enum policy_shape shape, const char *from) {
  const char *comma = "";
  puts_(t, "{");
  for (size_t i = 0; i < policy_field_count; i++) {
    const struct policy_field *f = &policy_fields[i];
    if (f->shape != shape || (f->flags & POLICY_OF_FILE) || !is_given(f, from + f->offset))
      continue;
    puts_(t, comma);
    put_text(t, f->key);
    puts_(t, ":");
    put_value(t, f, from + f->offset);
    comma = ",";
  }
  puts_(t, "}");
}

char *ldx_policy_write(const struct ldx_policy *p, struct ldx_heap *heap) {
  struct text t = {.heap = heap};
  put_object(&t, SHAPE_POLICY, (const char *)p);
  return finish(&t);
}

/* --- layout --- */

enum { WIDTH = 100 };

struct layout {
  struct text out;
  struct json json;
};

static void put_token(struct layout *l, uint32_t token) {
  const struct json_token *t = &l->json.tokens[token];
  bool quotes = t->kind == JSON_STRING;
  put(&l->out, l->json.text + t->start - quotes, (size_t)(t->end - t->start) + 2 * quotes);
}

static bool is_container(const struct json_token *t) { return t->kind == JSON_OBJECT || t->kind == JSON_ARRAY; }

/* How wide the value is on one line. */
static size_t width_of(const struct layout *l, uint32_t token) {
  const struct json_token *t = &l->json.tokens[token];
  if (!is_container(t))
    return (size_t)(t->end - t->start) + 2 * (t->kind == JSON_STRING);
  size_t width = 2, end = json_next(&l->json, token);
  for (uint32_t i = token + 1; i < end; i = json_next(&l->json, i)) {
    if (t->kind == JSON_OBJECT) {
      width += width_of(l, i) + 2;
      i++;
    }
    width += width_of(l, i) + 2;
  }
  return width - 2 * (t->size > 0);
}

static void new_line(struct layout *l, unsigned depth) {
  put(&l->out, "\n", 1);
  for (unsigned i = 0; i < depth; i++)
    put(&l->out, "  ", 2);
}

/* `column` is where the value begins, `depth` how far its line is set in. */
static void put_laid_out(struct layout *l, uint32_t token, unsigned depth, size_t column) {
  const struct json_token *t = &l->json.tokens[token];
  if (!is_container(t)) {
    put_token(l, token);
    return;
  }
  bool object = t->kind == JSON_OBJECT, broken = t->size && (!token || column + width_of(l, token) > WIDTH);
  size_t end = json_next(&l->json, token);
  put(&l->out, object ? "{" : "[", 1);
  column = broken ? 2 * ((size_t)depth + 1) : column + 1;
  for (uint32_t i = token + 1; i < end; i = json_next(&l->json, i)) {
    if (i > token + 1)
      put(&l->out, ", ", broken ? 1 : 2);
    if (broken)
      new_line(l, depth + 1);
    size_t key = 0;
    if (object) {
      put_token(l, i);
      put(&l->out, ": ", 2);
      key = width_of(l, i++) + 2;
    }
    put_laid_out(l, i, depth + broken, broken ? column + key : 0);
  }
  if (broken)
    new_line(l, depth);
  put(&l->out, object ? "}" : "]", 1);
}

char *ldx_policy_format(struct ldx_heap *heap, const char *text, size_t size) {
  struct layout l = {.out = {.heap = heap}};
  struct json_fault fault;
  bool ok = json_read(&l.json, heap, text, size, &fault);
  if (ok) {
    put_laid_out(&l, 0, 0, 0);
    put(&l.out, "\n", 1);
  }
  l.out.failed |= !ok;
  json_free(&l.json, heap);
  return finish(&l.out);
}
