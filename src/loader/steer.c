#include "loader/steer.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "base/sys.h"
#include "base/text.h"
#include "loader/guard.h"
#include "loader/journal.h"
#include "loader/tell.h"
#include "search/guide.h"

/* One question that goes from tool to tool. */
struct question {
  const char *what; /* for messages: "name", "path", ... */
  struct ldx_request request;
  const char *original;      /* NULL: not about a text */
  char *value;               /* heap: what it has become; NULL: the original */
  const struct ldx_tool *by; /* who made it that */
  bool may_be_empty;
  struct ldx_diag *diag;
};

uint32_t ldx_origin_of(const struct ldx_load *l) {
  if (l->ns->of_tool || l->of_tool)
    return LDX_FROM_TOOL;
  if (l->find_mode == LDX_FIND_PRELOAD)
    return LDX_FROM_PRELOAD;
  if (l->find_mode == LDX_FIND_AUDIT)
    return LDX_FROM_AUDIT;
  return l->root ? LDX_FROM_NEEDED : LDX_FROM_DLOPEN;
}

const char *ldx_path_of(const struct ldx_object *o) {
  return !o ? NULL : *o->map.l_name ? o->map.l_name : ldx_display_name(o);
}

static struct ldx_request request_of(uint32_t origin, const char *name, const struct ldx_object *loader, long ns) {
  return (struct ldx_request){.size = sizeof(struct ldx_request),
                              .origin = origin,
                              .name = name,
                              .requester = loader ? loader->id : 0,
                              .from = ldx_path_of(loader),
                              .ns = ns};
}

static struct ldx_request request_to_find(const struct ldx_find_request *r) {
  return request_of(r->origin, r->name, r->loader, r->ns);
}

/* Tools are not steered by tools. */
static const struct ldx_tool_order *steerers(const struct ldx_request *r) {
  static const uint64_t none; /* of no tools; as a struct with pointers it would be writable memory */
  const struct ldx_tool_order *o = __atomic_load_n(&ldx_self.hooks.order, __ATOMIC_ACQUIRE);
  return ldx_self.hooks.steered && r->origin != LDX_FROM_TOOL && o ? o : (const struct ldx_tool_order *)&none;
}

static void tell_change(enum ldx_event_type type, const struct question *q, const char *from, const char *to,
                        const char *author, const char *why) {
  if (!ldx_wants(type))
    return;
  struct ldx_event e = ldx_event_about(type, NULL);
  e.ns = q->request.ns;
  e.object = q->request.requester;
  e.u.lib.name = ldx_keep_text(from);
  e.u.lib.path = ldx_keep_text(to);
  e.u.lib.reason = ldx_keep_text(why);
  e.u.lib.author = ldx_keep_text(author);
  ldx_tell(&e);
}

static const char *current(const struct question *q) { return q->value ? q->value : q->original; }

static void note_change(struct question *q, const struct ldx_tool *t, const char *to, const char *why) {
  const char *from = current(q);
  ldx_journal_step(&(struct ldx_step){
      .kind = LDX_STEP_REWRITE, .what = q->what, .from = from, .to = to, .author = t->name, .why = why});
  tell_change(LDX_EV_REWRITTEN, q, from, to, t->name, why);
  if (ldx_tracing(LDX_DEBUG_LIBS))
    ldx_debug("%s %s is changed to %s by tool %s%s%s", q->what, from, to, t->name, why ? ": " : "", why ? why : "");
}

static void note_conflict(struct question *q, const struct ldx_tool *t, const char *to, const char *outcome) {
  ldx_journal_step(&(struct ldx_step){
      .kind = LDX_STEP_CONFLICT, .what = q->what, .from = q->by->name, .to = to, .author = t->name, .why = outcome});
  if (!ldx_wants(LDX_EV_TOOL_CONFLICT))
    return;
  struct ldx_event e = ldx_event_about(LDX_EV_TOOL_CONFLICT, NULL);
  e.u.tool.name = ldx_keep_text(q->by->name);
  e.u.tool.other = ldx_keep_text(t->name);
  e.u.tool.text = ldx_keep_text(outcome);
  ldx_tell(&e);
}

