/* The vanilla plan: what the same start would be without tools, policies, caches and records. A child of ldx makes it
 * before the first tool is loaded, by the code that makes every plan, and writes what was decided into a file in
 * memory. It runs nothing of the program, and has no tool that it could run.
 *
 * The file: fields that end with a zero. "R" name from path message: a request; "S" path, "I" path: the search scope
 * and the constructors in order; "B" from symbol version path: a reference; "E": the end. */
#include <string.h>
#include <sys/mman.h>

#include "base/sys.h"
#include "loader/options.h"
#include "loader/plan.h"
#include "namespace/names.h"

struct ldx_vanilla {
  int fd;
  bool child;
  const char *text, *end; /* NULL: there is none */
  const char *why;        /* there is none */
};

bool ldx_is_vanilla(void) { return ldx_self.journal.vanilla && ldx_self.journal.vanilla->child; }

/* ---- the child */

static void forget_tools(struct ldx_options *o) {
  enum { O_WRONLY_ = 1 };
  long null = sys_open("/dev/null", O_WRONLY_);
  LDX_SYS(SYS_dup2, null, 2, 0, 0, 0, 0); /* its messages are told by the parent */
  o->tools = o->tools_in_app = o->policies = (struct ldx_words){0};
  o->tools_env = o->tools_in_app_env = o->policy_env = o->audit_env = o->audit_option = NULL;
  o->cache = o->record = o->frozen = o->sbom = NULL;
  ldx_add_word(&o->policies, "none");
}

static void put(struct ldx_out *out, const char *text) {
  text = text ? text : "";
  ldx_out_bytes(out, text, strlen(text) + 1);
}

static void put_orders(const struct ldx_plan *p, struct ldx_out *out) {
  const struct ldx_scope_list *s = p->load->root->searchlist.list;
  const struct ldx_object_list *init = &p->load->root->init_order;
  for (uint32_t i = 0; s && i < s->count; i++) {
    put(out, "S");
    put(out, s->at[i].object->map.l_name);
  }
  for (uint32_t i = init->count; i-- > 0;) {
    put(out, "I");
    put(out, init->at[i]->map.l_name);
  }
}

static void put_reference(void *arg, const struct ldx_plan_reference *r) {
  struct ldx_out *out = arg;
  put(out, "B");
  put(out, r->from->path);
  put(out, r->name);
  put(out, r->version ? r->version->name : NULL);
  put(out, r->binding.object ? r->binding.object->map.l_name : NULL);
}

_Noreturn void ldx_vanilla_tell(const struct ldx_plan *p) {
  struct ldx_out *out = ldx_new(sizeof *out);
  if (!out)
    sys_exit(1);
  out->fd = ldx_self.journal.vanilla->fd;
  for (const struct ldx_decision *d = ldx_self.journal.first; d; d = d->next) {
    put(out, "R");
    put(out, d->name);
    put(out, d->from);
    put(out, d->path);
    put(out, d->error);
  }
  put_orders(p, out);
  ldx_plan_bind((struct ldx_plan *)p, put_reference, out);
  put(out, "E");
  ldx_out_flush(out);
  sys_exit(out->error != 0);
}

/* ---- the parent */

static void read_back(struct ldx_vanilla *v) {
  struct stat st;
  long r = sys_fstat(v->fd, &st);
  size_t size = ldx_sys_failed(r) ? 0 : (size_t)st.st_size;
  if (size)
    r = sys_mmap(NULL, size, PROT_READ, MAP_PRIVATE, v->fd, 0);
  const char *text = size && !ldx_sys_failed(r) ? (const char *)r : NULL;
  if (!text || size < 2 || memcmp(text + size - 2, "E", 2)) {
    v->why = "the program cannot be loaded without tools";
    return;
  }
  v->text = text;
  v->end = text + size - 2;
}

static void wait_for(struct ldx_vanilla *v, long child) {
  enum { EINTR_ = 4, WALL_ = 0x40000000 };
  int status = 0;
  long r;
  do
    r = LDX_SYS(SYS_wait4, child, &status, WALL_, 0, 0, 0);
  while (r == -EINTR_);
  if (ldx_sys_failed(r) || status)
    v->why = "the program cannot be loaded without tools";
  else
    read_back(v);
}

