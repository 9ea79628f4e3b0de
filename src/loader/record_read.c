/* --frozen: a record is followed to the letter. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/print.h"
#include "base/sys.h"
#include "hooks/policy_json.h"
#include "loader/record.h"

/* A file, and a request, of a record. */
struct file {
  const char *path, *build_id, *sha256;
  uint64_t size;
  bool has_size;
};

struct ldx_recorded {
  const char *name;
  int64_t from, file; /* indices of files; -1: none */
  int64_t ns;
};

struct table {
  struct ldx_recorded *at;
  uint32_t count;
};

struct ldx_record {
  const char *name;
  struct file *files;
  uint32_t file_count, done; /* done: of the requests of the start */
  struct table start, later;
  int64_t *scope, *init;
  uint32_t scope_count, init_count;
};

/* ---- reading */

struct reading {
  struct ldx_record *record;
  struct json json;
};

static _Noreturn void damaged(const struct reading *g, uint32_t token, const char *what) {
  struct json j = g->json;
  size_t offset = token < j.count ? (size_t)j.tokens[token].start : 0;
  struct json_position p = json_position(&j, offset);
  ldx_die_text("%s: record %s:%u:%u: %s", ldx_self.program_name, g->record->name, p.line, p.column, what);
}

static bool is_word(const struct reading *g, uint32_t token, const char *word) {
  const struct json_token *t = &g->json.tokens[token];
  size_t n = strlen(word);
  return (size_t)(t->end - t->start) == n && !memcmp(g->json.text + t->start, word, n);
}

/* The value of a key; 0: the object has no such key. */
static uint32_t member(const struct reading *g, uint32_t object, const char *key) {
  if (g->json.tokens[object].kind != JSON_OBJECT)
    damaged(g, object, "an object is expected");
  uint32_t at = object + 1;
  for (int i = 0; i < g->json.tokens[object].size; i++) {
    if (is_word(g, at, key))
      return at + 1;
    at = json_next(&g->json, at + 1);
  }
  return 0;
}

static uint32_t must(const struct reading *g, uint32_t object, const char *key, enum json_kind kind) {
  uint32_t at = member(g, object, key);
  if (!at || g->json.tokens[at].kind != kind)
    damaged(g, at ? at : object, at ? "another kind of value is expected" : "a member is missing");
  return at;
}

static void *room_for(uint32_t count, size_t size) {
  void *p = ldx_new((count + 1) * size);
  if (!p)
    ldx_die_text("%s: cannot allocate memory", ldx_self.program_name);
  return p;
}

/* NULL: null, or not there. */
static const char *text(const struct reading *g, uint32_t object, const char *key) {
  uint32_t at = member(g, object, key);
  if (!at || (g->json.tokens[at].kind == JSON_PLAIN && is_word(g, at, "null")))
    return NULL;
  const struct json_token *t = &g->json.tokens[at];
  if (t->kind != JSON_STRING)
    damaged(g, at, "a text is expected");
  char *out = room_for((uint32_t)(t->end - t->start), 1);
  if (json_decode(&g->json, at, out) == SIZE_MAX)
    damaged(g, at, "a text has the character NUL");
  return out;
}

static int64_t number_at(const struct reading *g, uint32_t at) {
  const struct json_token *t = &g->json.tokens[at];
  int64_t value = 0;
  for (int i = t->start; i < t->end; i++) {
    unsigned digit = (unsigned)g->json.text[i] - '0';
    if (t->kind != JSON_PLAIN || digit > 9 || value > INT64_MAX / 16)
      damaged(g, at, "a number is expected");
    value = value * 10 + digit;
  }
  return value;
}

static bool is_null(const struct reading *g, uint32_t at) {
  return !at || (g->json.tokens[at].kind == JSON_PLAIN && is_word(g, at, "null"));
}

/* The index of a file. */
static int64_t index_at(const struct reading *g, uint32_t at) {
  int64_t i = number_at(g, at);
  if (i >= g->record->file_count)
    damaged(g, at, "there is no file of that number");
  return i;
}

static void read_files(struct reading *g, uint32_t list) {
  struct ldx_record *r = g->record;
  uint32_t at = list + 1, count = (uint32_t)g->json.tokens[list].size;
  r->files = room_for(count, sizeof *r->files);
  r->file_count = count;
  for (uint32_t i = 0; i < count; i++, at = json_next(&g->json, at)) {
    uint32_t size = member(g, at, "size");
    r->files[i] = (struct file){.path = text(g, at, "path"),
                                .build_id = text(g, at, "build_id"),
                                .sha256 = text(g, at, "sha256"),
                                .has_size = !is_null(g, size),
                                .size = is_null(g, size) ? 0 : (uint64_t)number_at(g, size)};
    if (!r->files[i].path)
      damaged(g, at, "a file has no path");
  }
  if (!count)
    damaged(g, list, "the program is missing");
}