static enum ldx_verdict deny(struct question *q, const struct ldx_tool *t, const struct ldx_answer *a) {
  ldx_journal_step(&(struct ldx_step){.kind = LDX_STEP_DENY,
                                      .what = q->what,
                                      .from = current(q),
                                      .author = t->name,
                                      .why = a->why,
                                      .error = a->error ? a->error : EACCES});
  tell_change(LDX_EV_DENIED, q, current(q), NULL, t->name, a->why);
  ldx_fail(q->diag, LDX_DIAG_LOAD, a->error ? a->error : EACCES, q->request.name, "denied by tool %s%s%s", t->name,
           a->why ? ": " : "", a->why ? a->why : "");
  return LDX_DENY;
}

/* A change on top of another tool's: what the policy says about that. */
static enum ldx_verdict settle_conflict(struct question *q, const struct ldx_tool *t, const char *to) {
  switch (ldx_self.options.strict ? LDX_CONFLICT_ERROR : ldx_self.hooks.on_conflict) {
  case LDX_CONFLICT_FIRST:
    note_conflict(q, t, to, "the first tool's word counts");
    return LDX_PASS;
  case LDX_CONFLICT_ERROR:
    note_conflict(q, t, to, ldx_self.options.strict ? "an error by --strict" : "an error by the policy");
    ldx_fail(q->diag, LDX_DIAG_LOAD, 0, q->request.name, "tools %s and %s both change the %s", q->by->name, t->name,
             q->what);
    return LDX_DENY;
  case LDX_CONFLICT_LAST:
    note_conflict(q, t, to, "the last tool's word counts");
    return LDX_CHANGED;
  default:
    note_conflict(q, t, to, "each sees what the one before made of it");
    return LDX_CHANGED;
  }
}

/* Takes a tool's answer. LDX_PASS: ask on. */
static enum ldx_verdict take(struct question *q, const struct ldx_tool *t, enum ldx_verdict v,
                             const struct ldx_answer *a) {
  if (v == LDX_DENY)
    return deny(q, t, a);
  if (v != LDX_CHANGED || !a->text || !strcmp(a->text, current(q)))
    return v == LDX_STOP ? LDX_STOP : LDX_PASS;
  if (!*a->text && !q->may_be_empty) { /* that would be the program itself */
    ldx_fail(q->diag, LDX_DIAG_LOAD, 0, q->request.name, "tool %s makes an empty %s of it", t->name, q->what);
    return LDX_DENY;
  }
  enum ldx_verdict settled = q->by ? settle_conflict(q, t, a->text) : LDX_CHANGED;
  if (settled != LDX_CHANGED)
    return settled;
  char *copy = ldx_strdup(&ldx_self.heap, a->text);
  if (!copy)
    return LDX_PASS;
  note_change(q, t, a->text, a->why);
  ldx_delete(q->value);
  q->value = copy;
  q->by = t;
  return LDX_PASS;
}

/* What a tool gets to see: with "last" each one sees the original. */
static const char *shown(const struct question *q) {
  return ldx_self.hooks.on_conflict == LDX_CONFLICT_LAST ? q->original : current(q);
}

static struct ldx_answer no_answer(void) { return (struct ldx_answer){.size = sizeof(struct ldx_answer), .fd = -1}; }

static enum ldx_verdict outcome(struct question *q, enum ldx_verdict v, char **out) {
  if (v == LDX_DENY) {
    ldx_delete(q->value);
    return LDX_DENY;
  }
  *out = q->value;
  return q->value ? LDX_CHANGED : LDX_PASS;
}

/* One callback of a tool: what it is given, and what it says. */
struct asking {
  struct ldx_tool *tool;
  const struct ldx_request *request;
  const char *text; /* path: the candidate */
  const struct ldx_path_list *list;
  ldx_search *search;
  struct ldx_answer answer;
  enum ldx_verdict verdict;
};

static void ask_name(void *arg) {
  struct asking *a = arg;
  a->verdict = a->tool->steering->name(a->tool->steering_ctx, a->request, &a->answer);
}
static void ask_path(void *arg) {
  struct asking *a = arg;
  a->verdict = a->tool->steering->path(a->tool->steering_ctx, a->request, a->text, &a->answer);
}
static void ask_paths(void *arg) {
  struct asking *a = arg;
  a->verdict = a->tool->steering->paths(a->tool->steering_ctx, a->request, a->list, &a->answer);
}
static void ask_image(void *arg) {
  struct asking *a = arg;
  a->verdict = a->tool->steering->image(a->tool->steering_ctx, a->request, a->text, &a->answer);
}
static void ask_search(void *arg) {
  struct asking *a = arg;
  a->verdict = a->tool->steering->search(a->tool->steering_ctx, a->request, a->search, &a->answer);
}