void ldx_vanilla_begin(struct ldx_load *l) {
  struct ldx_vanilla *v = ldx_new(sizeof *v);
  (void)l;
  if (!v)
    return;
  ldx_self.journal.vanilla = v;
  long fd = LDX_SYS(SYS_memfd_create, "ldx-vanilla", MFD_CLOEXEC, 0, 0, 0, 0);
  long child = ldx_sys_failed(fd) ? fd : LDX_SYS(SYS_clone, 0 /* no signal at its end */, 0, 0, 0, 0, 0);
  v->fd = (int)fd;
  v->child = child == 0;
  if (child == 0) {
    forget_tools(&ldx_self.options);
    return;
  }
  if (ldx_sys_failed(child))
    v->why = "no process for it could be made";
  else
    wait_for(v, child);
  if (!ldx_sys_failed(fd))
    sys_close((int)fd);
}

/* ---- comparing */

struct compare {
  const struct ldx_plan *plan;
  const struct ldx_vanilla *vanilla;
  void (*each)(void *arg, const struct ldx_difference *d);
  void *arg;
};

/* A line of the file. */
struct line {
  char kind;
  const char *name, *from, *path, *error; /* of "B": symbol, from, path of the definer, version */
};

static const char *next_text(const char *p) { return p + strlen(p) + 1; }

/* False at the end. */
static bool next_line(const struct ldx_vanilla *v, const char **at, struct line *l) {
  if (*at >= v->end)
    return false;
  const char *p = next_text(*at);
  *l = (struct line){.kind = **at};
  if (l->kind == 'R') {
    l->name = p;
    l->from = next_text(l->name);
    l->path = next_text(l->from);
    l->error = next_text(l->path);
    *at = next_text(l->error);
  } else if (l->kind == 'B') {
    l->from = p;
    l->name = next_text(l->from);
    l->error = next_text(l->name);
    l->path = next_text(l->error);
    *at = next_text(l->path);
  } else {
    l->path = p;
    *at = next_text(p);
  }
  return true;
}

static bool same(const char *a, const char *b) { return !strcmp(a ? a : "", b ? b : ""); }