static struct table read_requests(const struct reading *g, uint32_t list) {
  uint32_t at = list + 1, count = (uint32_t)g->json.tokens[list].size;
  struct table t = {room_for(count, sizeof *t.at), count};
  for (uint32_t i = 0; i < count; i++, at = json_next(&g->json, at)) {
    uint32_t from = member(g, at, "from"), file = member(g, at, "file"), ns = member(g, at, "namespace");
    t.at[i] = (struct ldx_recorded){.name = text(g, at, "name"),
                                    .from = is_null(g, from) ? -1 : index_at(g, from),
                                    .file = is_null(g, file) ? -1 : index_at(g, file),
                                    .ns = ns ? number_at(g, ns) : 0};
    if (!t.at[i].name)
      damaged(g, at, "a request has no name");
  }
  return t;
}

static int64_t *read_order(const struct reading *g, uint32_t list, uint32_t *count) {
  uint32_t at = list + 1;
  *count = (uint32_t)g->json.tokens[list].size;
  int64_t *order = room_for(*count, sizeof *order);
  for (uint32_t i = 0; i < *count; i++, at = json_next(&g->json, at))
    order[i] = index_at(g, at);
  return order;
}

static char *read_all(const char *file, size_t *size) {
  struct stat st;
  long fd = sys_open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK), r = ldx_sys_failed(fd) ? fd : sys_fstat((int)fd, &st);
  if (!ldx_sys_failed(r) && !S_ISREG(st.st_mode))
    r = -EINVAL;
  char *bytes = ldx_sys_failed(r) ? NULL : room_for(0, (size_t)st.st_size + 1);
  for (*size = 0; bytes && *size < (size_t)st.st_size; *size += (size_t)r) {
    r = sys_read((int)fd, bytes + *size, (size_t)st.st_size - *size);
    if (ldx_sys_failed(r) || !r)
      break;
  }
  if (!ldx_sys_failed(fd))
    sys_close((int)fd);
  if (ldx_sys_failed(r))
    ldx_die_text("%s: cannot read record %s: %s", ldx_self.program_name, file, ldx_errno_text((int)-r));
  return bytes;
}

void ldx_frozen_open(const char *file) {
  struct reading g = {.record = room_for(0, sizeof *g.record)};
  struct json_fault fault;
  size_t size;
  char *bytes = read_all(file, &size);
  g.record->name = file;
  if (!json_read(&g.json, &ldx_self.heap, bytes, size, &fault)) {
    g.json = (struct json){.text = bytes, .size = size};
    struct json_position p = json_position(&g.json, fault.offset);
    ldx_die_text("%s: record %s:%u:%u: %s", ldx_self.program_name, file, p.line, p.column, fault.text);
  }
  if (!g.json.count || g.json.tokens[0].kind != JSON_OBJECT ||
      !is_word(&g, must(&g, 0, "ldx", JSON_STRING), "record"))
    damaged(&g, 0, "is no record");
  if (number_at(&g, must(&g, 0, "schema", JSON_PLAIN)) != LDX_RECORD_SCHEMA)
    damaged(&g, must(&g, 0, "schema", JSON_PLAIN), "a record of another version of ldx");
  read_files(&g, must(&g, 0, "files", JSON_ARRAY));
  g.record->start = read_requests(&g, must(&g, 0, "start", JSON_ARRAY));
  g.record->later = read_requests(&g, must(&g, 0, "later", JSON_ARRAY));
  g.record->scope = read_order(&g, must(&g, 0, "scope", JSON_ARRAY), &g.record->scope_count);
  g.record->init = read_order(&g, must(&g, 0, "init", JSON_ARRAY), &g.record->init_count);
  json_free(&g.json, &ldx_self.heap);
  ldx_delete(bytes);
  ldx_self.frozen = g.record;
}

/* ---- deviations */