/* A tool may have been built for a shorter table. */
static bool offers(const struct ldx_tool *t, size_t function) {
  const struct ldx_steering *s = t->state == LDX_TOOL_READY ? __atomic_load_n(&t->steering, __ATOMIC_ACQUIRE) : NULL;
  return s && function + sizeof(void *) <= s->size && *(void *const *)((const char *)s + function);
}
#define OFFERS(tool, function) offers(tool, offsetof(struct ldx_steering, function))

/* A tool that crashes in its answer has no opinion. */
static void ask(struct asking *a, struct ldx_tool *t, const char *which, void (*function)(void *)) {
  a->tool = t;
  a->answer = no_answer();
  a->verdict = LDX_PASS;
  struct ldx_guarded *g = ldx_guard_begin();
  if (!ldx_guard_call(g, t, "its steering of a ", which, function, a))
    a->verdict = LDX_PASS;
  ldx_guard_end(g);
}

const char *ldx_steer_name(struct ldx_load *l, const char *name, const struct ldx_object *loader, char **made) {
  struct question q = {.what = "name",
                       .request = request_of(ldx_origin_of(l), name, loader, l->ns->id),
                       .original = name,
                       .diag = l->diag};
  const struct ldx_tool_order *tools = steerers(&q.request);
  enum ldx_verdict v = LDX_PASS;
  *made = NULL;
  for (uint32_t i = 0; i < tools->count && v == LDX_PASS; i++) {
    struct ldx_request r = q.request;
    struct asking a = {.request = &r};
    r.name = shown(&q);
    if (!OFFERS(tools->at[i], name))
      continue;
    ask(&a, tools->at[i], q.what, ask_name);
    v = take(&q, tools->at[i], a.verdict, &a.answer);
  }
  if (outcome(&q, v, made) == LDX_DENY)
    return NULL;
  return *made ? *made : name;
}

static enum ldx_verdict steer_path(const struct ldx_find_request *r, const char *candidate, char **out,
                                   struct ldx_diag *d) {
  struct question q = {.what = "path", .request = request_to_find(r), .original = candidate, .diag = d};
  const struct ldx_tool_order *tools = steerers(&q.request);
  enum ldx_verdict v = LDX_PASS;
  for (uint32_t i = 0; i < tools->count && v == LDX_PASS; i++) {
    struct asking a = {.request = &q.request, .text = shown(&q)};
    if (!OFFERS(tools->at[i], path))
      continue;
    ask(&a, tools->at[i], q.what, ask_path);
    v = take(&q, tools->at[i], a.verdict, &a.answer);
  }
  return outcome(&q, v, out);
}

static enum ldx_verdict steer_folders(const struct ldx_find_request *r, const char *source, const char *owner,
                                      const char *folders, char **out, struct ldx_diag *d) {
  struct question q = {
      .what = "search path", .request = request_to_find(r), .original = folders, .may_be_empty = true, .diag = d};
  const struct ldx_tool_order *tools = steerers(&q.request);
  enum ldx_verdict v = LDX_PASS;
  for (uint32_t i = 0; i < tools->count && v == LDX_PASS; i++) {
    const struct ldx_path_list list = {sizeof list, source, owner, shown(&q)};
    struct asking a = {.request = &q.request, .list = &list};
    if (!OFFERS(tools->at[i], paths))
      continue;
    ask(&a, tools->at[i], q.what, ask_paths);
    v = take(&q, tools->at[i], a.verdict, &a.answer);
  }
  return outcome(&q, v, out);
}

/* A file in memory with these bytes. */
static int file_of(const void *bytes, size_t size) {
  long fd = LDX_SYS(SYS_memfd_create, "ldx-image", MFD_CLOEXEC, 0, 0, 0, 0);
  for (size_t done = 0; fd >= 0 && done < size;) {
    long n = sys_write((int)fd, (const char *)bytes + done, size - done);
    if (ldx_sys_failed(n)) {
      sys_close((int)fd);
      return -1;
    }
    done += (size_t)n;
  }
  return ldx_sys_failed(fd) ? -1 : (int)fd;
}