/* The guest's loader goes by two names. */
static bool same_file(const char *a, const char *b) {
  struct stat x, y;
  if (same(a, b))
    return true;
  return a && b && *a && *b && !ldx_sys_failed(io_stat(&ldx_self.io, a, &x)) &&
         !ldx_sys_failed(io_stat(&ldx_self.io, b, &y)) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static bool find_request(const struct ldx_vanilla *v, const struct ldx_decision *d, struct line *out) {
  for (const char *at = v->text; next_line(v, &at, out);)
    if (out->kind == 'R' && same(out->name, d->name) && same(out->from, d->from))
      return true;
  return false;
}

static bool vanilla_has(const struct ldx_vanilla *v, const char *path) {
  struct line l;
  for (const char *at = v->text; next_line(v, &at, &l);)
    if (l.kind == 'R' && same_file(l.path, path))
      return true;
  return false;
}

static bool is_ours(const struct ldx_decision *d) { return d->startup && !d->asks_only && !ldx_is_tools_own(d); }

static const struct ldx_decision *find_decision(const struct line *l) {
  const struct ldx_decision *d = ldx_self.journal.first;
  while (d && !(is_ours(d) && same(d->name, l->name) && same(d->from, l->from)))
    d = d->next;
  return d;
}

static bool plan_has(const struct ldx_plan *p, const char *path) {
  struct stat st;
  for (uint32_t i = 0; i < p->count; i++)
    if (same(p->at[i].object->map.l_name, path))
      return true;
  if (!*path || ldx_sys_failed(io_stat(&ldx_self.io, path, &st)))
    return false;
  for (uint32_t i = 0; i < p->count; i++)
    if (p->at[i].has_facts && p->at[i].facts.st_dev == st.st_dev && p->at[i].facts.st_ino == st.st_ino)
      return true;
  return false;
}

/* The first request for that file is told, and no others. */
static bool is_first(const struct ldx_decision *d) {
  const struct ldx_decision *f = ldx_self.journal.first;
  while (f != d && !(is_ours(f) && f->path == d->path))
    f = f->next;
  return f == d;
}

static const struct ldx_policy_text *policy_preload(const struct ldx_decision *d) {
  const struct ldx_policy *p = ldx_self.policy;
  for (uint32_t i = 0; p && d->origin == LDX_FROM_PRELOAD && i < p->preload.count; i++)
    if (!strcmp(p->preload.at[i].text, d->name))
      return &p->preload.at[i];
  return NULL;
}

static void compare_decision(struct compare *c, const struct ldx_decision *d) {
  struct line l;
  struct ldx_difference diff = {.name = d->name, .from = d->from, .now = d->path ? d->path : d->error, .decision = d};
  const struct ldx_policy_text *rule = policy_preload(d);
  bool tool = d->origin == LDX_FROM_TOOL;
  diff.author = rule ? "policy" : tool ? d->name : NULL;
  diff.why = rule ? rule->where : tool ? "a tool that lives with the program" : NULL;
  if (find_request(c->vanilla, d, &l)) {
    diff.kind = LDX_DIFF_FILE;
    diff.vanilla = *l.path ? l.path : *l.error ? l.error : NULL;
    if (!same_file(l.path, d->path) || (!d->path && !same(l.error, d->error)))
      c->each(c->arg, &diff);
  } else if (is_first(d) && (!d->path || !vanilla_has(c->vanilla, d->path))) {
    diff.kind = LDX_DIFF_MORE;
    c->each(c->arg, &diff);
  }
}

static void compare_requests(struct compare *c) {
  for (const struct ldx_decision *d = ldx_self.journal.first; d; d = d->next)
    if (is_ours(d))
      compare_decision(c, d);
  struct line l;
  for (const char *at = c->vanilla->text; next_line(c->vanilla, &at, &l);) {
    if (l.kind != 'R' || !*l.path || find_decision(&l) || plan_has(c->plan, l.path))
      continue;
    const struct ldx_difference diff = {LDX_DIFF_LESS, l.name, l.from, l.path, NULL, NULL, NULL, NULL};
    c->each(c->arg, &diff);
  }
}

/* The next file of an order of the vanilla plan that is in this plan too. */
static const char *next_common(const struct compare *c, const char **at, char kind) {
  struct line l;
  while (next_line(c->vanilla, at, &l))
    if (l.kind == kind && plan_has(c->plan, l.path))
      return l.path;
  return NULL;
}

static bool in_vanilla_order(const struct compare *c, const char *path, char kind) {
  struct line l;
  for (const char *at = c->vanilla->text; next_line(c->vanilla, &at, &l);)
    if (l.kind == kind && same(l.path, path))
      return true;
  return false;
}

static const struct ldx_step *order_step(char kind) {
  const char *what = kind == 'S' ? "order of objects" : "order of constructors";
  const struct ldx_decision *d = ldx_self.journal.orders;
  const struct ldx_step *s = d ? d->first : NULL;
  while (s && strcmp(s->what ? s->what : "", what))
    s = s->next;
  return s;
}

/* Of the files that both have, the first that stands elsewhere. */
static void compare_order(struct compare *c, char kind, struct ldx_object *const *order, uint32_t count) {
  const char *at = c->vanilla->text;
  for (uint32_t i = 0; i < count; i++) {
    const char *path = order[i]->map.l_name, *vanilla;
    if (!in_vanilla_order(c, path, kind))
      continue;
    vanilla = next_common(c, &at, kind);
    if (!vanilla || same(vanilla, path))
      continue;
    const struct ldx_step *s = order_step(kind);
    const struct ldx_difference diff = {kind == 'S' ? LDX_DIFF_SCOPE : LDX_DIFF_INIT,
                                        NULL,
                                        NULL,
                                        vanilla,
                                        path,
                                        NULL,
                                        s ? s->author : NULL,
                                        s ? s->why : NULL};
    c->each(c->arg, &diff);
    return;
  }
}

static void compare_orders(struct compare *c) {
  const struct ldx_scope_list *s = c->plan->load->root->searchlist.list;
  const struct ldx_object_list *init = &c->plan->load->root->init_order;
  uint32_t scope_count = s ? s->count : 0, most = scope_count > init->count ? scope_count : init->count;
  struct ldx_object **at = ldx_new((most + 1) * sizeof *at);
  if (!at)
    return;
  for (uint32_t i = 0; i < scope_count; i++)
    at[i] = s->at[i].object;
  compare_order(c, 'S', at, scope_count);
  for (uint32_t i = 0; i < init->count; i++)
    at[i] = init->at[init->count - 1 - i];
  compare_order(c, 'I', at, init->count);
  ldx_delete(at);
}

/* ---- references. Those of the vanilla plan by a table of hashes. */

struct references {
  struct compare *compare;
  const char **at; /* lines "B" */
  uint32_t size;   /* a power of two */
  char *told;
};

static uint32_t hash_of(const char *from, const char *name, const char *version) {
  return ldx_hash_name(from) * 31 + ldx_hash_name(name) * 17 + ldx_hash_name(version);
}

static bool fill(struct references *r) {
  uint32_t count = 0;
  struct line l;
  const struct ldx_vanilla *v = r->compare->vanilla;
  for (const char *at = v->text; next_line(v, &at, &l);)
    count += l.kind == 'B';
  for (r->size = 64; r->size < 2 * count; r->size *= 2)
    ;
  r->at = ldx_new(r->size * sizeof *r->at);
  r->told = ldx_new(r->size);
  const char *line = v->text;
  for (const char *at = line; r->at && r->told && next_line(v, &at, &l); line = at) {
    if (l.kind != 'B')
      continue;
    uint32_t i = hash_of(l.from, l.name, l.error) & (r->size - 1);
    while (r->at[i])
      i = (i + 1) & (r->size - 1);
    r->at[i] = line;
  }
  return r->at && r->told;
}

/* The place of the vanilla plan's reference of that name; UINT32_MAX: it has none. */
static uint32_t find_reference(const struct references *r, const struct ldx_plan_reference *p, struct line *l) {
  const char *version = p->version ? p->version->name : "";
  uint32_t i = hash_of(p->from->path, p->name, version) & (r->size - 1);
  for (; r->at[i]; i = (i + 1) & (r->size - 1)) {
    const char *at = r->at[i];
    if (next_line(r->compare->vanilla, &at, l) && same(l->from, p->from->path) && same(l->name, p->name) &&
        same(l->error, version))
      return i;
  }
  return UINT32_MAX;
}

/* That a file was replaced is told already: here it is about who defines, of the files that both plans have. */
static void compare_reference(void *arg, const struct ldx_plan_reference *p) {
  struct references *r = arg;
  struct compare *c = r->compare;
  struct line l;
  uint32_t place = find_reference(r, p, &l);
  const struct ldx_object *o = p->binding.object;
  bool rebound = p->author && strcmp(p->author, "ldx");
  if (place == UINT32_MAX || r->told[place])
    return;
  bool other = !same(l.path, o ? o->map.l_name : NULL) && (!*l.path || plan_has(c->plan, l.path));
  if (!rebound && !other)
    return;
  r->told[place] = 1;
  const char *wrapper = rebound ? ldx_plan_wrapper(c->plan, p) : NULL;
  const struct ldx_difference d = {.kind = LDX_DIFF_BINDING,
                                   .name = p->name,
                                   .from = p->from->path,
                                   .vanilla = *l.path ? l.path : NULL,
                                   .now = rebound ? wrapper
                                          : o     ? o->map.l_name
                                                  : NULL,
                                   .author = rebound ? p->author : NULL,
                                   .why = p->why};
  c->each(c->arg, &d);
}

static void compare_references(struct compare *c) {
  struct references r = {.compare = c};
  if (fill(&r))
    ldx_plan_bind((struct ldx_plan *)c->plan, compare_reference, &r);
  ldx_delete(r.at);
  ldx_delete(r.told);
}

const char *ldx_difference_text(enum ldx_difference_kind kind) {
  static const char *const texts[] = {"", "file", "more", "less", "scope", "init", "binding"};
  return texts[kind];
}

bool ldx_plan_compare(const struct ldx_plan *p, void (*each)(void *arg, const struct ldx_difference *d), void *arg,
                      const char **why) {
  const struct ldx_vanilla *v = ldx_self.journal.vanilla;
  struct compare c = {p, v, each, arg};
  *why = v ? v->why : "out of memory";
  if (!v || !v->text)
    return false;
  compare_requests(&c);
  compare_orders(&c);
  compare_references(&c);
  return true;
}