static bool deviates(struct ldx_diag *d, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static bool deviates(struct ldx_diag *d, const char *name, const char *fmt, ...) {
  char what[4096];
  va_list ap;
  va_start(ap, fmt);
  ldx_vformat(what, sizeof what, fmt, ap);
  va_end(ap);
  return ldx_fail(d, LDX_DIAG_LOAD, 0, name, "deviates from record %s: %s", ldx_self.frozen->name, what);
}

static bool same(const char *a, const char *b) { return a == b || (a && b && !strcmp(a, b)); }
static const char *shown(const char *text) { return text ? text : "none"; }

static bool check_contents(const char *name, const struct ldx_identity *x, const struct file *f, struct ldx_diag *d) {
  if (!same(x->build_id, f->build_id))
    return deviates(d, name, "build-id of %s is %s, recorded is %s", x->path, shown(x->build_id), shown(f->build_id));
  if (!same(x->sha256, f->sha256))
    return deviates(d, name, "contents of %s have SHA-256 %s, recorded is %s", x->path, shown(x->sha256),
                    shown(f->sha256));
  if (x->has_size != f->has_size || x->size != f->size)
    return deviates(d, name, "size of %s is %lu, recorded is %lu", x->path, x->size, f->size);
  return true;
}

bool ldx_frozen_program(const struct ldx_identity *program, struct ldx_diag *d) {
  return check_contents(ldx_self.program_name, program, &ldx_self.frozen->files[0], d);
}

static bool is_requester(const struct ldx_recorded *q, const struct ldx_decision *dec) {
  if (!dec->requester || q->from < 0)
    return !dec->requester && q->from < 0;
  if (dec->requester == ldx_self.base.program->id)
    return q->from == 0;
  return q->from > 0 && dec->from && !strcmp(ldx_self.frozen->files[q->from].path, dec->from);
}

static bool is_request(const struct ldx_recorded *q, const struct ldx_decision *dec) {
  return !strcmp(q->name, dec->name) && q->ns == dec->ns && is_requester(q, dec);
}

static const char *requester_text(const struct ldx_recorded *q) {
  return q->from < 0 ? "nobody" : q->from ? ldx_self.frozen->files[q->from].path : "the program";
}

/* At start-up requests come one after the other, in the order recorded. */
bool ldx_frozen_request(const struct ldx_load *l, struct ldx_decision *dec, struct ldx_diag *d) {
  struct ldx_record *r = ldx_self.frozen;
  const char *from = dec->from ? dec->from : "nobody";
  if (l->startup) {
    if (r->done == r->start.count)
      return deviates(d, dec->name, "was not asked for at start-up (now by %s)", from);
    const struct ldx_recorded *q = &r->start.at[r->done++];
    dec->recorded = q;
    return is_request(q, dec) || deviates(d, dec->name, "asked for by %s where the record has %s, asked for by %s",
                                          from, q->name, requester_text(q));
  }
  for (uint32_t i = 0; i < r->later.count && !dec->recorded; i++)
    if (is_request(&r->later.at[i], dec))
      dec->recorded = &r->later.at[i];
  return dec->recorded || deviates(d, dec->name, "was not asked for by %s", from);
}

bool ldx_frozen_outcome(const struct ldx_load *l, const struct ldx_decision *dec, const struct ldx_object *o,
                        struct ldx_diag *d) {
  const struct ldx_recorded *q = dec->recorded;
  const struct file *f = q->file < 0 ? NULL : &ldx_self.frozen->files[q->file];
  const struct ldx_identity *x = dec->identity;
  if (!o && !f)
    return true;
  if (!o)
    return deviates(d, dec->name, "%s: %s%s%s", f->path, l->diag->text ? l->diag->text : "cannot be loaded",
                    l->diag->error ? ": " : "", l->diag->error ? ldx_errno_text(l->diag->error) : "");
  if (!x)
    return deviates(d, dec->name, "%s cannot be identified", o->map.l_name);
  if (!f)
    return deviates(d, dec->name, "is %s, recorded is that it was not found", x->path);
  if (q->file && strcmp(x->path, f->path))
    return deviates(d, dec->name, "is %s, recorded is %s", x->path, f->path);
  return check_contents(dec->name, x, f, d);
}

static bool check_order(const char *what, const char *const *now, const int64_t *recorded, uint32_t count,
                        struct ldx_diag *d) {
  const char *program = ldx_self.program_name;
  for (uint32_t i = 0; i < count || now[i]; i++) {
    const char *was = i < count ? ldx_self.frozen->files[recorded[i]].path : NULL;
    if (!now[i] || !was || (recorded[i] && strcmp(now[i], was)))
      return deviates(d, program, "place %u in the order of %s is %s, recorded is %s", i, what, shown(now[i]),
                      shown(was));
    if (!recorded[i] && i < count && strcmp(now[i], ldx_self.recorder->first->path))
      return deviates(d, program, "place %u in the order of %s is %s, recorded is the program", i, what, now[i]);
  }
  return true;
}

bool ldx_frozen_orders(const char *const *scope, const char *const *init, struct ldx_diag *d) {
  const struct ldx_record *r = ldx_self.frozen;
  if (r->done < r->start.count)
    return deviates(d, r->start.at[r->done].name, "is not asked for by %s any more",
                    requester_text(&r->start.at[r->done]));
  return check_order("the search scope", scope, r->scope, r->scope_count, d) &&
         check_order("constructors", init, r->init, r->init_count, d);
}

/* The answer to a search, so that nothing is tried in vain. */
char *ldx_frozen_path(const struct ldx_find_request *r, const char **source, struct ldx_diag *d) {
  const struct ldx_decision *dec = ldx_self.journal.current;
  const struct ldx_recorded *q = dec ? dec->recorded : NULL;
  (void)r;
  (void)d;
  *source = "record";
  return q && q->file >= 0 ? ldx_strdup(&ldx_self.heap, ldx_self.frozen->files[q->file].path) : NULL;
}