/* The first tool that has bytes provides them. */
static enum ldx_verdict steer_image(const struct ldx_find_request *r, const char *path, int *fd, struct ldx_diag *d) {
  struct question q = {.what = "image", .request = request_to_find(r), .original = path, .diag = d};
  const struct ldx_tool_order *tools = steerers(&q.request);
  for (uint32_t i = 0; i < tools->count; i++) {
    struct ldx_tool *t = tools->at[i];
    struct asking a = {.request = &q.request, .text = path};
    if (!OFFERS(t, image))
      continue;
    ask(&a, t, q.what, ask_image);
    if (a.verdict == LDX_DENY)
      return deny(&q, t, &a.answer);
    if (a.verdict != LDX_CHANGED)
      continue;
    *fd = a.answer.image ? file_of(a.answer.image, a.answer.image_size) : a.answer.fd;
    if (*fd < 0) {
      ldx_fail(d, LDX_DIAG_LOAD, 0, path, "tool %s gives no usable image", t->name);
      return LDX_DENY;
    }
    LDX_SYS(SYS_lseek, *fd, 0, 0 /* SEEK_SET */, 0, 0, 0); /* whoever wrote it left it at the end */
    ldx_journal_step(&(struct ldx_step){
        .kind = LDX_STEP_IMAGE, .what = "image", .to = path, .author = t->name, .why = a.answer.why});
    tell_change(LDX_EV_REWRITTEN, &q, path, "(image from memory)", t->name, a.answer.why);
    return LDX_CHANGED;
  }
  return LDX_PASS;
}

static enum ldx_verdict steer_search(const struct ldx_find_request *r, ldx_search *s, struct ldx_diag *d) {
  struct question q = {.what = "search", .request = request_to_find(r), .original = r->name, .diag = d};
  const struct ldx_tool_order *tools = steerers(&q.request);
  for (uint32_t i = 0; i < tools->count; i++) {
    struct ldx_tool *t = tools->at[i];
    struct asking a = {.request = &q.request, .search = s};
    bool wanted = !ldx_self.search_tool || !strcmp(ldx_self.search_tool, t->name) || !t->object;
    if (!wanted || !OFFERS(t, search))
      continue;
    ask(&a, t, q.what, ask_search);
    if (a.verdict == LDX_DENY)
      return deny(&q, t, &a.answer);
    if (a.verdict != LDX_PASS) {
      ldx_journal_step(&(struct ldx_step){.kind = LDX_STEP_REWRITE,
                                          .what = "search",
                                          .from = r->name,
                                          .to = "by its own algorithm",
                                          .author = t->name,
                                          .why = a.answer.why});
      return a.verdict;
    }
  }
  return LDX_PASS;
}

static struct ldx_order_item item_of(const struct ldx_object *o) {
  const struct ldx_name *n = o->names;
  while (n && n->next)
    n = n->next;
  return (struct ldx_order_item){o->id, n ? n->text : o->map.l_name, o->map.l_name};
}

/* What a tool gives back must be what it was given, in another order. */
static bool put_back(struct ldx_object **at, const struct ldx_order_item *items, uint32_t count) {
  uint32_t n = 0;
  for (; n < count; n++) {
    uint32_t k = n;
    while (k < count && at[k]->id != items[n].object)
      k++;
    if (k == count)
      return false;
    struct ldx_object *o = at[k];
    for (; k > n; k--) /* the others keep their order */
      at[k] = at[k - 1];
    at[n] = o;
  }
  return true;
}

struct ordering {
  struct ldx_tool *tool;
  bool init;
  int64_t ns;
  struct ldx_order_item *items;
  uint32_t count;
  struct ldx_answer answer;
  enum ldx_verdict verdict;
};

static void ask_order(void *arg) {
  struct ordering *o = arg;
  const struct ldx_steering *s = o->tool->steering;
  o->verdict =
      (o->init ? s->init_order : s->scope_order)(o->tool->steering_ctx, o->ns, o->items, o->count, &o->answer);
}

