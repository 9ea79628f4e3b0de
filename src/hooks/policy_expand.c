/* Variables in paths. */
#include <string.h>

#include "hooks/policy_read.h"

struct name {
  size_t length; /* of the name; 0: none */
  size_t whole;  /* with the dollar sign and braces */
};

static bool is_name(char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_'; }

/* The name behind a dollar sign: $NAME or ${NAME}. */
static struct name read_name(const char *dollar, const char **start) {
  bool braces = dollar[1] == '{';
  *start = dollar + 1 + braces;
  size_t n = 0;
  while (is_name((*start)[n]))
    n++;
  if (braces && (*start)[n] != '}')
    n = 0;
  return (struct name){n, n + 1 + 2 * braces};
}

static bool is_one_of(const char *start, size_t length, const char names[][16], size_t count) {
  for (size_t i = 0; i < count; i++)
    if (strlen(names[i]) == length && !memcmp(names[i], start, length))
      return true;
  return false;
}

static const char own[][16] = {"HOME", "APP", "XDG_CACHE_HOME", "USER"};
static const char of_search[][16] = {"ORIGIN", "LIB", "PLATFORM"}; /* the search for libraries replaces them */

struct expansion {
  struct policy_reading *g;
  uint32_t token;
  bool template, *unset;
  char *out; /* NULL: only the length is wanted */
  size_t length;
};

static void put(struct expansion *x, const char *text, size_t n) {
  if (x->out)
    memcpy(x->out + x->length, text, n);
  x->length += n;
}

/* A value of the environment; in a template a dollar sign of it must stay one. */
static void put_value(struct expansion *x, const char *value) {
  for (; *value; value++) {
    put(x, value, 1);
    if (x->template && *value == '$')
      put(x, value, 1);
  }
}

static bool put_variable(struct expansion *x, const char *dollar, const struct name *n, const char *start) {
  const struct ldx_policy_reader *r = x->g->reader;
  char name[16] = {0};
  bool searched = is_one_of(start, n->length, of_search, LDX_COUNT(of_search));
  if (!searched && !is_one_of(start, n->length, own, LDX_COUNT(own)))
    return policy_fault(x->g, x->token, "unknown variable \"%.*s\": there are $HOME, $APP, $XDG_CACHE_HOME, $USER",
                        n->length ? (int)n->whole : 2, dollar);
  if (searched || !r->variable) {
    put(x, dollar, n->whole);
    return true;
  }
  memcpy(name, start, n->length);
  const char *value = r->variable(r->arg, name);
  *x->unset = !value;
  if (value)
    put_value(x, value);
  return value;
}

static bool expand(struct expansion *x, const char *text) {
  x->length = 0;
  for (; *text; text++) {
    bool quoted = text[0] == '$' && (text[1] == '$' || (x->template && text[1] >= '0' && text[1] <= '9'));
    if (quoted) {
      bool stays = x->template || !x->g->reader->variable;
      put(x, text, stays ? 2 : 1);
      text++;
    } else if (text[0] == '$') {
      const char *start;
      struct name n = read_name(text, &start);
      if (!put_variable(x, text, &n, start))
        return false;
      text += n.whole - 1;
    } else {
      put(x, text, 1);
    }
  }
  return true;
}

const char *policy_expand(struct policy_reading *g, uint32_t token, const char *text, bool template, bool *unset) {
  struct expansion x = {.g = g, .token = token, .template = template, .unset = unset};
  *unset = false;
  if (!strchr(text, '$'))
    return text;
  if (!expand(&x, text))
    return NULL;
  x.out = policy_alloc(g->policy, x.length + 1);
  if (!x.out) {
    policy_fault(g, token, "cannot allocate memory");
    return NULL;
  }
  expand(&x, text);
  return x.out;
}
