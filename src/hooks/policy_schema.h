/* The keys of a policy, as a table: reading and writing both go by it. */
#ifndef LDX_HOOKS_POLICY_SCHEMA_H
#define LDX_HOOKS_POLICY_SCHEMA_H

#include "hooks/policy.h"

/* Kinds of objects. Each begins with `where` in memory. */
enum policy_shape {
  SHAPE_NONE,
  SHAPE_POLICY,
  SHAPE_TOOL,
  SHAPE_ORDER,
  SHAPE_SEARCH,
  SHAPE_REWRITE,
  SHAPE_WHEN,
  SHAPE_DENY,
  SHAPE_PROVIDE,
  SHAPE_CACHE,
  SHAPE_IO,
  SHAPE_BIND,
  SHAPE_NAMESPACE,
  SHAPE_IFUNC,
  SHAPE_EVENTS,
  SHAPE_SECURITY,
  SHAPE_FOLLOW,
  SHAPES
};

/* Kinds of values, and how each is stored. */
enum policy_kind {
  POLICY_TEXT,     /* const char *; not empty */
  POLICY_REMARK,   /* const char *; may be empty */
  POLICY_PATH,     /* const char *; variables are replaced */
  POLICY_TEMPLATE, /* const char *; the same, and $0 to $9 stay */
  POLICY_NUMBER,   /* int64_t; detail: enum policy_range */
  POLICY_ERRNO,    /* int64_t; a name */
  POLICY_SWITCH,   /* uint8_t, enum ldx_switch */
  POLICY_WORD,     /* uint32_t; detail: enum policy_words */
  POLICY_CHOICE,   /* struct ldx_policy_choice; detail: enum policy_words */
  POLICY_TEXTS,    /* ldx_policy_texts */
  POLICY_REMARKS,  /* ldx_policy_texts; may be empty */
  POLICY_PATHS,    /* ldx_policy_texts; what names a variable that has no value is left out */
  POLICY_EVENTS,   /* ldx_policy_texts: globs of event names */
  POLICY_PAIRS,    /* ldx_policy_pairs */
  POLICY_CHOICES,  /* list of struct ldx_policy_choice */
  POLICY_OBJECT,   /* detail: enum policy_shape */
  POLICY_OBJECTS,  /* list of them */
};

enum policy_range { RANGE_VERSION, RANGE_PRIORITY, RANGE_WATCHDOG, RANGE_HISTORY };
enum policy_words {
  WORDS_SCHEMA,
  WORDS_ON_FAULT,
  WORDS_ON_CONFLICT,
  WORDS_ALGORITHM,
  WORDS_WHEN,
  WORDS_PROVIDE,
  WORDS_KEY,
  WORDS_LOG,
  WORDS_ALLOW,
};
enum { POLICY_REQUIRED = 1, POLICY_OF_FILE = 2 /* said of the file, not of the merged policy */ };

/* Texts lie in the rows: pointers would be relocations, which every start pays for. */
struct policy_field {
  uint8_t shape, kind, detail, flags;
  uint16_t offset;
  char key[18];
};
extern const struct policy_field policy_fields[];
extern const size_t policy_field_count;

/* Bytes of an object of this shape in memory. */
size_t policy_shape_size(enum policy_shape shape);
/* Allowed words, with "|" between them. A word that ends in ":" is followed by a text of the user's; the word "*"
 * stands for any text. */
const char *policy_words_text(enum policy_words words);
/* The n-th word, from 1; *length is 0 behind the last one. */
const char *policy_word(enum policy_words words, uint32_t n, size_t *length);

struct policy_range_of {
  int64_t least, most;
  bool power_of_two;
};
struct policy_range_of policy_range(enum policy_range range);

/* -1: no such name; NULL: no such number. */
int policy_errno_value(const char *name);
const char *policy_errno_name(int64_t value);

#endif