static bool order(struct ldx_load *l, struct ldx_object **at, uint32_t count, bool init) {
  struct question q = {.what = init ? "order of constructors" : "order of objects",
                       .request = request_of(ldx_origin_of(l), ldx_display_name(l->root), NULL, l->ns->id),
                       .original = ldx_display_name(l->root),
                       .diag = l->diag};
  const struct ldx_tool_order *tools = steerers(&q.request);
  struct ldx_order_item *items = tools->count ? ldx_new(count * sizeof *items) : NULL;
  bool ok = !tools->count || items || ldx_fail(l->diag, LDX_DIAG_LOAD, ENOMEM, "", "cannot allocate memory");
  for (uint32_t i = 0; ok && items && i < tools->count; i++) {
    struct ordering o = {.tool = tools->at[i], .init = init, .ns = l->ns->id, .items = items, .count = count};
    if (!(init ? OFFERS(o.tool, init_order) : OFFERS(o.tool, scope_order)))
      continue;
    for (uint32_t k = 0; k < count; k++)
      items[k] = item_of(at[k]);
    o.answer = no_answer();
    struct ldx_guarded *g = ldx_guard_begin();
    bool said = ldx_guard_call(g, o.tool, "its steering of the ", q.what, ask_order, &o);
    ldx_guard_end(g);
    if (!said || o.verdict == LDX_PASS)
      continue;
    if (o.verdict == LDX_DENY)
      ok = deny(&q, o.tool, &o.answer) != LDX_DENY;
    else if (!put_back(at, items, count))
      ok = ldx_fail(l->diag, LDX_DIAG_LOAD, 0, q.original, "tool %s gives back other objects than it was given",
                    o.tool->name);
    else
      note_change(&q, o.tool, "another order", o.answer.why);
  }
  ldx_delete(items);
  return ok;
}

bool ldx_steer_scope(struct ldx_load *l, struct ldx_object **at, uint32_t count) {
  return order(l, at, count, false);
}

/* Items are in the order in which constructors run: the reverse of a load's list. */
static void reverse(struct ldx_object **at, uint32_t count) {
  for (uint32_t i = 0, k = count; i + 1 < k; i++) {
    struct ldx_object *o = at[i];
    at[i] = at[--k];
    at[k] = o;
  }
}

bool ldx_steer_init(struct ldx_load *l, struct ldx_object **at, uint32_t count) {
  reverse(at, count);
  bool ok = order(l, at, count, true);
  reverse(at, count);
  return ok;
}

static void note_list(const struct ldx_find_request *r, const char *source, const char *owner) {
  (void)r;
  ldx_journal_step(&(struct ldx_step){.kind = LDX_STEP_LIST, .source = source, .from = owner});
}

static void note_try(const struct ldx_find_request *r, const char *path, const char *source, int error) {
  (void)r;
  ldx_journal_step(&(struct ldx_step){.kind = LDX_STEP_TRY, .to = path, .source = source, .error = error});
}

void ldx_guide_searches(void) {
  struct ldx_guide *g = &ldx_self.guide;
  if (ldx_self.journal.on) {
    g->list = note_list;
    g->tried = note_try;
  }
  const struct ldx_tool_order *tools = ldx_self.hooks.order;
  for (uint32_t i = 0; tools && i < tools->count; i++) { /* what nobody steers, nobody is asked about */
    if (OFFERS(tools->at[i], path))
      g->path = steer_path;
    if (OFFERS(tools->at[i], image))
      g->image = steer_image;
    if (OFFERS(tools->at[i], paths))
      g->folders = steer_folders;
    if (OFFERS(tools->at[i], search))
      g->search = steer_search;
  }
  ldx_self.search.guide = g;
}

void ldx_guide_for(const struct ldx_tool *t) {
  if (!t->steering)
    return;
  ldx_rlock_enter(&ldx_self.lock);
  ldx_guide_searches();
  ldx_rlock_leave(&ldx_self.lock);
}

int ldx_steer(ldx_tool *tool, const struct ldx_steering *steering, void *ctx) {
  if (!tool || (steering && steering->size < offsetof(struct ldx_steering, paths)))
    return -EINVAL;
  ldx_rlock_enter(&ldx_self.lock); /* searches are guided from now on */
  ldx_rlock_enter(&ldx_self.hooks.lock);
  tool->steering_ctx = ctx;
  __atomic_store_n(&tool->steering, steering, __ATOMIC_RELEASE);
  ldx_hooks_refresh(&ldx_self.hooks);
  ldx_rlock_leave(&ldx_self.hooks.lock);
  if (ldx_self.hooks.steered)
    ldx_guide_searches();
  ldx_rlock_leave(&ldx_self.lock);
  return 0;
}
